/**
 * The `message` tool over `Channels.send`, which sends each key once, whatever died in between.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Channels } from "../../services/ChannelRouter.ts"
import { resultText } from "./output.ts"
import { whenSettled } from "./settling.ts"
import { CurrentToolCall, ToolFailed, type MessageParams } from "./tools.ts"

/** The handler of the `message` tool. `startedAt`: Unix milliseconds. */
export const makeMessageHandler = (channels: Channels["Service"], startedAt: number) => (params: MessageParams) =>
  Effect.gen(function* () {
    const { again, idempotencyKey, request } = yield* CurrentToolCall
    const here = request.replyTo?.peer
    const channel = params.channel ?? here?.channel
    const isHere = here !== undefined && here.channel === channel
    const send = channels.send({
      to: params.to,
      text: params.text,
      idempotencyKey,
      ...(channel === undefined ? undefined : { channel }),
      ...(isHere ? { accountId: here.accountId } : undefined),
      ...(params.threadId === undefined ? undefined : { threadId: params.threadId }),
      ...(params.silent === undefined ? undefined : { silent: params.silent })
    })
    // A channel that was there before a restart starts after the turns that it belongs to.
    const sent = yield* whenSettled(
      startedAt,
      Effect.result(send),
      (seen) => Result.isSuccess(seen) || seen.failure._tag !== "ChannelNotConfigured" || !(isHere || again)
    )
    const receipt = yield* Effect.mapError(Effect.fromResult(sent), (error) => {
      if (again && error._tag === "ChannelNotConfigured") {
        return new ToolFailed({
          message: `interrupted, outcome unknown: the Gateway restarted before it had an answer, the message may have arrived, and now ${error.message}`
        })
      }
      const outcome = error._tag === "DeliveryFailed" ? error.outcome : undefined
      if (outcome === "unfinished") {
        return new ToolFailed({
          message: `the message is begun and is being finished; do not send it again: ${error.message}`
        })
      }
      return new ToolFailed({
        message:
          outcome === "unknown" ? `outcome unknown, the message may have arrived: ${error.message}` : error.message
      })
    })
    return resultText({ sent: true, channel: receipt.channel, chatId: receipt.chatId, messageIds: receipt.messageIds })
  })
