/**
 * What the Bot API answers, as far as it is used. Wire source: https://core.telegram.org/bots/api
 *
 * A message needs its id, its chat and its sender. Everything else is decoration: each field is decoded by itself, and one
 * that is not understood counts as missing, because one strange field must not lose a message.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A value that counts as missing when it does not decode. */
const orMissing = <S extends Schema.Constraint>(schema: S) =>
  Schema.UndefinedOr(schema).pipe(Schema.catchDecoding(() => Effect.succeedSome(undefined)))
const decoration = <S extends Schema.Constraint>(schema: S) => Schema.optional(orMissing(schema))
const text = decoration(Schema.String)
const flag = decoration(Schema.Boolean)

export const User = Schema.Struct({ id: Schema.Int, is_bot: flag, first_name: text, last_name: text, username: text })
export type User = typeof User.Type

export const Chat = Schema.Struct({
  id: Schema.Int,
  type: Schema.Literals(["private", "group", "supergroup", "channel"]),
  title: text,
  is_forum: flag
})
export type Chat = typeof Chat.Type

const Id = Schema.Struct({ id: Schema.Int })

export const Entity = Schema.Struct({
  type: Schema.String,
  /** UTF-16 units. */
  offset: Schema.Int,
  length: Schema.Int,
  user: decoration(Id)
})
export type Entity = typeof Entity.Type

const Entities = decoration(Schema.Array(orMissing(Entity)))

const File = Schema.Struct({
  file_name: text,
  mime_type: text,
  file_size: decoration(Schema.Finite),
  /** Seconds. */
  duration: decoration(Schema.Finite)
})
export type File = typeof File.Type
/** Only that it is there counts. */
const Anything = Schema.Struct({})

export const Message = Schema.Struct({
  message_id: Schema.Int,
  chat: Chat,
  from: Schema.optional(User),
  /** Whoever writes in the name of a chat: an anonymous administrator in that of the group, or a channel. */
  sender_chat: decoration(Schema.Struct({ id: Schema.Int, title: text, username: text })),
  is_automatic_forward: flag,
  /** Unix seconds, as far as there are dates. */
  date: decoration(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 8.64e12 })))),
  message_thread_id: decoration(Schema.Int),
  is_topic_message: flag,
  text,
  caption: text,
  entities: Entities,
  caption_entities: Entities,
  reply_to_message: decoration(
    Schema.Struct({ from: decoration(Id), forum_topic_created: Schema.optional(Schema.Unknown) })
  ),
  photo: decoration(Anything),
  document: decoration(File),
  animation: decoration(File),
  audio: decoration(File),
  video: decoration(File),
  voice: decoration(File),
  video_note: decoration(File),
  sticker: decoration(Schema.Struct({ emoji: text })),
  location: decoration(Schema.Struct({ latitude: Schema.Finite, longitude: Schema.Finite })),
  venue: decoration(Schema.Struct({ title: text, address: text })),
  contact: decoration(Schema.Struct({ phone_number: text, first_name: text })),
  poll: decoration(Schema.Struct({ question: text })),
  dice: decoration(Schema.Struct({ emoji: text, value: decoration(Schema.Finite) })),
  story: decoration(Anything),
  paid_media: decoration(Anything),
  checklist: decoration(Schema.Struct({ title: text })),
  game: decoration(Schema.Struct({ title: text }))
})
export type Message = typeof Message.Type

/** An update of any kind; of those that carry something else than a message only the id matters. */
export const UpdateId = Schema.Struct({ update_id: Schema.Natural })

/** A press on a button below a message of the bot. */
export const Press = Schema.Struct({ id: Schema.NonEmptyString, from: User, message: decoration(Message), data: text })
export type Press = typeof Press.Type

export const Update = Schema.Struct({
  update_id: Schema.Natural,
  message: Schema.optional(Message),
  callback_query: decoration(Press)
})
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
