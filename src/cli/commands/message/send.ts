import * as Effect from "effect/Effect"
import { randomId } from "../../../client/ids.ts"
import { CommandFailed } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { plain, print } from "../../output.ts"

/** The channel that the destination names itself: `telegram:123` is on Telegram. */
const channelIn = (target: string): string | undefined => /^([a-z][a-z0-9-]*):/.exec(target)?.[1]

export const run = Effect.fn("cli.message.send")(function* (flags: {
  readonly target: string
  readonly message: string
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
  if (flags.message.trim() === "") {
    return yield* new CommandFailed({ message: "--message is empty.\nFix: give the text to send." })
  }
  const channel = flags.channel ?? channelIn(to)
  if (flags.dryRun) {
    const payload = { channel: channel ?? null, to, text: flags.message, via: "direct", dryRun: true }
    return yield* print(
      { action: "send", channel: channel ?? null, dryRun: true, payload },
      () =>
        `Would send to ${plain(to)} via ${channel === undefined ? "the configured channel" : plain(channel)}. Nothing was sent.`
    )
  }
  const sent = yield* ask({ scopes: ["operator.write"], timeoutMs: flags.timeout, waitingFor: "Sending" }, (client) =>
    client.call.send({
      to,
      message: flags.message,
      idempotencyKey: randomId(),
      ...(channel === undefined ? undefined : { channel }),
      ...(flags.account === undefined ? undefined : { accountId: flags.account }),
      ...(flags.threadId === undefined ? undefined : { threadId: flags.threadId }),
      ...(flags.replyTo === undefined ? undefined : { replyToId: flags.replyTo }),
      ...(flags.silent ? { silent: true } : undefined)
    })
  )
  yield* print(
    {
      action: "send",
      channel: sent.channel,
      dryRun: false,
      messageId: sent.messageId,
      payload: { ok: true, messageId: sent.messageId, chatId: sent.chatId }
    },
    () => `Sent via ${plain(sent.channel)}. Message ID: ${plain(sent.messageId)}`
  )
})
