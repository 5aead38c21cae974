/**
 * Sending: Markdown as Telegram's HTML, in as many messages as it takes, each sent again only when it certainly was not
 * taken. A part whose answer was lost is not sent again, and does not keep back the parts behind it.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type {
  DeliveryAttempt,
  DeliveryProgress,
  DeliveryReceipt,
  OutboundMessage,
  Peer
} from "../../services/Channel.ts"
import { DeliveryFailed } from "../../services/Channel.ts"
import type { AccountState } from "./Account.ts"
import { type Api, isTokenRefused, type TelegramError } from "./Api.ts"
import { type Chunk, renderMarkdown } from "./markdown/Split.ts"
import { Sent } from "./Types.ts"
import { generalTopic } from "./Updates.ts"

/** A longer wait is the caller's to decide on. */
const longestWaitMs = 30_000
const maxAttempts = 5
const typingEveryMs = 4_000
/** Milliseconds between a part whose answer was lost and the next. */
const afterLossMs = 1_000

export interface SendingOptions {
  readonly api: Api
  readonly state: AccountState
}

const outcomes = { refused: "refused", unreached: "never-sent", lost: "unknown" } as const

const isRateLimit = (error: TelegramError): boolean => error.code === 429

/** A token that is not accepted may be replaced: the message can still go out. */
const outcomeOf = (error: TelegramError): DeliveryFailed["outcome"] =>
  isRateLimit(error) || isTokenRefused(error) ? "never-sent" : outcomes[error.kind]

/** Milliseconds to wait before the call may be made again; `undefined` when it must not be. */
const waitBefore = (error: TelegramError, attempt: number, random: number): number | undefined => {
  if (attempt >= maxAttempts) return undefined
  if (isRateLimit(error)) {
    const wait = error.retryAfterMs ?? 1_000
    return wait <= longestWaitMs ? wait : undefined
  }
  return error.kind === "unreached" && error.code === undefined
    ? 250 * 2 ** (attempt - 1) * (0.5 + random / 2)
    : undefined
}

/** The HTML is at fault, not the message. */
const isHtmlRefused = (error: TelegramError): boolean =>
  error.kind === "refused" && error.code === 400 && /can't parse entities|unsupported start tag/i.test(error.message)

const retrying = <A>(effect: Effect.Effect<A, TelegramError>, attempt = 1): Effect.Effect<A, TelegramError> =>
  Effect.catch(effect, (error) =>
    Effect.flatMap(Random.next, (random) => {
      const wait = waitBefore(error, attempt, random)
      return wait === undefined
        ? Effect.fail(error)
        : Effect.logDebug(`sends again in ${Math.round(wait)} ms: ${error.message}`).pipe(
            Effect.andThen(Effect.sleep(wait)),
            Effect.andThen(retrying(effect, attempt + 1))
          )
    })
  )

const threadOf = (peer: Peer): { readonly message_thread_id?: number } => {
  const id = Number(peer.threadId)
  return peer.threadId === undefined || !Number.isSafeInteger(id) ? {} : { message_thread_id: id }
}

/** Telegram refuses messages that name the general topic, and shows no typing there unless it is named. */
const messageThreadOf = (peer: Peer) =>
  peer.chatType === "group" && peer.threadId === generalTopic ? {} : threadOf(peer)

