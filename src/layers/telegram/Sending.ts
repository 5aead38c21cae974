/**
 * Sending: Markdown as Telegram's HTML, in as many messages as it takes, each sent again only when it certainly was not
 * taken.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type { DeliveryReceipt, OutboundMessage, Peer } from "../../services/Channel.ts"
import { DeliveryFailed } from "../../services/Channel.ts"
import type { AccountState } from "./Account.ts"
import type { Api, TelegramError } from "./Api.ts"
import type { Chunk } from "./markdown/Split.ts"
import { renderMarkdown, splitPlain } from "./markdown/Split.ts"
import { Sent } from "./Types.ts"
import { generalTopic } from "./Updates.ts"

/** A longer wait is the caller's to decide on. */
const longestWaitMs = 30_000
const maxAttempts = 5
const typingEveryMs = 4_000

export interface SendingOptions {
  readonly api: Api
  readonly state: AccountState
}

const outcomes = { refused: "refused", unreached: "never-sent", lost: "unknown" } as const

const isRateLimit = (error: TelegramError): boolean => error.code === 429

const failureOf = (error: TelegramError, to: string, sent: number, total: number): DeliveryFailed => {
  const outcome = isRateLimit(error) ? "never-sent" : outcomes[error.kind]
  const partly = sent === 0 ? "" : ` (${sent} of ${total} messages were sent before)`
  return new DeliveryFailed({
    channel: "telegram",
    to,
    message: `${error.message}${partly}`,
    // A part is there: sending the whole again would show it twice.
    outcome: outcome === "never-sent" && sent > 0 ? "unknown" : outcome,
    ...(error.retryAfterMs === undefined ? undefined : { retryAfterMs: error.retryAfterMs })
  })
}

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

  const postChunk = (message: OutboundMessage, first: boolean, chunk: Chunk, record: (id: string) => void) =>
    post(message, first, { text: chunk.html, parse_mode: "HTML" }).pipe(
      Effect.map(record),
      Effect.catchIf(isHtmlRefused, (error) =>
        Effect.logWarning(`Telegram refused formatted text, so it goes as plain text: ${error.message}`).pipe(
          Effect.andThen(
            Effect.forEach(
              splitPlain(chunk.plain),
              (text, index) => Effect.map(post(message, first && index === 0, { text }), record),
              { discard: true }
            )
          )
        )
      )
    )

  return Effect.fn("Telegram.send")(function* (
    message: OutboundMessage
  ): Effect.fn.Return<DeliveryReceipt, DeliveryFailed> {
    const to = message.peer.chatId
    const chunks = renderMarkdown(message.text)
    if (chunks.length === 0) {
      return yield* new DeliveryFailed({
        channel: "telegram",
        to,
        message: "there is no text to send",
        outcome: "refused"
      })
    }
    const messageIds: Array<string> = []
    for (const [index, chunk] of chunks.entries()) {
      yield* postChunk(message, index === 0, chunk, (id) => void messageIds.push(id)).pipe(
        Effect.mapError((error) => failureOf(error, to, messageIds.length, chunks.length))
      )
    }
    return { messageIds }
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
