/**
 * Parameters of the methods. A form sends numbers, booleans and objects as text, JSON sends them as they are.
 */
import * as Schema from "effect/Schema"

const orText = <S extends Schema.Top>(schema: S) => Schema.Union([schema, Schema.fromJsonString(schema)])

const Int = Schema.Union([Schema.Int, Schema.FiniteFromString.pipe(Schema.check(Schema.isInt()))])
const Flag = orText(Schema.Boolean)
const ChatId = Schema.Union([Int, Schema.String])
const ReplyParameters = orText(
  Schema.Struct({ message_id: Schema.Int, allow_sending_without_reply: Schema.optional(Schema.Boolean) })
)

export const GetUpdates = Schema.Struct({
  offset: Schema.optional(Int),
  limit: Schema.optional(Int),
  timeout: Schema.optional(Int),
  allowed_updates: Schema.optional(orText(Schema.Array(Schema.String)))
})

const destination = {
  chat_id: ChatId,
  message_thread_id: Schema.optional(Int),
  disable_notification: Schema.optional(Flag),
  reply_parameters: Schema.optional(ReplyParameters),
  parse_mode: Schema.optional(Schema.String)
}

export const SendMessage = Schema.Struct({ ...destination, text: Schema.optional(Schema.String) })
export type SendMessage = typeof SendMessage.Type

export const SendFile = Schema.Struct({
  ...destination,
  caption: Schema.optional(Schema.String),
  photo: Schema.optional(Schema.String),
  document: Schema.optional(Schema.String),
  video: Schema.optional(Schema.String),
  audio: Schema.optional(Schema.String),
  animation: Schema.optional(Schema.String)
})

const edited = { chat_id: ChatId, message_id: Int, parse_mode: Schema.optional(Schema.String) }

export const DeleteMessage = Schema.Struct({ chat_id: ChatId, message_id: Int })
export const EditMessageText = Schema.Struct({ ...edited, text: Schema.optional(Schema.String) })
export const EditMessageCaption = Schema.Struct({ ...edited, caption: Schema.optional(Schema.String) })
export const EditMessageMedia = Schema.Struct({
  chat_id: ChatId,
  message_id: Int,
  media: orText(
    Schema.Struct({
      type: Schema.Literals(["photo", "document", "video", "audio", "animation"]),
      /** A file id, or `attach://<field>` for a file that comes with the call. */
      media: Schema.String,
      caption: Schema.optional(Schema.String),
      parse_mode: Schema.optional(Schema.String)
    })
  )
})

export const SendChatAction = Schema.Struct({
  chat_id: ChatId,
  action: Schema.String,
  message_thread_id: Schema.optional(Int)
})

export const DeleteWebhook = Schema.Struct({ drop_pending_updates: Schema.optional(Flag) })
export const SetWebhook = Schema.Struct({ url: Schema.String })
export const SetMyCommands = Schema.Struct({ commands: orText(Schema.Array(Schema.Unknown)) })
export const GetFile = Schema.Struct({ file_id: Schema.String })
