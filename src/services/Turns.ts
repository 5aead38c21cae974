/**
 * Turns: one message in, one reply out, in order per session.
 *
 * A session is an actor with a durable mailbox; a turn is a workflow whose finished steps never run again.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RunId } from "../domain/Ids.ts"
import { SessionKey } from "../domain/SessionKey.ts"
import { Peer } from "./Channel.ts"
import type { QueueSetting } from "./Queue.ts"

const Sender = Schema.Struct({ id: Schema.String, displayName: Schema.optional(Schema.String) })

/** A message that another's turn answers together with its own. */
export const TurnMessage = Schema.Struct({
  runId: RunId,
  text: Schema.String,
  /** Unix milliseconds. */
  receivedAt: Schema.Natural,
  sender: Schema.optional(Sender)
})
export type TurnMessage = typeof TurnMessage.Type

/** A turn to run. `runId` is its idempotency key: the same id again is the same turn. */
export const TurnRequest = Schema.Struct({
  runId: RunId,
  sessionKey: SessionKey,
  agentId: Schema.NonEmptyString,
  text: Schema.String,
  /** Unix milliseconds. */
  receivedAt: Schema.Natural,
  model: Schema.optional(Schema.NonEmptyString),
  extraSystemPrompt: Schema.optional(Schema.String),
  /** Who asked, for the transcript and the prompt. */
  sender: Schema.optional(Sender),
  /** What came after it and is answered with it, oldest first. The session's queue fills this in. */
  collected: Schema.optional(Schema.Array(TurnMessage)),
  /** Where the reply goes; without it the reply is only in the transcript and the events. */
  replyTo: Schema.optional(Schema.Struct({ peer: Peer, messageId: Schema.optional(Schema.String) })),
  /** No message for the model: the session is compacted. `quiet`: nobody waits for words about it. */
  compact: Schema.optional(
    Schema.Struct({ instructions: Schema.optional(Schema.String), quiet: Schema.optional(Schema.Boolean) })
  ),
  /** Milliseconds for the whole turn; 0 for as long as it takes. The agent's own limit when left out. */
  timeoutMs: Schema.optional(Schema.Natural)
})
export type TurnRequest = typeof TurnRequest.Type

export const TurnUsage = Schema.Struct({
  inputTokens: Schema.optional(Schema.Finite),
  outputTokens: Schema.optional(Schema.Finite),
  totalTokens: Schema.optional(Schema.Finite)
})

/**
 * Why a message had no reply of its own. `steered`: the turn `into` took it in while it ran; `collected` and `summarized`:
 * that turn answered several that waited, in full or by their beginnings; `interrupted`: the message `into` ended it;
 * `dropped`: too many waited, and its sender was told.
 */
export const Folded = Schema.Struct({
  how: Schema.Literals(["steered", "collected", "summarized", "interrupted", "dropped"]),
  into: Schema.optional(RunId)
})
export type Folded = typeof Folded.Type

/** A message that waits for its turn, or to be taken in by the one that runs. */
export interface WaitingMessage extends Pick<TurnMessage, "runId" | "text" | "receivedAt"> {
  readonly place: number
}

/** What became of a compaction. `reason`: why there is none. Tokens are estimates of what a model is told. */
export const CompactionResult = Schema.Struct({
  compacted: Schema.Boolean,
  reason: Schema.optional(Schema.String),
  tokensBefore: Schema.optional(Schema.Natural),
  tokensAfter: Schema.optional(Schema.Natural)
})
export type CompactionResult = typeof CompactionResult.Type

/** How a turn ended. A failed turn has told the user what went wrong in `text`, one plain sentence. */
export const TurnOutcome = Schema.Struct({
  runId: RunId,
  sessionKey: SessionKey,
  status: Schema.Literals(["ok", "error", "aborted"]),
  text: Schema.String,
  /** The typed error's tag when `status` is `error`: `ModelUnavailable`, `ModelFailed`, `TurnExhausted`, … */
  error: Schema.optional(Schema.String),
  model: Schema.optional(Schema.String),
  provider: Schema.optional(Schema.String),
  usage: Schema.optional(TurnUsage),
  toolCalls: Schema.Natural,
  durationMs: Schema.Natural,
  /** Why the reply did not leave by `replyTo`; missing when it did, or was not meant to. */
  undelivered: Schema.optional(Schema.String),
  /** `status` and `text` are those of the turn that took it in. */
  folded: Schema.optional(Folded),
  /** Of a turn that was to compact its session. */
  compaction: Schema.optional(CompactionResult)
})
export type TurnOutcome = typeof TurnOutcome.Type

