/**
 * What the methods of the Bot API have in common: how they refuse, and how they read texts, files and destinations.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Html from "./Html.ts"
import type { Entity, Json, MediaKind, SentMessage, Shown, State } from "./State.ts"

/** An answer with `ok: false`. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  code: Schema.Int,
  message: Schema.String,
  parameters: Schema.optional(Schema.Record(Schema.String, Schema.Unknown))
}) {}

export const bad = (message: string) => new Refused({ code: 400, message: `Bad Request: ${message}` })

/** A file that came with the call. */
export interface Upload {
  readonly field: string
  readonly name: string
  readonly bytes: Uint8Array
}

export type Method = (state: State, params: Json, uploads: ReadonlyArray<Upload>) => Effect.Effect<unknown, Refused>

export const method = <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S,
  handle: (state: State, params: S["Type"], uploads: ReadonlyArray<Upload>) => Effect.Effect<unknown, Refused>
): Method => {
  const decode = Schema.decodeUnknownEffect(schema)
  return (state, params, uploads) =>
    decode(params).pipe(
      Effect.mapError((error) => bad(error.message.replace(/\s*\n\s*/g, " "))),
      Effect.flatMap((decoded) => handle(state, decoded, uploads))
    )
}

export const captionLimit = 1_024
const textLimit = 4_096
const photoLimit = 10 * 1024 * 1024
const uploadLimit = 50 * 1024 * 1024

export const findChat = Effect.fnUntraced(function* (state: State, id: number | string) {
  const chat = state.chats.get(Number(id))
  if (chat === undefined) return yield* bad("chat not found")
  const movedTo = state.migrated.get(chat.id)
  if (movedTo !== undefined) {
    return yield* new Refused({
      code: 400,
      message: "Bad Request: group chat was upgraded to a supergroup chat",
      parameters: { migrate_to_chat_id: movedTo }
    })
  }
  if (state.blocked.has(chat.id)) {
    return yield* new Refused({ code: 403, message: "Forbidden: bot was blocked by the user" })
  }
  return chat
})

type Content = { readonly text: string; readonly entities: ReadonlyArray<Entity> }

export const formatted = (text: string, parseMode: string | undefined): Effect.Effect<Content, Refused> => {
  if (parseMode === undefined || parseMode === "") return Effect.succeed({ text: text.trim(), entities: [] })
  if (parseMode.toLowerCase() !== "html") return Effect.fail(bad("unsupported parse_mode"))
  const parsed = Html.parse(text)
  return parsed.ok ? Effect.succeed(parsed) : Effect.fail(new Refused({ code: 400, message: parsed.description }))
}

export const messageOf = (state: State, sent: SentMessage): Json => ({
  message_id: sent.messageId,
  from: state.bot,
  chat: state.chats.get(sent.chatId),
  date: Math.floor(sent.at / 1_000),
  ...(sent.threadId === undefined ? undefined : { message_thread_id: sent.threadId, is_topic_message: true }),
  ...(sent.kind === "text"
    ? { text: sent.text, entities: sent.entities }
    : { caption: sent.text, caption_entities: sent.entities })
})

/** A message of the bot that is still there. */
export const find = (state: State, chatId: number, messageId: number): SentMessage | undefined =>
  state.sent.find((message) => message.chatId === chatId && message.messageId === messageId && message.deleted !== true)

/** What a person sees of a message from now on. */
export const shownOf = (message: Pick<SentMessage, "kind" | "text" | "fileName">, at: number): Shown => ({
  kind: message.kind,
  text: message.text,
  ...(message.fileName === undefined ? undefined : { fileName: message.fileName }),
  at
})

export const checkText = Effect.fnUntraced(function* (raw: string | undefined, parseMode: string | undefined) {
  if (raw === undefined) return yield* bad("message text is empty")
  const content = yield* formatted(raw, parseMode)
  if (content.text === "") return yield* bad("message text is empty")
  if (content.text.length > textLimit) return yield* bad("message is too long")
  return { text: content.text, entities: content.entities, raw }
})

export const checkCaption = Effect.fnUntraced(function* (caption: string | undefined, parseMode: string | undefined) {
  const raw = caption ?? ""
  const content = yield* formatted(raw, parseMode)
  if (content.text.length > captionLimit) return yield* bad("message caption is too long")
  return { text: content.text, entities: content.entities, raw }
})

/** Refuses a file that is too big for its kind. */
export const checkFile = (kind: MediaKind, upload: Upload): Effect.Effect<void, Refused> => {
  if (upload.bytes.length === 0) return Effect.fail(bad("file must be non-empty"))
  if (kind === "photo" && upload.bytes.length > photoLimit) {
    return Effect.fail(
      bad(`file of size ${upload.bytes.length} bytes is too big for a photo; the maximum size is 10485760 bytes`)
    )
  }
  return upload.bytes.length > uploadLimit
    ? Effect.fail(new Refused({ code: 413, message: "Request Entity Too Large" }))
    : Effect.void
}
