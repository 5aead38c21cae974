/**
 * A file as one message: created as a text that announces it, and then changed into the file.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DeliveryAttempt, OutboundMedia, OutboundMessage } from "../../services/Channel.ts"
import { type Api, TelegramError, type Upload } from "./Api.ts"
import { isHtmlRefused, isPhotoRefused } from "./attempts.ts"
import { destinationOf } from "./destination.ts"
import type { Chunk } from "./markdown/Split.ts"
import type { Part } from "./parts.ts"
import { previewOf } from "./preview.ts"
import { Sent } from "./Types.ts"

/** Telegram's limit for a file that a bot uploads. */
export const mediaMaxBytes = 50 * 1024 * 1024
const photoMaxBytes = 10 * 1024 * 1024
/** UTF-16 units of a caption. */
export const captionLimit = 1_024
/** Slowest upload that is waited for, in bytes per millisecond. */
const slowest = 50

type Kind = "photo" | "video" | "audio" | "animation" | "document"

const kinds: Readonly<Record<string, Kind>> = {
  "image/jpeg": "photo",
  "image/png": "photo",
  "image/webp": "photo",
  "image/gif": "animation",
  "video/mp4": "video",
  "audio/mpeg": "audio",
  "audio/mp4": "audio"
}

/** What Telegram shows a file as. What it does not show, and photos that are too big, are documents. */
export const kindOf = ({ asDocument, mimeType, size }: OutboundMedia): Kind => {
  const kind = asDocument === true ? "document" : (kinds[mimeType.toLowerCase().split(";")[0]!.trim()] ?? "document")
  return kind === "photo" && size > photoMaxBytes ? "document" : kind
}

/** Takes a message of the bot away. */
export const removeMessage = (api: Api, chatId: string, id: string) =>
  Effect.asVoid(api.call("deleteMessage", { chat_id: chatId, message_id: Number(id) }, Schema.Unknown))

interface Caption {
  readonly caption?: string
  readonly parse_mode?: "HTML"
}

/** `caption`: what stands below it. */
export const mediaPart = (
  api: Api,
  message: OutboundMessage,
  media: OutboundMedia,
  caption: Chunk | undefined,
  read: DeliveryAttempt["read"]
): Part => {
  const { chatId } = message.peer
  const waitMs = Math.ceil(media.size / slowest)

  const upload = Effect.fnUntraced(function* (field: string) {
    const bytes = read === undefined ? undefined : yield* read(media)
    if (bytes === undefined) {
      return yield* new TelegramError({
        method: "editMessageMedia",
        kind: "refused",
        genuine: false,
        message: `the file ${media.name} is not there any more`
      })
    }
    return [{ field, name: media.name, mimeType: media.mimeType, bytes }] satisfies ReadonlyArray<Upload>
  })

  const edit = Effect.fnUntraced(function* (id: string, type: Kind, text: Caption) {
    const files = yield* upload("file")
    const params = {
      chat_id: chatId,
      message_id: Number(id),
      media: { type, media: "attach://file", ...text }
    }
    yield* api.call("editMessageMedia", params, Schema.Unknown, waitMs, files)
  })

  const post = Effect.fnUntraced(function* (first: boolean, kind: Kind, text: Caption) {
    const files = yield* upload(kind)
    const params = { ...destinationOf(message, first), ...text }
    const file = `attach://${kind}`
    const sent = yield* {
      photo: () => api.call("sendPhoto", { ...params, photo: file }, Sent, waitMs, files),
      video: () => api.call("sendVideo", { ...params, video: file }, Sent, waitMs, files),
      audio: () => api.call("sendAudio", { ...params, audio: file }, Sent, waitMs, files),
      animation: () => api.call("sendAnimation", { ...params, animation: file }, Sent, waitMs, files),
      document: () => api.call("sendDocument", { ...params, document: file }, Sent, waitMs, files)
    }[kind]()
    return String(sent.message_id)
  })

  /** As what it is, formatted; as a document or unformatted where Telegram does not take that. */
  const shown = <A>(show: (kind: Kind, text: Caption) => Effect.Effect<A, TelegramError>) => {
    const captioned = (kind: Kind) =>
      caption === undefined
        ? show(kind, {})
        : Effect.catchIf(show(kind, { caption: caption.html, parse_mode: "HTML" }), isHtmlRefused, () =>
            show(kind, { caption: caption.plain })
          )
    const kind = kindOf(media)
    return kind === "photo"
      ? Effect.catchIf(captioned(kind), isPhotoRefused, () => captioned("document"))
      : captioned(kind)
  }

  return {
    create: (first) =>
      Effect.map(
        api.call(
          "sendMessage",
          {
            ...destinationOf(message, first),
            text: previewOf(caption?.plain ?? media.name),
            link_preview_options: { is_disabled: true }
          },
          Sent
        ),
        ({ message_id }) => String(message_id)
      ),
    plain: (id) => shown((kind) => edit(id, kind, {})),
    remove: (id) => removeMessage(api, chatId, id),
    complete: (id) => shown((kind, text) => edit(id, kind, text)),
    whole: (first) => shown((kind, text) => post(first, kind, text))
  }
}