/** A turn that was stored. Times are Unix milliseconds; `endedAt` and `outcome` are missing until it has ended. */
export interface KnownTurn {
  readonly sessionKey: SessionKey
  readonly startedAt?: number
  readonly endedAt?: number
  readonly outcome?: TurnOutcome
  /** Who wanted it to end. */
  readonly abort?: AbortOrigin
}

/** Who ended a turn: a program by `chat.abort`, a person by `/stop` and `/new`, or a newer message in mode `interrupt`. */
export type AbortOrigin = "rpc" | "stop" | "interrupt"

/** The turn could not be taken in; nothing of it was stored. */
export class TurnNotAccepted extends Schema.TaggedError<TurnNotAccepted>()("TurnNotAccepted", {
  message: Schema.String
}) {}

/** The `runId` belongs to another message, or to the same one elsewhere; that turn goes on, and nothing of this was stored. */
export class RunIdConflict extends Schema.TaggedError<RunIdConflict>()("RunIdConflict", { runId: RunId }) {
  override get message() {
    return `idempotency key ${this.runId} was used for another message; send this one with a key of its own`
  }
}

export class Turns extends Context.Service<
  Turns,
  {
    /**
     * Stores the request and returns; the session's actor runs it when its turn has come. `false` when this `runId` was
     * stored before, for the same text to the same agent in the same session. `queue` says what becomes of it when the
     * session is busy; without it the message waits for a turn of its own, and nothing folds or drops it.
     */
    readonly submit: (
      request: TurnRequest,
      queue?: QueueSetting
    ) => Effect.Effect<boolean, TurnNotAccepted | RunIdConflict>
    /** Waits for a turn's end; answers from storage when it ended before. */
    readonly await: (runId: RunId, sessionKey: SessionKey) => Effect.Effect<TurnOutcome, TurnNotAccepted>
    /** What is known of a run, whichever session it is in; `undefined` when nothing is, or no longer. */
    readonly find: (runId: RunId) => Effect.Effect<KnownTurn | undefined, TurnNotAccepted>
    /** Whether this `runId` was stored before. */
    readonly knows: (runId: RunId) => Effect.Effect<boolean, TurnNotAccepted>
    /**
     * Notes that every turn of the session that has not ended, or the one named, is to end, as part of the caller's transaction if there is one.
     * `carryOut`, run after the commit, makes it so and waits for the end, but not for ever. With `seal` what the turn has said
     * is in the transcript at once, and nothing it says later.
     */
    readonly requestAbort: (
      sessionKey: SessionKey,
      how: { readonly origin: AbortOrigin; readonly runId?: RunId; readonly seal?: boolean }
    ) => Effect.Effect<
      { readonly runIds: ReadonlyArray<RunId>; readonly carryOut: Effect.Effect<void> },
      TurnNotAccepted
    >
    /**
     * Ends every turn of the session that has not ended, those that wait and the one that runs, or the one named, for good.
     * Their messages and what was said stay in the transcript. Returns the ids of the turns that were ended, oldest first.
     */
    readonly abort: (
      sessionKey: SessionKey,
      how: { readonly origin: AbortOrigin; readonly runId?: RunId }
    ) => Effect.Effect<ReadonlyArray<RunId>>
    /**
     * Ends every turn of the session as `abort` does and begins its conversation anew, in one transaction. `asked` books the
     * message that wanted it as a turn that has ended with `answer`: the same message again does nothing, and returns `false`.
     */
    readonly anew: (
      sessionKey: SessionKey,
      asked?: { readonly request: TurnRequest; readonly answer: string }
    ) => Effect.Effect<boolean, TurnNotAccepted | RunIdConflict>
    /** The turn that runs in a session now and its text so far. */
    readonly inFlight: (
      sessionKey: SessionKey
    ) => Effect.Effect<{ readonly runId: RunId; readonly text: string; readonly startedAt?: number } | undefined>
    /** Messages of a session whose turn has not begun, oldest first. `place` grows with the order of arrival. */
    readonly waiting: (sessionKey: SessionKey) => Effect.Effect<ReadonlyArray<WaitingMessage>>
    /** Number of turns that are queued or running. */
    readonly active: Effect.Effect<number>
    /**
     * Lets running turns come to a place where all that they have done is stored, for the end of the process: none begins
     * another model call or tool call, one whose answer is there delivers it. Returns how many did not come so far within
     * so many milliseconds; their last step is done again at the next start. What is submitted afterwards waits for that too.
     */
    readonly settle: (budgetMs: number) => Effect.Effect<number>
    /** Stops, for the end of the process: what runs is cut, to resume at the next start. Nothing is taken in after it. */
    readonly suspend: Effect.Effect<void>
  }
>()("openclaw/services/Turns") {}
