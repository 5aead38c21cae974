import * as Effect from "effect/Effect"
import { randomId } from "../../../client/ids.ts"
import { CommandFailed } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { plain, print } from "../../output.ts"
import { read } from "./files.ts"

/** The channel that the destination names itself: `telegram:123` is on Telegram. */
const channelIn = (target: string): string | undefined => /^([a-z][a-z0-9-]*):/.exec(target)?.[1]

export const run = Effect.fn("cli.message.send")(function* (flags: {
  readonly target: string
  readonly message: string
  readonly media: ReadonlyArray<string>
  readonly forceDocument: boolean
  readonly channel: string | undefined
  readonly account: string | undefined
  readonly threadId: string | undefined
  readonly replyTo: string | undefined
  readonly silent: boolean
  readonly dryRun: boolean
  readonly timeout: number
}) {
  const to = flags.target.trim()
  if (to === "")
    return yield* new CommandFailed({ message: "--target is empty.\nFix: name a chat, such as telegram:123." })
  if (flags.message.trim() === "" && flags.media.length === 0) {
    return yield* new CommandFailed({
      message: "--message is empty.\nFix: give the text to send, or a file with --media."
    })
  }
  const channel = flags.channel ?? channelIn(to)
  if (flags.dryRun) {
    const payload = {
      channel: channel ?? null,
      to,
      text: flags.message,
      via: "direct",
      mediaUrl: flags.media[0] ?? null,
      dryRun: true
    }
    return yield* print(
      { action: "send", channel: channel ?? null, dryRun: true, payload },
      () =>
        `Would send to ${plain(to)} via ${channel === undefined ? "the configured channel" : plain(channel)}. Nothing was sent.`
    )
  }
  const files = yield* Effect.forEach(flags.media, read)
  // Each file is a message of its own; the text goes with the first.
  const messages =
    files.length === 0
      ? [{ message: flags.message }]
      : files.map((file, index) => ({
          ...(index === 0 && flags.message.trim() !== "" ? { message: flags.message } : undefined),
          ...file,
          ...(flags.forceDocument ? { forceDocument: true } : undefined)
        }))
  const all = yield* ask({ scopes: ["operator.write"], timeoutMs: flags.timeout, waitingFor: "Sending" }, (client) =>
    Effect.forEach(messages, (message, index) =>
      client.call.send({
        to,
        ...message,
        idempotencyKey: randomId(),
        ...(channel === undefined ? undefined : { channel }),
        ...(flags.account === undefined ? undefined : { accountId: flags.account }),
        ...(flags.threadId === undefined ? undefined : { threadId: flags.threadId }),
        ...(flags.replyTo === undefined || index > 0 ? undefined : { replyToId: flags.replyTo }),
        ...(flags.silent ? { silent: true } : undefined)
      })
    )
  )
  const sent = all.at(-1)!
  const messageIds = all.map(({ messageId }) => messageId)
  yield* print(
    {
      action: "send",
      channel: sent.channel,
      dryRun: false,
      messageId: sent.messageId,
      payload: {
        ok: true,
        messageId: sent.messageId,
        chatId: sent.chatId,
        ...(all.length === 1 ? undefined : { messageIds })
      }
    },
    () =>
      all.length === 1
        ? `Sent via ${plain(sent.channel)}. Message ID: ${plain(sent.messageId)}`
        : `Sent via ${plain(sent.channel)}. Message IDs: ${plain(messageIds.join(", "))}`
  )
})
