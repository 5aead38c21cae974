/**
 * The `message` tool over `Channels.send`.
 */
import * as Effect from "effect/Effect"
import type { Channels } from "../../services/ChannelRouter.ts"
import { resultText } from "./output.ts"
import { CurrentToolCall, ToolFailed, type MessageParams } from "./tools.ts"

/** The handler of the `message` tool. */
export const makeMessageHandler = (channels: Channels["Service"]) => (params: MessageParams) =>
  Effect.gen(function* () {
    const { idempotencyKey, request } = yield* CurrentToolCall
    const here = request.replyTo?.peer
    const channel = params.channel ?? here?.channel
    const receipt = yield* channels
      .send({
        to: params.to,
        text: params.text,
        idempotencyKey,
        ...(channel === undefined ? undefined : { channel }),
        ...(here !== undefined && here.channel === channel ? { accountId: here.accountId } : undefined),
        ...(params.threadId === undefined ? undefined : { threadId: params.threadId }),
        ...(params.silent === undefined ? undefined : { silent: params.silent })
      })
      .pipe(
        Effect.mapError((error) => {
          const unknown = error._tag === "DeliveryFailed" && error.outcome === "unknown"
          return new ToolFailed({
            message: unknown ? `outcome unknown, the message may have arrived: ${error.message}` : error.message
          })
        })
      )
    return resultText({ sent: true, channel: receipt.channel, chatId: receipt.chatId, messageIds: receipt.messageIds })
  })
