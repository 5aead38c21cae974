/**
 * Looking at the tunnels of a state directory from outside: who holds them, and where they stand.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { StateDir } from "../../services/StateDir.ts"
import type { TunnelStatus } from "../../services/TunnelManager.ts"
import * as Files from "./sharedFiles.ts"
import * as Socket from "./sharedSocket.ts"

/** Time for a holder to say where its tunnel stands. */
const ANSWER_WITHIN = "2 seconds"

export interface Found {
  readonly key: string
  /**
   * `held`: its holder said so now. `silent`: its holder is there and does not answer, so this is what it recorded last.
   * `stopped`: it ended for good, and nobody holds it.
   */
  readonly how: "held" | "silent" | "stopped"
  readonly status: TunnelStatus
}

const ask = (key: string, pid: number) =>
  Effect.gen(function* () {
    const link = yield* Socket.connect(Files.placeOf(yield* FileSystem.FileSystem, yield* StateDir, key))
    const status = Option.getOrUndefined(Files.decodeStatus((yield* link.heard).status))
    return status?.pid === pid ? status : undefined
  }).pipe(
    Effect.scoped,
    Effect.timeoutOption(ANSWER_WITHIN),
    Effect.map(Option.getOrUndefined),
    Effect.orElseSucceed(() => undefined)
  )

/** Removes what a killed process left, unless another took it over meanwhile. */
const clean = (key: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const state = yield* StateDir
    yield* state.hold(Files.lockOf(key))
    for (const name of [Files.recordOf(key), `${Files.FOLDER}/${key}.sock`]) {
      yield* fs.remove(state.path(name), { force: true })
    }
  }).pipe(Effect.scoped, Effect.ignore)

/** A tunnel by its key; `undefined` where nobody holds it, which is also so where its holder was killed. */
export const look = Effect.fn("Tunnels.look")(function* (key: string) {
  const state = yield* StateDir
  const pid = yield* Effect.orElseSucceed(state.holder(Files.lockOf(key)), () => undefined)
  if (pid !== undefined) {
    const now = yield* ask(key, pid)
    if (now !== undefined) return { key, how: "held", status: now } satisfies Found
    const last = yield* Files.readRecord(key)
    return last?.pid === pid ? ({ key, how: "silent", status: last } satisfies Found) : undefined
  }
  const last = yield* Files.readRecord(key)
  if (last?.state._tag === "Stopped") return { key, how: "stopped", status: last } satisfies Found
  yield* clean(key)
  return undefined
})

/** All tunnels of the state directory. */
export const all = Effect.gen(function* () {
  const found = yield* Effect.forEach(yield* Files.keys, look, { concurrency: 8 })
  return found.filter((one) => one !== undefined)
})

/** Forgets one that stopped for good. */
export const dismiss = ({ key }: Found) => clean(key)
