/**
 * What a held tunnel leaves in the state directory: a lock, a socket, a record, and a log, all named after what is tunnelled.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
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

const RECORD = /^([0-9a-f]{32})\.json$/

export const lockOf = (key: string) => `${FOLDER}/${key}.lock`
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

/** The keys of the tunnels that have a record. */
export const keys = (fs: FileSystem.FileSystem) =>
  Effect.gen(function* () {
    const names = yield* Effect.orElseSucceed(fs.readDirectory((yield* StateDir).path(FOLDER)), () => [])
    return names.flatMap((name) => RECORD.exec(name)?.[1] ?? []).sort()
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

const firstLine = (error: TunnelError): string => error.message.split("\n", 1)[0] ?? ""

/** What a state is to a reader of the log. */
export const told = (state: TunnelState): Omit<LogLine, "time"> => {
  switch (state._tag) {
    case "Up": {
      const who = state.gateway === undefined ? "" : `, Gateway ${state.gateway.slice(0, 12)}`
      return { level: "info", message: `up at 127.0.0.1:${state.localPort}${who}, ${state.roundTripMs} ms` }
    }
    case "Connecting":
      return state.error === undefined
        ? { level: "info", message: `connecting (${state.generation})` }
        : { level: "info", message: `connecting (${state.generation}); before: ${firstLine(state.error)}` }
    case "Waiting":
      return { level: "warn", message: `${firstLine(state.error)} Next try in ${state.delayMs} ms.` }
    case "Stopped":
      return { level: "error", message: state.error.message }
  }
}
