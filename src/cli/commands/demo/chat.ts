/**
 * The demo's Telegram user: sends a text, waits for the whole answer, and goes on for as long as somebody types.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Prompt from "effect/cli/Prompt"
import * as SessionKey from "../../../domain/SessionKey.ts"
import { runIdOf } from "../../../layers/channels/Admission.ts"
import { Turns } from "../../../services/Turns.ts"
import type { BotApiServer, Person } from "../../../testing/BotApi.ts"
import { CommandFailed } from "../../errors.ts"
import type { Hops } from "./hops.ts"

const gaveUp = () =>
  Effect.fail(
    new CommandFailed({
      message:
        "no whole reply arrived within three minutes.\nFix: look at what the model does (`openclaw models list`), or begin anew with /new."
    })
  )

/**
 * Sends one message and prints all that the bot answers. A long answer takes several messages: it is whole once the turn has
 * ended, and a command, which is answered without a turn, takes only one.
 */
export const ask = (bot: BotApiServer, from: Person, hops: Hops) =>
  Effect.fn("demo.ask")(function* (text: string) {
    const turns = yield* Turns
    yield* hops.restart
    yield* hops.hop("telegram user", "bot api", text)
    const { chatId, messageId } = yield* bot.sendText({ from, text })
    const runId = runIdOf({
      source: String(bot.bot.id),
      peer: { channel: "telegram", accountId: "default", chatId: String(chatId), chatType: "direct" },
      messageId: String(messageId)
    })
    const answered = Effect.gen(function* () {
      yield* bot.awaitReply({ chatId, after: messageId })
      if (yield* turns.knows(runId)) yield* turns.await(runId, SessionKey.main("main"))
      yield* bot.awaitConfirmed
    })
    yield* answered.pipe(
      Effect.catchTag("TurnNotAccepted", ({ message }) => Effect.fail(new CommandFailed({ message }))),
      Effect.timeoutOrElse({ duration: "3 minutes", orElse: gaveUp })
    )
    for (const reply of yield* bot.sent) {
      if (reply.chatId === chatId && reply.messageId > messageId) yield* Console.log(`\n${reply.text}`)
    }
    yield* Console.log("")
  })

/** A prompt until Ctrl-C or Ctrl-D. */
export const prompt = <R>(send: (text: string) => Effect.Effect<void, CommandFailed, R>) =>
  Console.log("You are the Telegram user now. Ctrl-C ends the demo.\n").pipe(
    Effect.andThen(
      Prompt.run(Prompt.String({ message: "you" })).pipe(
        Effect.flatMap((text) => (text.trim() === "" ? Effect.void : send(text.trim()))),
        Effect.forever
      )
    ),
    Effect.catchTag("QuitError", () => Effect.void)
  )
