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
  sender: Schema.optional(Schema.Struct({ id: Schema.String, displayName: Schema.optional(Schema.String) })),
  /** Where the reply goes; without it the reply is only in the transcript and the events. */
  replyTo: Schema.optional(Schema.Struct({ peer: Peer, messageId: Schema.optional(Schema.String) })),
  /** Milliseconds for the whole turn; 0 for as long as it takes. The agent's own limit when left out. */
  timeoutMs: Schema.optional(Schema.Natural)
})
export type TurnRequest = typeof TurnRequest.Type

export const TurnUsage = Schema.Struct({
  inputTokens: Schema.optional(Schema.Finite),
  outputTokens: Schema.optional(Schema.Finite),
  totalTokens: Schema.optional(Schema.Finite)
})

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
  undelivered: Schema.optional(Schema.String)
})
export type TurnOutcome = typeof TurnOutcome.Type

/** Who ended a turn: a program by `chat.abort`, or a person by `/stop` and `/new`. */
export type AbortOrigin = "rpc" | "stop"

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
     * stored before, for the same text to the same agent in the same session.
     */
    readonly submit: (request: TurnRequest) => Effect.Effect<boolean, TurnNotAccepted | RunIdConflict>
    /** Waits for a turn's end; answers from storage when it ended before. */
    readonly await: (runId: RunId, sessionKey: SessionKey) => Effect.Effect<TurnOutcome, TurnNotAccepted>
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
    /** The turn that runs in a session now and its text so far. */
    readonly inFlight: (
      sessionKey: SessionKey
    ) => Effect.Effect<{ readonly runId: RunId; readonly text: string } | undefined>
    /** Number of turns that are queued or running. */
    readonly active: Effect.Effect<number>
    /**
     * Stops, for the end of the process: running turns get a moment to end and are then cut, to resume at the next start.
     * Nothing is taken in after it.
     */
    readonly suspend: Effect.Effect<void>
  }
>()("openclaw/services/Turns") {}
