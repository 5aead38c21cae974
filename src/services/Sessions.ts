/**
 * Sessions: what was said, by session key.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { RunId } from "../domain/Ids.ts"
import type { SessionKey } from "../domain/SessionKey.ts"
import type { SessionRow, TranscriptMessage } from "../protocol/methods/chat.ts"
import type { QueueOverride } from "./Queue.ts"

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
    readonly list: (options?: {
      readonly limit?: number
      readonly offset?: number
      readonly agentId?: string
      readonly search?: string
      readonly activeMinutes?: number
      readonly includeLastMessage?: boolean
    }) => Effect.Effect<{ readonly rows: ReadonlyArray<SessionRow>; readonly totalCount: number }, SessionStorageFailed>
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
      >
    ) => Effect.Effect<void, SessionStorageFailed>
    /** What `/queue` said in the session; `undefined` when nothing. */
    readonly queue: (sessionKey: SessionKey) => Effect.Effect<QueueOverride | undefined, SessionStorageFailed>
    /** Keeps what `/queue` said; `undefined` forgets it. Creates the session when it is new. */
    readonly setQueue: (
      sessionKey: SessionKey,
      override: QueueOverride | undefined
    ) => Effect.Effect<void, SessionStorageFailed>
    /** Starts the session anew: later turns do not see what was said before. */
    readonly reset: (sessionKey: SessionKey) => Effect.Effect<void, SessionStorageFailed>
  }
>()("openclaw/services/Sessions") {}
