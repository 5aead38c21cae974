/**
 * Sessions: what was said, by session key.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as PubSub from "effect/PubSub"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { RunId } from "../domain/Ids.ts"
import type { SessionKey } from "../domain/SessionKey.ts"
import type { TranscriptMessage } from "../protocol/methods/chat.ts"
import type { SessionRow } from "../protocol/methods/sessions.ts"
import type { SessionsUsageResult } from "../protocol/methods/usage.ts"
import { Peer } from "./Channel.ts"
import type { QueueOverride } from "./Queue.ts"

/** No session has this key. */
export class SessionNotFound extends Schema.TaggedError<SessionNotFound>()("SessionNotFound", {
  sessionKey: Schema.String
}) {
  override get message() {
    return `no session ${this.sessionKey}; \`openclaw sessions\` lists them`
  }
}

/** The transcript could not be read or written. */
export class SessionStorageFailed extends Schema.TaggedError<SessionStorageFailed>()("SessionStorageFailed", {
  message: Schema.String
}) {}

/** Another session of the agent has the label. */
export class LabelTaken extends Schema.TaggedError<LabelTaken>()("LabelTaken", { label: Schema.String }) {
  override get message() {
    return `label already in use: ${this.label}`
  }
}

/** The session is not the one that was meant, or no longer. */
export class SessionChanged extends Schema.TaggedError<SessionChanged>()("SessionChanged", {
  sessionKey: Schema.String
}) {
  override get message() {
    return `${this.sessionKey} is another session by now`
  }
}

/** A turn of the session has not ended. */
export class SessionBusy extends Schema.TaggedError<SessionBusy>()("SessionBusy", { sessionKey: Schema.String }) {
  override get message() {
    return `Session ${this.sessionKey} is still active; try again in a moment.`
  }
}

/** The chat of a channel that a session was last spoken in, and by whom: the channel's immutable id. */
export const SessionRoute = Schema.Struct({ peer: Peer, senderId: Schema.NonEmptyString })
export type SessionRoute = typeof SessionRoute.Type

/** A message was added to a session (`seq`), a turn of it began or ended (`phase`), or something else of it changed. */
export interface SessionChange {
  readonly sessionKey: SessionKey
  readonly seq?: number
  readonly phase?: "start" | "end" | "error"
  readonly reason?: "create" | "patch" | "reset" | "delete" | "compact"
}

export interface ListOptions {
  readonly limit?: number
  readonly offset?: number
  /** Only those of these agents. */
  readonly agentIds?: ReadonlyArray<string>
  readonly search?: string
  readonly label?: string
  readonly activeMinutes?: number
  /** Left out: those that are not. */
  readonly archived?: boolean | "all"
  readonly includeGlobal?: boolean
  readonly requireLastInteraction?: boolean
  /** Only those with a turn that runs or waits. */
  readonly activeOnly?: boolean
  readonly sortBy?: "updatedAt" | "lastInteractionAt"
  readonly includeDerivedTitles?: boolean
  readonly includeLastMessage?: boolean
}

/** Part of a transcript, oldest first. Each message has its id and `seq` in `__openclaw`. */
export interface Page {
  /** `undefined`: there is no such session. */
  readonly sessionId: string | undefined
  readonly messages: ReadonlyArray<TranscriptMessage>
  /** Messages since the last reset. */
  readonly total: number
  /** The last reset, and the newest message's `seq`. */
  readonly resetSeq: number
  readonly lastSeq: number
}

/** `null` takes a choice back; what is left out stays. */
export interface SessionPatch {
  readonly label?: string | null | undefined
  /** `provider/model`. */
  readonly model?: string | null | undefined
  readonly archived?: boolean | undefined
  readonly pinned?: boolean | undefined
  readonly unread?: boolean | undefined
}

/** What must be so for a change to be made. */
export interface Expected {
  readonly sessionId?: string | undefined
  readonly updatedAt?: number | undefined
  readonly markedUnreadAt?: number | null | undefined
  readonly archived?: true | undefined
}

export interface UsageOptions {
  /** Unix milliseconds: from the first to before the second. */
  readonly from: number
  readonly until: number
  /** Minutes by which the days are ahead of the universal ones. */
  readonly offsetMinutes: number
  readonly limit: number
  readonly sessionKey?: SessionKey
  readonly agentId?: string
}

/** What a model is told of a session. */
export interface SessionContext {
  /** `undefined`: there is no such session. */
  readonly sessionId: string | undefined
  /** The place of the last message that is not shown as it is: a reset or a compaction is there. */
  readonly since: number
  /** What was said up to there, unless a reset forgot it. */
  readonly summary: string | undefined
  /** The newest messages after it, oldest first, with their places. */
  readonly entries: ReadonlyArray<{ readonly seq: number; readonly message: TranscriptMessage }>
}

/** A compaction that was made: from now on `summary` stands for all messages up to `through`. */
export interface Compacted {
  /** Of which context it was made; refused when the session has another one by now. */
  readonly sessionId: string
  readonly since: number
  readonly through: number
  readonly summary: string
  /** Estimates of what a model is told of the session. */
  readonly tokensBefore: number
  readonly tokensAfter: number
  /** Who made it, and what that took. */
  readonly runId: RunId
  readonly provider: string
  readonly model: string
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number }
}

/** One entry to append. `dedupeKey` makes appending idempotent: the same key again changes nothing. */
export interface TranscriptEntry {
  readonly sessionKey: SessionKey
  readonly runId: RunId
  readonly dedupeKey: string
  readonly message: TranscriptMessage
}

