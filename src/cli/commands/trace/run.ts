import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { join } from "node:path"
import { DATABASE } from "../../../layers/storage/Storage.ts"
import { CommandFailed } from "../../errors.ts"
import { ask, isOwn, owner, target } from "../../gateway.ts"
import { print } from "../../output.ts"
import * as State from "../../state.ts"
import { waterfall } from "./waterfall.ts"

interface Flags {
  readonly message: string | undefined
  readonly last: boolean
  readonly timeout: number
}

/** What a Gateway of this machine left on the disk; it does not run. */
const fromDisk = Effect.fnUntraced(function* (root: string, message: string | undefined) {
  const ReadOnly = yield* Effect.promise(() => import("../../../layers/storage/ReadOnly.ts"))
  const Store = yield* Effect.promise(() => import("../../../layers/tracing/Store.ts"))
  const read = Effect.flatMap(Store.makeRead, (find) => find(message, () => false))
  return yield* Effect.provide(read, ReadOnly.layer({ filename: join(root, ...DATABASE) }))
})

/** Prints `diagnostics.trace`, or the same from the state directory of a Gateway that is stopped. */
export const run = Effect.fn("cli.trace")(function* (flags: Flags) {
  if (flags.last && flags.message !== undefined) {
    return yield* new CommandFailed({
      message: "--last is the newest message, and one is named.\nFix: give one of them."
    })
  }
  const fs = yield* FileSystem.FileSystem
  const to = yield* target
  const { root } = yield* State.plan
  const isStopped = isOwn(to) && Option.isNone(yield* owner)
  const found =
    isStopped && (yield* fs.exists(join(root, ...DATABASE)))
      ? yield* fromDisk(root, flags.message)
      : yield* ask({ scopes: ["operator.read"], timeoutMs: flags.timeout, running: true }, (client) =>
          client.call["diagnostics.trace"](flags.message === undefined ? {} : { message: flags.message })
        )
  yield* print(found, () => waterfall(found))
})
