/** What a connection asked to be told of, besides what everybody in an event's audience is told. */
import type { EventName } from "../../protocol/EventTable.ts"

export interface Subscriptions {
  /** Every session. */
  sessions: boolean
  /** The messages of some. */
  readonly keys: Set<string>
  /** Of a node: sessions whose turns it follows as they happen. */
  readonly chats: Set<string>
}

/** Sessions that one connection may follow one by one; who wants more of them asks for all. */
export const MAX_FOLLOWED = 1_000

export const none = (): Subscriptions => ({ sessions: false, keys: new Set(), chats: new Set() })

export const isNone = (subscriptions: Subscriptions): boolean =>
  !subscriptions.sessions && subscriptions.keys.size === 0

/** Whether an event about a session is meant for whoever has these. */
export const wants = (subscriptions: Subscriptions, event: EventName, sessionKey: string): boolean =>
  subscriptions.sessions || (event === "session.message" && subscriptions.keys.has(sessionKey))
