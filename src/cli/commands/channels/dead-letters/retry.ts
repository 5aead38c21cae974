import * as Effect from "effect/Effect"
import { NotWell, tell } from "../../../errors.ts"
import { ask } from "../../../gateway.ts"
import { plain, print } from "../../../output.ts"
import { eachOf } from "./shared.ts"

/** Calls `channels.deadLetters.retry` for one or all. Exit code 1 when one of all was refused. */
export const run = Effect.fn("cli.channels.deadLetters.retry")(function* (flags: {
  readonly id: string | undefined
  readonly all: boolean
  readonly timeout: number
}) {
  const { done, failed } = yield* ask({ scopes: ["operator.write"], timeoutMs: flags.timeout }, (client) =>
    eachOf(client, flags, "retry", (id) => client.call["channels.deadLetters.retry"]({ id }))
  )
  yield* print(flags.all ? { retried: done, failed } : done[0], () =>
    done.length + failed.length === 0
      ? "No dead letters."
      : done
          .map(({ already, id, kind, mayDouble, runId }) => {
            const what = kind === "delivery" ? "sent again" : "submitted anew"
            const as = runId === undefined ? "" : ` as ${plain(runId)}`
            const doubling =
              kind === "turn" ? "; what its tools did may be done twice" : "; it may be in the chat twice"
            const before = already ? " before; nothing was done now" : ""
            return `${plain(id)}: ${what}${as}${before}${mayDouble ? doubling : ""}`
          })
          .join("\n")
  )
  for (const { error, id } of failed) yield* tell(`${id}: ${error.message}`)
  if (failed.length > 0) return yield* new NotWell({})
})
