import * as Effect from "effect/Effect"
import { ask } from "../../../gateway.ts"
import { print } from "../../../output.ts"
import { tableOf } from "./shared.ts"

/** Prints `channels.deadLetters.list`. */
export const run = Effect.fn("cli.channels.deadLetters.list")(function* (flags: {
  readonly channel: string | undefined
  readonly kind: "turn" | "delivery" | "message" | undefined
  readonly limit: number | undefined
  readonly timeout: number
}) {
  const { channel, kind, limit } = flags
  const answer = yield* ask({ scopes: ["operator.read"], timeoutMs: flags.timeout }, (client) =>
    client.call["channels.deadLetters.list"]({
      ...(channel === undefined ? undefined : { channel }),
      ...(kind === undefined ? undefined : { kind }),
      ...(limit === undefined ? undefined : { limit })
    })
  )
  const { counts, deadLetters } = answer
  yield* print(answer, () =>
    deadLetters.length === 0
      ? counts.total === 0
        ? "No dead letters."
        : `None of these; ${counts.total} of another channel or kind.`
      : [
          tableOf(deadLetters, answer.ts),
          "",
          ...(deadLetters.length >= (limit ?? 200) && counts.total > deadLetters.length
            ? [`${deadLetters.length} are shown of ${counts.total} of all kinds; --limit shows up to 1000.`]
            : counts.total > deadLetters.length
              ? [`${counts.total - deadLetters.length} more are of another channel or kind.`]
              : []),
          "`openclaw channels dead-letters show <id>` shows one, `retry <id>` tries it again, `drop <id>` forgets it."
        ].join("\n")
  )
})
