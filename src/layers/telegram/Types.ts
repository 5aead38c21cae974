/**
 * What the Bot API answers, as far as it is used. Wire source: https://core.telegram.org/bots/api
 *
 * Decoding is lenient where nothing depends on it: one strange field must not lose a message.
 */
import * as Schema from "effect/Schema"

export const User = Schema.Struct({
  id: Schema.Int,
  is_bot: Schema.Boolean,
  first_name: Schema.optional(Schema.String),
  last_name: Schema.optional(Schema.String),
  username: Schema.optional(Schema.String)
})
export type User = typeof User.Type

export const Chat = Schema.Struct({
  id: Schema.Int,
  type: Schema.Literals(["private", "group", "supergroup", "channel"]),
  title: Schema.optional(Schema.String),
  is_forum: Schema.optional(Schema.Boolean)
})
export type Chat = typeof Chat.Type

export const Entity = Schema.Struct({
  type: Schema.String,
  /** UTF-16 units. */
  offset: Schema.Int,
  length: Schema.Int,
  user: Schema.optional(Schema.Struct({ id: Schema.Int }))
})
export type Entity = typeof Entity.Type

const File = Schema.Struct({
  file_name: Schema.optional(Schema.String),
  mime_type: Schema.optional(Schema.String),
  file_size: Schema.optional(Schema.Finite),
  /** Seconds. */
  duration: Schema.optional(Schema.Finite)
})
export type File = typeof File.Type

export const Message = Schema.Struct({
  message_id: Schema.Int,
  /** Unix seconds, as far as there are dates. */
  date: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 8.64e12 }))),
  chat: Chat,
  from: Schema.optional(User),
  message_thread_id: Schema.optional(Schema.Int),
  is_topic_message: Schema.optional(Schema.Boolean),
  text: Schema.optional(Schema.String),
  caption: Schema.optional(Schema.String),
  entities: Schema.optional(Schema.Array(Entity)),
  caption_entities: Schema.optional(Schema.Array(Entity)),
  reply_to_message: Schema.optional(
    Schema.Struct({ from: Schema.optional(User), forum_topic_created: Schema.optional(Schema.Unknown) })
  ),
  photo: Schema.optional(Schema.Array(Schema.Unknown)),
  document: Schema.optional(File),
  animation: Schema.optional(File),
  audio: Schema.optional(File),
  video: Schema.optional(File),
  voice: Schema.optional(File),
  video_note: Schema.optional(File),
  sticker: Schema.optional(Schema.Struct({ emoji: Schema.optional(Schema.String) })),
  location: Schema.optional(Schema.Struct({ latitude: Schema.Finite, longitude: Schema.Finite })),
  venue: Schema.optional(Schema.Struct({ title: Schema.String, address: Schema.String })),
  contact: Schema.optional(Schema.Struct({ phone_number: Schema.String, first_name: Schema.String })),
  poll: Schema.optional(Schema.Struct({ question: Schema.String })),
  dice: Schema.optional(Schema.Struct({ emoji: Schema.String, value: Schema.Finite }))
})
export type Message = typeof Message.Type

/** An update of any kind; of those that carry something else than a message only the id matters. */
export const UpdateId = Schema.Struct({ update_id: Schema.Natural })

export const Update = Schema.Struct({ update_id: Schema.Natural, message: Schema.optional(Message) })
export type Update = typeof Update.Type

/** `getMe`. */
export const Bot = Schema.Struct({
  id: Schema.Natural,
  username: Schema.optional(Schema.String),
  first_name: Schema.optional(Schema.String),
  can_join_groups: Schema.optional(Schema.Boolean),
  can_read_all_group_messages: Schema.optional(Schema.Boolean)
})
export type Bot = typeof Bot.Type

/** `sendMessage`. */
export const Sent = Schema.Struct({ message_id: Schema.Int })

/** `getUpdates`: each update is decoded by itself, so that one that is not understood does not hold up the others. */
export const Updates = Schema.Array(Schema.Unknown)

/** What stands around every answer. */
export const Envelope = Schema.fromJsonString(
  Schema.Struct({
    ok: Schema.Boolean,
    result: Schema.optional(Schema.Unknown),
    error_code: Schema.optional(Schema.Int),
    description: Schema.optional(Schema.String),
    parameters: Schema.optional(
      Schema.Struct({
        /** Seconds. */
        retry_after: Schema.optional(Schema.Finite),
        migrate_to_chat_id: Schema.optional(Schema.Finite)
      })
    )
  })
)
