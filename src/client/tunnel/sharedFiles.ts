/**
 * What a held tunnel leaves in the state directory: a lock, a socket, a record, and a log, all named after what is tunnelled.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { StateDir } from "../../services/StateDir.ts"
import { type TunnelError, type TunnelSpec, type TunnelState, TunnelStatus } from "../../services/TunnelManager.ts"
import type { Place } from "./sharedSocket.ts"

/** The folder inside the state directory. */
export const FOLDER = "tunnels"

/** What makes two tunnels the same: everything but the near end, and who may see what. */
export type Same = Pick<TunnelSpec, "hostKeyPolicy" | "identityFile" | "remotePort" | "target">

/** The name of the files of a tunnel. */
export const keyOf = ({ hostKeyPolicy, identityFile, remotePort, target }: Same): string =>
  createHash("sha256")
    .update(JSON.stringify([1, target, remotePort, identityFile ?? "", hostKeyPolicy]))
    .digest("hex")
    .slice(0, 32)

const NAMED = /^([0-9a-f]{32})\.(?:json|lock)$/
const LOG = /^[0-9a-f]{32}\.log(?:\.1)?$/

export const lockOf = (key: string) => `${FOLDER}/${key}.lock`
/** Of the `openclaw tunnel up` that keeps the tunnel, also while another program holds it. */
export const keeperOf = (key: string) => `${FOLDER}/${key}.keeper.lock`
export const recordOf = (key: string) => `${FOLDER}/${key}.json`
export const logOf = (key: string) => `${FOLDER}/${key}.log`

const StatusJson = Schema.fromJsonString(TunnelStatus)
export const decodeStatus = Schema.decodeUnknownOption(StatusJson)
export const encodeStatus = Schema.encodeSync(StatusJson)

/** Where the socket of a tunnel is. */
export const placeOf = (fs: FileSystem.FileSystem, state: StateDir["Service"], key: string): Place => ({
  fs,
  folder: state.path(FOLDER),
  name: `${key}.sock`
})

const names = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const found = yield* Effect.orElseSucceed(fs.readDirectory((yield* StateDir).path(FOLDER)), () => [])
  return found.sort()
})

/** The keys of the tunnels that somebody holds, or held without letting go. */
export const keys = Effect.map(names, (all) => [...new Set(all.flatMap((name) => NAMED.exec(name)?.[1] ?? []))])

/** The logs of all tunnels, as absolute paths. */
export const logs = Effect.gen(function* () {
  const state = yield* StateDir
  return (yield* names).filter((name) => LOG.test(name)).map((name) => state.path(FOLDER, name))
})

/** The last known state of a tunnel. Says nothing of whether its holder lives. */
export const readRecord = (key: string) =>
  Effect.flatMap(StateDir, (state) => state.read(recordOf(key))).pipe(
    Effect.map((text) => (text === undefined ? undefined : Option.getOrUndefined(decodeStatus(text)))),
    Effect.orElseSucceed(() => undefined)
  )

/** Bytes after which a log is turned over; the one before it is kept. */
const LOG_BYTES = 262_144

/** A line of the log, which `openclaw tunnel logs` reads. */
export interface LogLine {
  readonly time: string
  readonly level: "info" | "warn" | "error"
  readonly message: string
  readonly target: string
}

/** Adds a line; trouble with the log is no trouble of the tunnel. */
export const appendLog = Effect.fnUntraced(
  function* (fs: FileSystem.FileSystem, file: string, line: LogLine) {
    const size = yield* Effect.orElseSucceed(
      Effect.map(fs.stat(file), (info) => Number(info.size)),
      () => 0
    )
    if (size > LOG_BYTES) yield* fs.rename(file, `${file}.1`)
    yield* fs.writeFileString(file, `${JSON.stringify(line)}\n`, { flag: "a", mode: 0o600 })
  },
  (write) => Effect.ignore(write)
)

/** A state without what changes while it stays the same. */
export const kindOf = (now: TunnelState): string =>
  JSON.stringify([now._tag, now.generation, now._tag === "Up" ? now.since : now.error?._tag])

/** What of a state is worth a line for people: nothing where it is as before, or where the next state says it. */
export const newsOf = (now: TunnelState): string | undefined => {
  switch (now._tag) {
    case "Up":
      return `up ${now.generation} ${now.since}`
    case "Connecting":
      return now.error === undefined ? "connecting" : undefined
    case "Waiting":
      return `waiting ${now.error.message}`
    case "Stopped":
      return "stopped"
  }
}

const firstLine = (error: TunnelError): string => error.message.split("\n", 1)[0] ?? ""

/** What a state is to a reader of the log. */
export const told = (state: TunnelState): Pick<LogLine, "level" | "message"> => {
  switch (state._tag) {
    case "Up": {
      const who = state.gateway === undefined ? "" : `, Gateway ${state.gateway.slice(0, 12)}`
      return { level: "info", message: `up at 127.0.0.1:${state.localPort}${who}, ${state.roundTripMs} ms` }
    }
    case "Connecting":
      return { level: "info", message: "connecting" }
    case "Waiting":
      return { level: "warn", message: firstLine(state.error) }
    case "Stopped":
      return { level: "error", message: state.error.message }
  }
}
