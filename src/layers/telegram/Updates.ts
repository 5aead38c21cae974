/**
 * From an update to a message for the router. Only new messages by people count, and their presses on the buttons below a
 * question, which are the command that the button stands for: edits, channel posts, service messages and other bots are
 * passed over, so no one gets in by a side door.
 *
 * Whoever writes in the name of a chat (an anonymous administrator, a channel in a group) is known by that chat's id and
 * nothing else: a list of people never names it, so it is heard only where everybody is.
 */
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { InboundMessage } from "../../services/Channel.ts"
import { isChatCommand } from "../channels/chatCommands.ts"
import { attachmentNote } from "./attachments.ts"
import type { Bot, Entity, Message, Press } from "./Types.ts"
import { Update, UpdateId } from "./Types.ts"

/** The kinds of updates that are asked for. */
export const allowedUpdates = ["message", "callback_query"] as const

/** One entry of a `getUpdates` answer. */
export type Received =
  | {
      readonly updateId: number
      readonly message: InboundMessage
      /** Of a press: whoever pressed waits for a word that it arrived. */
      readonly press?: string
    }
  /** Nothing for the bot; or, when it is `lost`, perhaps something, so that it is to be kept as it came. */
  | { readonly updateId: number; readonly ignored: string; readonly lost: boolean }
  /** Not even an id: it cannot be confirmed by itself. */
  | { readonly updateId: undefined; readonly ignored: string; readonly lost: true }

const decodeId = Schema.decodeUnknownExit(UpdateId)
const decodeUpdate = Schema.decodeUnknownExit(Update)

/**
 * The offset that confirms a gapless beginning of what an answer held, all of which is stored. Gaps in an ascending answer are
 * Telegram's own. Out of order, nobody knows what else waits below the highest id, so only ids without a gap are confirmed.
 */
export const nextOffset = (ids: ReadonlyArray<number>): number | undefined => {
  const last = ids.at(-1)
  if (last === undefined) return undefined
  if (ids.every((id, index) => index === 0 || ids[index - 1]! <= id)) return last + 1
  const all = new Set(ids)
  let next = ids.reduce((lowest, id) => Math.min(lowest, id))
  while (all.has(next)) next += 1
  return next
}

/** The general topic of a forum, whose messages carry no topic id. */
export const generalTopic = "1"

const entitiesOf = (message: Message): ReadonlyArray<Entity> =>
  (message.entities ?? message.caption_entities ?? []).filter((entity) => entity !== undefined)

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
        if (entity.offset !== 0) return false
        // Without a handle it may be any bot's: only a command of ours is meant for this one.
        return covered.includes("@")
          ? handle !== undefined && covered.endsWith(handle)
          : isChatCommand(covered.slice(1))
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

type Sender = InboundMessage["sender"]

const named = (id: number, username: string | undefined, names: ReadonlyArray<string | undefined>): Sender => {
  const displayName = names.filter((part) => part !== undefined && part !== "").join(" ")
  return {
    id: String(id),
    ...(username === undefined ? undefined : { username }),
    ...(displayName === "" ? undefined : { displayName })
  }
}

/** Who wrote; `undefined` when it was no person. */
const senderOf = ({ chat, from, sender_chat }: Message): Sender | undefined => {
  if (sender_chat !== undefined && chat.type !== "private") {
    return named(sender_chat.id, sender_chat.username, [sender_chat.title])
  }
  return from === undefined || from.is_bot === true
    ? undefined
    : named(from.id, from.username, [from.first_name, from.last_name])
}

/** The chat, and the topic in it, where a message is. */
const peerOf = (message: Message, accountId: string): InboundMessage["peer"] => {
  const threadId = threadOf(message)
  return {
    channel: "telegram",
    accountId,
    chatId: String(message.chat.id),
    chatType: message.chat.type === "private" ? "direct" : "group",
    ...(threadId === undefined ? undefined : { threadId })
  }
}

/** What Telegram says by itself about a chat, as far as it is known. */
const service =
  /^(?:new_chat_|left_chat_|delete_chat_|(?:super)?group_chat_created|channel_chat_|message_auto_delete|migrate_|pinned_message|\w+_payment|users?_shared|chat_shared|connected_website|write_access|passport_data|proximity_alert|boost_added|chat_background|checklist_tasks|\w+_price_changed|(?:general_)?forum_topic_|giveaway|video_chat_|web_app_data|(?:unique_)?gift|suggested_post_)/

const isService = (message: object): boolean => Object.keys(message).some((key) => service.test(key))

/** What buttons of the bot stand for. A client may send anything as pressed, so nothing else is heard. */
const isButton = (data: string | undefined): data is string => data !== undefined && /^\/approve \S/.test(data)

/** A press, as if its command had been written in the chat where the button is. */
const pressed = (updateId: number, { data, from, id, message }: Press, bot: Bot, accountId: string): Received => {
  const ignored = (reason: string): Received => ({ updateId, ignored: reason, lost: false })
  if (!isButton(data)) return ignored("no button of this bot")
  if (message === undefined || message.chat.type === "channel") return ignored("a button that is in no chat")
  if (from.is_bot === true) return ignored("pressed by a bot")
  return {
    updateId,
    press: id,
    message: {
      updateId: String(updateId),
      source: String(bot.id),
      peer: peerOf(message, accountId),
      messageId: `press:${id}`,
      sender: named(from.id, from.username, [from.first_name, from.last_name]),
      text: data,
      addressed: true,
      sentAt: (message.date ?? 0) * 1_000
    }
  }
}

/** Reads one update. `bot` is the bot that received it, `accountId` the account it belongs to. */
export const read = (raw: unknown, bot: Bot, accountId: string): Received => {
  const id = decodeId(raw)
  if (Exit.isFailure(id)) return { updateId: undefined, ignored: "it has no id", lost: true }
  const updateId = id.value.update_id
  const ignored = (reason: string): Received => ({ updateId, ignored: reason, lost: false })
  const lost = (reason: string): Received => ({ updateId, ignored: reason, lost: true })
  const update = decodeUpdate(raw)
  if (Exit.isFailure(update)) return lost("its message's id, chat or sender is not understood")
  const { callback_query: press, message } = update.value
  if (message === undefined) {
    return press === undefined ? ignored("no new message") : pressed(updateId, press, bot, accountId)
  }
  const { chat } = message
  if (chat.type === "channel") return ignored("a channel's post")
  if (message.is_automatic_forward === true) return ignored("a post of the channel that the group belongs to")
  const sender = senderOf(message)
  if (sender === undefined) return message.from === undefined ? lost("it has no sender") : ignored("written by a bot")
  const content = message.text ?? message.caption ?? ""
  const note = attachmentNote(message)
  if (content === "" && note === undefined) {
    return isService((raw as { readonly message: object }).message)
      ? ignored("a service message")
      : lost("it has no text and nothing attached that is known")
  }
  const direct = chat.type === "private"
  const text = withoutHandle(content, bot)
  return {
    updateId,
    message: {
      updateId: String(updateId),
      source: String(bot.id),
      peer: peerOf(message, accountId),
      messageId: String(message.message_id),
      sender,
      text: note === undefined ? text : text === "" ? note : `${text}\n\n${note}`,
      addressed: direct || mentions(message, content, bot) || repliesToBot(message, bot),
      sentAt: (message.date ?? 0) * 1_000
    }
  }
}