export class Sessions extends Context.Service<
  Sessions,
  {
    /** Appends entries in one transaction; creates the session when it is new. Returns the sequence number of the last. */
    readonly append: (entries: ReadonlyArray<TranscriptEntry>) => Effect.Effect<number, SessionStorageFailed>
    /** The newest `limit` messages, oldest first. An unknown session has no id and no messages. */
    readonly history: (
      sessionKey: SessionKey,
      options?: { readonly limit?: number; readonly offset?: number }
    ) => Effect.Effect<
      { readonly sessionId: string | undefined; readonly messages: ReadonlyArray<TranscriptMessage> },
      SessionStorageFailed
    >
    /** What a model is told, with at most `limit` messages. */
    readonly context: (sessionKey: SessionKey, limit: number) => Effect.Effect<SessionContext, SessionStorageFailed>
    /** Lets a summary stand for older messages and marks it in the transcript, both or neither. No message goes. */
    readonly compact: (
      sessionKey: SessionKey,
      compacted: Compacted
    ) => Effect.Effect<void, SessionStorageFailed | SessionChanged>
    /** Deletes all but the newest `keep` messages, for good, unless a turn has not ended. */
    readonly truncate: (
      sessionKey: SessionKey,
      keep: number
    ) => Effect.Effect<{ readonly removed: number; readonly kept: number }, SessionStorageFailed | SessionBusy>
    /** A page of the transcript: the newest `limit` after `offset`, or from `after` on the oldest `limit`. */
    readonly page: (
      sessionKey: SessionKey,
      options: { readonly limit: number; readonly offset?: number; readonly after?: number }
    ) => Effect.Effect<Page, SessionStorageFailed>
    /** How many messages came after one, found by its id or by its `dedupeKey`; `undefined` when it is not there. */
    readonly find: (
      sessionKey: SessionKey,
      id: string
    ) => Effect.Effect<
      { readonly message: TranscriptMessage; readonly newer: number } | undefined,
      SessionStorageFailed
    >
    readonly list: (
      options?: ListOptions
    ) => Effect.Effect<{ readonly rows: ReadonlyArray<SessionRow>; readonly totalCount: number }, SessionStorageFailed>
    /** The sessions of all agents or of one that changed last, and how many there are: what `list` gives by default. */
    readonly recent: (
      limit: number,
      agentId?: string
    ) => Effect.Effect<
      {
        /** `updatedAt`: Unix milliseconds. */
        readonly rows: ReadonlyArray<{ readonly key: string; readonly updatedAt: number | null }>
        readonly totalCount: number
      },
      SessionStorageFailed
    >
    readonly describe: (
      sessionKey: SessionKey,
      options?: Pick<ListOptions, "includeDerivedTitles" | "includeLastMessage">
    ) => Effect.Effect<SessionRow | undefined, SessionStorageFailed>
    /** Sessions whose id begins so. At most eleven. */
    readonly byId: (prefix: string) => Effect.Effect<ReadonlyArray<SessionRow>, SessionStorageFailed>
    readonly usage: (
      options: UsageOptions
    ) => Effect.Effect<Pick<SessionsUsageResult, "sessions" | "totals" | "aggregates">, SessionStorageFailed>
    /** The model that was chosen for the session; `undefined`: the agent's. */
    readonly model: (sessionKey: SessionKey) => Effect.Effect<string | undefined, SessionStorageFailed>
    /** Changes what is kept beside the transcript. Creates the session when it is new and nothing is expected of it. */
    readonly patch: (
      sessionKey: SessionKey,
      change: SessionPatch,
      expected?: Expected
    ) => Effect.Effect<SessionRow, SessionStorageFailed | LabelTaken | SessionChanged>
    /** Takes a session away with its transcript, unless one of its turns has not ended. `false`: there was none. */
    readonly remove: (
      sessionKey: SessionKey,
      expected?: Expected
    ) => Effect.Effect<boolean, SessionStorageFailed | SessionChanged | SessionBusy>
    /** Records where a session's messages come from, and what its last turn did. */
    readonly touch: (
      sessionKey: SessionKey,
      change: Partial<
        Pick<
          SessionRow,
          | "channel"
          | "accountId"
          | "chatType"
          | "displayName"
          | "status"
          | "lastRunId"
          | "lastRunError"
          | "model"
          | "modelProvider"
          | "inputTokens"
          | "outputTokens"
          | "totalTokens"
        >
      > & { readonly route?: SessionRoute }
    ) => Effect.Effect<void, SessionStorageFailed>
    /** Where people of a channel last wrote in the session; `undefined`: nowhere. */
    readonly route: (sessionKey: SessionKey) => Effect.Effect<SessionRoute | undefined, SessionStorageFailed>
    /** What `/queue` said in the session; `undefined` when nothing. */
    readonly queue: (sessionKey: SessionKey) => Effect.Effect<QueueOverride | undefined, SessionStorageFailed>
    /** Keeps what `/queue` said; `undefined` forgets it. Creates the session when it is new. */
    readonly setQueue: (
      sessionKey: SessionKey,
      override: QueueOverride | undefined
    ) => Effect.Effect<void, SessionStorageFailed>
    /** Starts the session anew: later turns do not see what was said before. */
    readonly reset: (sessionKey: SessionKey) => Effect.Effect<void, SessionStorageFailed>
    /**
     * What happens from now on, in order, until the scope closes. It is told as it is written: after `stored` it is on the
     * disk, or was taken back. Who falls far behind loses the oldest.
     */
    readonly changes: Effect.Effect<PubSub.Subscription<SessionChange>, never, Scope.Scope>
    /** Waits until all that was told before is on the disk or taken back. */
    readonly stored: Effect.Effect<void, SessionStorageFailed>
  }
>()("openclaw/services/Sessions") {}