export const send = ({ api, state }: SendingOptions) => {
  const post = Effect.fnUntraced(function* (
    message: OutboundMessage,
    first: boolean,
    body: { readonly text: string; readonly parse_mode?: "HTML" }
  ) {
    const replyTo = Number(message.replyToMessageId)
    const sent = yield* retrying(
      api.call(
        "sendMessage",
        {
          chat_id: message.peer.chatId,
          ...messageThreadOf(message.peer),
          ...body,
          ...(message.silent === true ? { disable_notification: true } : undefined),
          ...(first && message.replyToMessageId !== undefined && Number.isSafeInteger(replyTo)
            ? { reply_parameters: { message_id: replyTo, allow_sending_without_reply: true } }
            : undefined)
        },
        Sent
      )
    )
    yield* state.sent
    return String(sent.message_id)
  })

  const postChunk = (message: OutboundMessage, first: boolean, chunk: Chunk) =>
    post(message, first, { text: chunk.html, parse_mode: "HTML" }).pipe(
      Effect.catchIf(isHtmlRefused, (error) =>
        Effect.logWarning(`Telegram refused formatted text, so it goes as plain text: ${error.message}`).pipe(
          Effect.andThen(post(message, first, { text: chunk.plain }))
        )
      )
    )

  return Effect.fn("Telegram.send")(function* (
    message: OutboundMessage,
    { cut = false, from, keep }: DeliveryAttempt = {}
  ): Effect.fn.Return<DeliveryReceipt, DeliveryFailed> {
    const chunks = renderMarkdown(message.text)
    const fail = (fields: Pick<DeliveryFailed, "message" | "outcome" | "progress" | "retryAfterMs">) =>
      new DeliveryFailed({ channel: "telegram", to: message.peer.chatId, ...fields })
    if (chunks.length === 0) return yield* fail({ message: "there is no text to send", outcome: "refused" })

    const messageIds = [...(from?.messageIds ?? [])]
    const begun = Number(from?.next ?? 0)
    let lost = (from?.lost ?? 0) + (cut ? 1 : 0)
    let wasLost = false
    const progressAt = (next: number): DeliveryProgress => ({ messageIds: [...messageIds], next: String(next), lost })

    for (let index = cut ? begun + 1 : begun; index < chunks.length; index++) {
      if (keep !== undefined && chunks.length > 1) yield* keep(progressAt(index))
      const sent = yield* Effect.result(postChunk(message, index === 0, chunks[index]!))
      if (sent._tag === "Success") {
        messageIds.push(sent.success)
        wasLost = false
        continue
      }
      const error = sent.failure
      const outcome = outcomeOf(error)
      if (outcome === "unknown") lost += 1
      const next = outcome === "unknown" ? index + 1 : index
      const progress = next > 0 && next < chunks.length ? progressAt(next) : undefined
      // One lost answer does not keep back the rest; a server that loses every answer gets no more for now.
      if (outcome !== "unknown" || progress === undefined || wasLost) {
        return yield* fail({
          message: chunks.length === 1 ? error.message : `${error.message} (part ${index + 1} of ${chunks.length})`,
          outcome,
          ...(progress === undefined ? undefined : { progress }),
          ...(error.retryAfterMs === undefined ? undefined : { retryAfterMs: error.retryAfterMs })
        })
      }
      yield* Effect.logWarning(`the answer to a part was lost, the next one follows: ${error.message}`)
      yield* Effect.sleep(afterLossMs)
      wasLost = true
    }
    if (lost === 0) return { messageIds }
    return yield* fail({
      message: `the answer to ${lost} of ${chunks.length} parts was lost, so they may be missing`,
      outcome: "unknown"
    })
  })
}

/** Shows "typing…", which Telegram takes away after five seconds, until interrupted. */
export const typing =
  ({ api }: SendingOptions) =>
  (peer: Peer): Effect.Effect<void> =>
    api.call("sendChatAction", { chat_id: peer.chatId, action: "typing", ...threadOf(peer) }, Schema.Unknown).pipe(
      Effect.as(typingEveryMs),
      Effect.catch((error) =>
        Effect.as(
          Effect.logDebug(`typing is not shown: ${error.message}`),
          // Whoever refused will refuse again; the rest may pass.
          error.kind === "refused" && !isRateLimit(error)
            ? Number.POSITIVE_INFINITY
            : Math.max(typingEveryMs, error.retryAfterMs ?? 0)
        )
      ),
      Effect.flatMap((wait) => (Number.isFinite(wait) ? Effect.sleep(wait) : Effect.never)),
      Effect.forever
    )
