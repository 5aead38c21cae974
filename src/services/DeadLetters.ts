/**
 * Dead letters: what the Gateway gave up, kept until the operator tries it again or drops it.
 *
 * Each deed is one transaction, so a crash in the middle of it leaves the dead letter as it was; the same deed again answers
 * as it did the first time.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DeadLetter, DeadLetterCounts, DeadLetterDetail, DeadLetterKind } from "../protocol/methods/deadLetters.ts"
import type { DeliveryFailed } from "./Channel.ts"
import type { ChannelNotConfigured } from "./ChannelRouter.ts"

/** No open dead letter has this id. */
export class DeadLetterNotFound extends Schema.TaggedError<DeadLetterNotFound>()("DeadLetterNotFound", {
  id: Schema.String,
  /** What became of the one that had it. */
  was: Schema.optional(Schema.Literals(["retried", "dropped"]))
}) {
  override get message() {
    const what = this.was === undefined ? `no dead letter has the id ${this.id}` : `${this.id} was ${this.was} before`
    return `${what}; \`openclaw channels dead-letters list\` shows those that wait`
  }
}

/** It cannot be tried again as it is; it stays where it was. */
export class DeadLetterNotRetryable extends Schema.TaggedError<DeadLetterNotRetryable>()("DeadLetterNotRetryable", {
  id: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.id} cannot be tried again: ${this.reason}`
  }
}

/** Dead letters cannot be read or changed now; nothing was done. */
export class DeadLettersUnavailable extends Schema.TaggedError<DeadLettersUnavailable>()("DeadLettersUnavailable", {
  message: Schema.String
}) {}

/** What trying again did. */
export interface Retried {
  readonly id: string
  readonly kind: DeadLetterKind
  /** It was tried again before; nothing was done now. */
  readonly already: boolean
  /** The new turn. */
  readonly runId?: string
  /** The messages that were created. */
  readonly messageIds?: ReadonlyArray<string>
  /** It may have been shown before, or its tools may have done their work before. */
  readonly mayDouble: boolean
}

/** Open dead letters of one channel account, or of none. */
export interface DeadLetterQueue {
  /** `in`: messages without their answer; `out`: answers that did not arrive. */
  readonly direction: "in" | "out"
  readonly channel: string | undefined
  readonly accountId: string | undefined
  readonly count: number
  /** Unix milliseconds. */
  readonly oldestFailedAt: number
}

export class DeadLetters extends Context.Service<
  DeadLetters,
  {
    /** Those that wait, oldest first; 200 unless a limit is given. */
    readonly list: (options?: {
      readonly channel?: string
      readonly kind?: DeadLetterKind
      readonly limit?: number
    }) => Effect.Effect<ReadonlyArray<DeadLetter>, DeadLettersUnavailable>
    readonly counts: Effect.Effect<DeadLetterCounts, DeadLettersUnavailable>
    /** The same by channel account, for `health`. */
    readonly queues: Effect.Effect<ReadonlyArray<DeadLetterQueue>, DeadLettersUnavailable>
    readonly find: (id: string) => Effect.Effect<DeadLetterDetail, DeadLetterNotFound | DeadLettersUnavailable>
    /**
     * Submits a turn's message anew, under an id derived from the old (`<runId>#2`), in the same session; sends a delivery
     * again, on the operator's word that it may double; handles a received message as if it had just arrived.
     */
    readonly retry: (
      id: string
    ) => Effect.Effect<
      Retried,
      DeadLetterNotFound | DeadLetterNotRetryable | DeadLettersUnavailable | ChannelNotConfigured | DeliveryFailed
    >
    /** Forgets it, texts and all. */
    readonly drop: (
      id: string
    ) => Effect.Effect<
      { readonly id: string; readonly kind: DeadLetterKind; readonly already: boolean },
      DeadLetterNotFound | DeadLettersUnavailable
    >
  }
>()("openclaw/services/DeadLetters") {}
