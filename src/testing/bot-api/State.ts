/**
 * What the Bot API server knows: the bot, its chats, the updates that wait, the messages that were sent.
 *
 * Changes are made in one synchronous step and wake everybody who waits in `until`, so nothing here polls.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Fault } from "./Faults.ts"
import type { Entry } from "./Journal.ts"

export type Json = Readonly<Record<string, unknown>>

export interface BotUser {
  readonly id: number
  readonly is_bot: true
  readonly first_name: string
  readonly username: string
}

export interface BotChat {
  readonly id: number
  readonly type: "private" | "group" | "supergroup" | "channel"
  readonly title?: string
  readonly is_forum?: true
  readonly first_name?: string
  readonly username?: string
}

/** A part of a message's text that is formatted; offsets in UTF-16 units, as Telegram counts. */
export interface Entity {
  readonly type: string
  readonly offset: number
  readonly length: number
  readonly url?: string
  readonly language?: string
}

/** What a file in a message is shown as. */
export type MediaKind = "photo" | "document" | "video" | "audio" | "animation"

/** What a message showed for a while. */
export interface Shown {
  readonly kind: SentMessage["kind"]
  /** What a person saw, formatting removed. */
  readonly text: string
  readonly fileName?: string
  /** Unix milliseconds from which on it was seen. */
  readonly at: number
}

/** A message that the bot sent. */
export interface SentMessage {
  readonly messageId: number
  readonly chatId: number
  readonly threadId?: number
  /** What a person sees, formatting removed. */
  readonly text: string
  /** What the bot sent, formatting included. */
  readonly raw: string
  readonly parseMode?: string
  readonly entities: ReadonlyArray<Entity>
  readonly replyTo?: number
  readonly silent: boolean
  readonly kind: "text" | MediaKind
  readonly fileName?: string
  /** Of a file that came with the call. */
  readonly fileBytes?: number
  /** How often it was edited. */
  readonly edits: number
  /** Each state that a person could see, in order; the last is the present one. */
  readonly history: ReadonlyArray<Shown>
  /** A person or the bot took it away. */
  readonly deleted?: true
  /** Unix milliseconds. */
  readonly at: number
}

/** A `sendChatAction`. */
export interface ChatAction {
  readonly chatId: number
  readonly threadId?: number
  readonly action: string
  /** Unix milliseconds. */
  readonly at: number
}

/** A call that reached the server with a valid token. */
export interface Call {
  readonly method: string
  readonly params: Json
}

interface StoredFile {
  readonly path: string
  readonly bytes: Uint8Array
}

export interface Poller {
  terminated: boolean
}

export class State {
  token: string
  readonly bot: BotUser
  readonly chats = new Map<number, BotChat>()
  readonly blocked = new Set<number>()
  /** Groups that became supergroups: the new id by the old one. */
  readonly migrated = new Map<number, number>()
  readonly topics = new Set<string>()
  /** Messages by people, by chat: what can be replied to. */
  readonly received = new Set<string>()
  readonly sent: Array<SentMessage> = []
  readonly actions: Array<ChatAction> = []
  readonly calls: Array<Call> = []
  readonly files = new Map<string, StoredFile>()
  readonly faults: Array<Fault> = []
  commands: ReadonlyArray<unknown> = []
  webhookUrl = ""
  allowedUpdates: ReadonlyArray<string> = []
  pending: ReadonlyArray<Json & { readonly update_id: number }> = []
  poller: Poller | undefined
  nextUpdateId = 700_000_001
  nextMessageId = 1
  nextFileId = 1
  /** Is told of what happens before it happens. */
  journal: ((entry: Entry) => void) | undefined
  private changed = Deferred.makeUnsafe<void>()

  constructor(token: string, bot: BotUser) {
    this.token = token
    this.bot = bot
  }

  /** Wakes everybody who waits. Called after each change. */
  notify(): void {
    const before = this.changed
    this.changed = Deferred.makeUnsafe<void>()
    Deferred.doneUnsafe(before, Effect.void)
  }

  /** Waits until `look` sees something. */
  until<A>(look: () => A | undefined): Effect.Effect<A> {
    return Effect.suspend(() => {
      const found = look()
      return found === undefined
        ? Effect.flatMap(Deferred.await(this.changed), () => this.until(look))
        : Effect.succeed(found)
    })
  }

  takeMessageId(): number {
    return this.nextMessageId++
  }

  /** Queues an update, unless the bot does not want its kind. Returns its id. */
  push(update: Json): number {
    const given = update["update_id"]
    const id = typeof given === "number" ? given : this.nextUpdateId++
    const kind = Object.keys(update).find((key) => key !== "update_id") ?? ""
    if (this.allowedUpdates.length === 0 ? !optional.has(kind) : this.allowedUpdates.includes(kind)) {
      this.pending = [...this.pending, { ...update, update_id: id }]
      this.notify()
    }
    return id
  }

  /** Forgets what an offset confirms: everything before it; for a negative one, all but the newest. */
  confirm(offset: number): void {
    if (offset < 0) this.pending = this.pending.slice(offset)
    else if (offset > 0) this.pending = this.pending.filter((update) => update.update_id >= offset)
    else return
    this.notify()
  }
}

/** Kinds of updates that a bot receives only when it asks for them. */
const optional = new Set(["chat_member", "message_reaction", "message_reaction_count"])

export const topicKey = (chatId: number, threadId: number): string => `${chatId}:${threadId}`
