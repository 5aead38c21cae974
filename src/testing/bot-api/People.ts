/**
 * What people do at the Bot API server: they write, and their messages become updates.
 */
import type { BotChat, Json, State } from "./State.ts"
import { topicKey } from "./State.ts"

/** A person who writes. */
export interface Person {
  readonly id: number
  readonly firstName?: string
  readonly username?: string
}

/** A message that a person sends. Without `group` it is a direct message. */
export interface UserText {
  readonly from: Person
  readonly text: string
  readonly group?: {
    readonly id: number
    readonly title?: string
    readonly type?: "group" | "supergroup"
    readonly forum?: boolean
  }
  /** The forum topic that it is in. */
  readonly topic?: number
  /** Puts `@<bot>` before the text, as an entity. */
  readonly mention?: boolean
  /** A message of the bot that it answers. */
  readonly replyToBot?: number
  /** Further fields of the message, for example `photo` or `location`. */
  readonly extra?: Json
}

const chatOf = (message: UserText): BotChat => {
  const { from, group } = message
  if (group === undefined) {
    return {
      id: from.id,
      type: "private",
      first_name: from.firstName ?? `User ${from.id}`,
      ...(from.username === undefined ? undefined : { username: from.username })
    }
  }
  return {
    id: group.id,
    type: group.type ?? "supergroup",
    title: group.title ?? `Group ${group.id}`,
    ...(group.forum === true ? { is_forum: true } : undefined)
  }
}

const messageOf = (state: State, message: UserText, chat: BotChat, messageId: number, now: number): Json => {
  const mention = `@${state.bot.username}`
  const text = message.mention === true ? `${mention} ${message.text}` : message.text
  const command = /^\/\S+/.exec(text)?.[0]
  const entities = [
    ...(message.mention === true ? [{ type: "mention", offset: 0, length: mention.length }] : []),
    ...(command === undefined ? [] : [{ type: "bot_command", offset: 0, length: command.length }])
  ]
  return {
    message_id: messageId,
    from: {
      id: message.from.id,
      is_bot: false,
      first_name: message.from.firstName ?? `User ${message.from.id}`,
      ...(message.from.username === undefined ? undefined : { username: message.from.username })
    },
    chat,
    date: Math.floor(now / 1_000),
    ...(message.text === "" ? undefined : { text }),
    ...(entities.length === 0 ? undefined : { entities }),
    ...(message.topic === undefined ? undefined : { message_thread_id: message.topic, is_topic_message: true }),
    ...(message.replyToBot === undefined
      ? undefined
      : { reply_to_message: { message_id: message.replyToBot, from: state.bot, chat, date: 0 } }),
    ...message.extra
  }
}

/** Takes a person's message in. `now`: Unix milliseconds. */
export const write = (state: State, message: UserText, now: number) => {
  const chat = chatOf(message)
  state.chats.set(chat.id, chat)
  if (message.topic !== undefined) state.topics.add(topicKey(chat.id, message.topic))
  const messageId = state.takeMessageId()
  state.received.add(topicKey(chat.id, messageId))
  const updateId = state.push({ message: messageOf(state, message, chat, messageId, now) })
  return { updateId, messageId, chatId: chat.id }
}
