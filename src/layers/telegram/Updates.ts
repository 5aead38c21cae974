/**
 * From an update to a message for the router. Only new messages by people count: edits, channel posts, button presses,
 * service messages and other bots are passed over, so no one gets in by a side door.
 */
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { InboundMessage } from "../../services/Channel.ts"
import { attachmentNote } from "./attachments.ts"
import type { Bot, Entity, Message } from "./Types.ts"
import { Update, UpdateId } from "./Types.ts"

/** The kinds of updates that are asked for. */
export const allowedUpdates: ReadonlyArray<"message"> = ["message"]

/** One entry of a `getUpdates` answer. */
export type Received =
  | { readonly updateId: number; readonly message: InboundMessage }
  /** To be confirmed without being handed on. */
  | { readonly updateId: number; readonly ignored: string }
  /** Not even an id: it cannot be confirmed. */
  | { readonly updateId: undefined }

const decodeId = Schema.decodeUnknownExit(UpdateId)
const decodeUpdate = Schema.decodeUnknownExit(Update)

/** The general topic of a forum, whose messages carry no topic id. */
export const generalTopic = "1"

const entitiesOf = (message: Message): ReadonlyArray<Entity> => message.entities ?? message.caption_entities ?? []

const threadOf = (message: Message): string | undefined => {
  const id = message.message_thread_id
  if (message.chat.type === "private") return id === undefined ? undefined : String(id)
  if (message.is_topic_message === true && id !== undefined) return String(id)
  return message.chat.is_forum === true ? generalTopic : undefined
}

const mentions = (message: Message, text: string, bot: Bot): boolean => {
  const handle = bot.username === undefined ? undefined : `@${bot.username.toLowerCase()}`
  return entitiesOf(message).some((entity) => {
    const covered = text.slice(entity.offset, entity.offset + entity.length).toLowerCase()
    switch (entity.type) {
      case "mention":
        return covered === handle
      case "text_mention":
        return entity.user?.id === bot.id
      case "bot_command":
        return entity.offset === 0 && (!covered.includes("@") || (handle !== undefined && covered.endsWith(handle)))
      default:
        return false
    }
  })
}

/** Every message in a topic replies to the message that made the topic; that one is not meant. */
const repliesToBot = (message: Message, bot: Bot): boolean =>
  message.reply_to_message?.from?.id === bot.id && message.reply_to_message.forum_topic_created === undefined

/** `/stop@my_bot now` is `/stop now`. */
const withoutHandle = (text: string, bot: Bot): string => {
  const command = /^\/[A-Za-z0-9_]{1,32}(@[A-Za-z0-9_]{1,64})?/.exec(text)
  const handle = command?.[1]
  return handle === undefined || handle.slice(1).toLowerCase() !== bot.username?.toLowerCase()
    ? text
    : command![0].slice(0, -handle.length) + text.slice(command![0].length)
}

const displayNameOf = (from: NonNullable<Message["from"]>): string | undefined => {
  const name = [from.first_name, from.last_name].filter((part) => part !== undefined && part !== "").join(" ")
  return name === "" ? undefined : name
}

/** Reads one update. `bot` is the bot that received it, `accountId` the account it belongs to. */
export const read = (raw: unknown, bot: Bot, accountId: string): Received => {
  const id = decodeId(raw)
  if (Exit.isFailure(id)) return { updateId: undefined }
  const updateId = id.value.update_id
  const ignored = (reason: string): Received => ({ updateId, ignored: reason })
  const update = decodeUpdate(raw)
  if (Exit.isFailure(update)) return ignored("not understood")
  const { message } = update.value
  if (message === undefined) return ignored("no new message")
  const { chat, from } = message
  if (chat.type === "channel") return ignored("a channel's post")
  if (from === undefined || from.is_bot) return ignored("not written by a person")
  const content = message.text ?? message.caption ?? ""
  const note = attachmentNote(message)
  if (content === "" && note === undefined) return ignored("a service message")
  const direct = chat.type === "private"
  const threadId = threadOf(message)
  const displayName = displayNameOf(from)
  const text = withoutHandle(content, bot)
  return {
    updateId,
    message: {
      updateId: String(updateId),
      source: String(bot.id),
      peer: {
        channel: "telegram",
        accountId,
        chatId: String(chat.id),
        chatType: direct ? "direct" : "group",
        ...(threadId === undefined ? undefined : { threadId })
      },
      messageId: String(message.message_id),
      sender: {
        id: String(from.id),
        ...(from.username === undefined ? undefined : { username: from.username }),
        ...(displayName === undefined ? undefined : { displayName })
      },
      text: note === undefined ? text : text === "" ? note : `${text}\n\n${note}`,
      addressed: direct || mentions(message, content, bot) || repliesToBot(message, bot),
      sentAt: message.date * 1_000
    }
  }
}
