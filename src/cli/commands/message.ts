/**
 * `openclaw message`: messages out through a channel, without the agent.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

export const sendFlags = {
  target: Flag.String("target").pipe(
    Flag.withAlias("t"),
    Flag.withAlias("to"),
    Flag.withDescription("Where to: a chat id, or channel:id such as telegram:123")
  ),
  message: Flag.String("message").pipe(
    Flag.withAlias("m"),
    Flag.withDescription("The text, in Markdown; may be left out with --media"),
    Flag.withDefault("")
  ),
  media: Flag.String("media").pipe(
    Flag.withDescription("A file to send; more than one go one after another, the text with the first"),
    Flag.atLeast(0)
  ),
  forceDocument: flags.on("force-document", "Send files as they are, also pictures and videos"),
  channel: flags.text("channel", "Channel to send by; needed when there are several"),
  account: flags.text("account", "Account of that channel"),
  threadId: flags.text("thread-id", "Topic or thread inside the chat"),
  replyTo: flags.text("reply-to", "Id of the message that this one answers"),
  silent: flags.on("silent", "Deliver without a sound"),
  dryRun: flags.on("dry-run", "Show what would be sent, without connecting"),
  timeout: flags.timeout(30_000)
}

const send = Command.make(
  "send",
  sendFlags,
  lazily(() => import("./message/send.ts"))
).pipe(
  Command.withDescription("Send one message"),
  Command.withExamples([
    { command: "openclaw message send --target telegram:123 -m hello", description: "To a Telegram chat" },
    {
      command: "openclaw message send --target telegram:123 -m 'Our trip' --media ./photo.jpg",
      description: "With a picture"
    }
  ])
)

export const message = Command.make("message").pipe(
  Command.withDescription("Messages out through a channel, without the agent"),
  Command.withSubcommands([send])
)
