/**
 * Sending: Markdown as Telegram's HTML, in as many messages as it takes, each shown first as a preview.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DeliveryAttempt, DeliveryReceipt, OutboundMessage, Peer } from "../../services/Channel.ts"
import { DeliveryFailed } from "../../services/Channel.ts"
import type { AccountState } from "./Account.ts"
import type { Api, TelegramError } from "./Api.ts"
import { isHtmlRefused, isRateLimit } from "./attempts.ts"
import { destinationOf, threadOf } from "./destination.ts"
import { type Chunk, renderMarkdown } from "./markdown/Split.ts"
import { captionLimit, mediaPart, removeMessage } from "./mediaPart.ts"
import * as Parts from "./parts.ts"
import { previewOf } from "./preview.ts"
import { Sent } from "./Types.ts"

const typingEveryMs = 4_000

export interface SendingOptions {
  readonly api: Api
  readonly state: AccountState
  /** Groups that became other chats, as far as this process was told: the new id by the old one. */
  readonly moved: Map<string, string>
}

interface Text {
  readonly text: string
  readonly parse_mode?: "HTML"
}

/** Formatted, and as plain text where Telegram does not take that. */
const formatted = <A>(chunk: Chunk, show: (text: Text) => Effect.Effect<A, TelegramError>) =>
  show({ text: chunk.html, parse_mode: "HTML" }).pipe(
    Effect.catchIf(isHtmlRefused, (error) =>
      Effect.logWarning(`Telegram refused formatted text, so it goes as plain text: ${error.message}`).pipe(
        Effect.andThen(show({ text: chunk.plain }))
      )
    )
  )

/** Bytes that a button may carry. */
const longestCommand = 64

/** The buttons in one row, if there are any that Telegram takes. */
const keyboardOf = ({ buttons = [] }: OutboundMessage) => {
  const row = buttons
    .filter(({ command }) => Buffer.byteLength(command) <= longestCommand)
    .map(({ command, label }) => ({ text: label, callback_data: command }))
  return row.length === 0 ? {} : { reply_markup: { inline_keyboard: [row] } }
}
type Keyboard = ReturnType<typeof keyboardOf>

const textPart = (api: Api, message: OutboundMessage, chunk: Chunk, keyboard: Keyboard): Parts.Part => {
  const post = (
    first: boolean,
    body: Text & Keyboard & { readonly link_preview_options?: { readonly is_disabled: true } }
  ) =>
    Effect.map(api.call("sendMessage", { ...destinationOf(message, first), ...body }, Sent), ({ message_id }) =>
      String(message_id)
    )
  const { chatId } = message.peer
  const change = (id: string, text: Text) =>
    api.call("editMessageText", { chat_id: chatId, message_id: Number(id), ...text, ...keyboard }, Schema.Unknown)
  return {
    create: (first) => post(first, { text: previewOf(chunk.plain), link_preview_options: { is_disabled: true } }),
    complete: (id) => formatted(chunk, (text) => change(id, text)),
    plain: (id) => Effect.asVoid(change(id, { text: chunk.plain })),
    remove: (id) => removeMessage(api, chatId, id),
    whole: (first) => formatted(chunk, (text) => post(first, { ...text, ...keyboard }))
  }
}

/** A text that fits below the first file is its caption; a longer one follows the files. */
const partsOf = (api: Api, message: OutboundMessage, attempt: DeliveryAttempt): ReadonlyArray<Parts.Part> => {
  const media = message.media ?? []
  const captions = media.length === 0 ? [] : renderMarkdown(message.text, captionLimit)
  const caption = captions.length === 1 ? captions[0] : undefined
  const texts = caption === undefined ? renderMarkdown(message.text) : []
  return [
    ...media.map((each, index) => mediaPart(api, message, each, index === 0 ? caption : undefined, attempt.read)),
    ...texts.map((chunk, index) => textPart(api, message, chunk, index === texts.length - 1 ? keyboardOf(message) : {}))
  ]
}

export const send = ({ api, state, moved }: SendingOptions) =>
  Effect.fn("Telegram.send")(function* (
    message: OutboundMessage,
    attempt: DeliveryAttempt = {}
  ): Effect.fn.Return<DeliveryReceipt, DeliveryFailed> {
    const to = message.peer.chatId
    const partsIn = (chatId: string) => partsOf(api, { ...message, peer: { ...message.peer, chatId } }, attempt)
    if (partsIn(to).length === 0) {
      const nothing = { channel: "telegram", to, message: "there is no text to send", outcome: "refused" } as const
      return yield* new DeliveryFailed(nothing)
    }
    return yield* Effect.tap(Parts.deliver(partsIn, to, moved, attempt), state.sent)
  })

/** Shows "typing…", which Telegram takes away after five seconds, until interrupted. */
export const typing =
  ({ api, moved }: SendingOptions) =>
  (peer: Peer): Effect.Effect<void> =>
    Effect.suspend(() => {
      const chatId = moved.get(peer.chatId) ?? peer.chatId
      return api.call("sendChatAction", { chat_id: chatId, action: "typing", ...threadOf(peer) }, Schema.Unknown)
    }).pipe(
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
