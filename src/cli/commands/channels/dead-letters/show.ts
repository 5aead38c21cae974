import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { ask } from "../../../gateway.ts"
import { ago, fields, lines, print } from "../../../output.ts"

const arrived = "may show it a second time: nobody knows whether it arrived"
const doubling = {
  delivery: arrived,
  message: arrived,
  turn: "may do a second time what its tools did: some of them were begun before it was given up"
} as const

/** Prints `channels.deadLetters.show`. */
export const run = Effect.fn("cli.channels.deadLetters.show")(function* (flags: {
  readonly id: string
  readonly timeout: number
}) {
  const letter = yield* ask({ scopes: ["operator.read"], timeoutMs: flags.timeout }, (client) =>
    client.call["channels.deadLetters.show"]({ id: flags.id })
  )
  const now = yield* Clock.currentTimeMillis
  const at = (time: number) => `${DateTime.formatIso(DateTime.makeUnsafe(time))} (${ago(now, time)})`
  yield* print(letter, () =>
    [
      fields([
        ["Id", letter.id],
        ["Kind", letter.kind],
        ["Channel", letter.channel],
        ["Account", letter.accountId],
        ["Chat", letter.chatId],
        ["Sender", letter.senderId],
        ["Session", letter.sessionKey],
        ["Run", letter.runId],
        ["Received", at(letter.receivedAt)],
        ["Given up", at(letter.failedAt)],
        ["Tries", letter.attempts === undefined ? undefined : String(letter.attempts)],
        ["Why", letter.error],
        ["Retry", letter.mayDouble ? doubling[letter.kind] : undefined]
      ]),
      "",
      letter.text === undefined ? "(its text is not kept)" : lines(letter.text)
    ].join("\n")
  )
})
