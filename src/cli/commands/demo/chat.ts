/**
 * The demo's Telegram user: sends a text, waits for the whole answer, and goes on for as long as somebody types.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Prompt from "effect/cli/Prompt"
import type { BotApiServer, Person } from "../../../testing/BotApi.ts"
import { CommandFailed } from "../../errors.ts"
import type { Hops } from "./hops.ts"

/** Sends one message and prints the reply that arrives in the chat. */
export const ask = (bot: BotApiServer, from: Person, hops: Hops) => {
  let last = 0
  return Effect.fn("demo.ask")(function* (text: string) {
    yield* hops.restart
    yield* hops.hop("telegram user", "bot api", text)
    yield* bot.sendText({ from, text })
    const reply = yield* bot.awaitReply({ chatId: from.id, after: last }).pipe(
      Effect.timeoutOrElse({
        duration: "3 minutes",
        orElse: () => Effect.fail(new CommandFailed({ message: "no reply arrived within three minutes" }))
      })
    )
    last = reply.messageId
    yield* bot.awaitConfirmed
    yield* Console.log(`\n${reply.text}\n`)
  })
}

/** A prompt until Ctrl-C or Ctrl-D. */
export const prompt = (send: (text: string) => Effect.Effect<void, CommandFailed>) =>
  Console.log("You are the Telegram user now. Ctrl-C ends the demo.\n").pipe(
    Effect.andThen(
      Prompt.run(Prompt.String({ message: "you" })).pipe(
        Effect.flatMap((text) => (text.trim() === "" ? Effect.void : send(text.trim()))),
        Effect.forever
      )
    ),
    Effect.catchTag("QuitError", () => Effect.void)
  )
