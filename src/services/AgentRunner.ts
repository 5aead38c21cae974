/**
 * One turn of an agent: the model, its tools, the reply.
 *
 * The runner holds no state between turns and knows no engine: whatever must not happen twice it asks of `TurnSteps`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { TurnMessage, TurnOutcome, TurnRequest } from "./Turns.ts"

/** How a turn remembers. The turn's engine implements it; a test may pass one that simply runs the effect. */
export interface TurnSteps {
  /**
   * Runs an effect once. Its result is stored under `name`, which is unique within the turn and the same on every run of
   * it; a turn that starts again receives the stored result and the effect is not run.
   */
  readonly step: <A, I, R>(options: {
    readonly name: string
    readonly success: Schema.Codec<A, I>
    readonly execute: Effect.Effect<A, never, R>
  }) => Effect.Effect<A, never, R>
  /**
   * Waits, within a step, for somebody's word that is kept elsewhere and found again by a step that runs again. The end of the
   * process cuts the wait at once, and no end of it counts against the turn.
   */
  readonly waits: <A, E, R>(wait: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Messages that came for this turn while it runs. */
  readonly incoming: {
    /** Whether one waits to be taken in. */
    readonly waiting: Effect.Effect<boolean>
    /**
     * Takes in those that wait, oldest first, and puts them into the transcript. Asked within a step, under its name: until
     * that step has a result, asking again gives the same ones and those that came since.
     */
    readonly take: (step: string) => Effect.Effect<ReadonlyArray<TurnMessage>>
  }
}

/** How far a turn has come in words. */
export interface PartialText {
  /** Everything that the turn has said. */
  readonly text: string
  /** The end of `text` that no entry of the transcript has yet. */
  readonly unstored: string
  /** Number of the turn's last event; one that ends the turn takes the next. */
  readonly seq: number
}

export class AgentRunner extends Context.Service<
  AgentRunner,
  {
    /**
     * Runs a turn to its end. Never fails: what goes wrong becomes an outcome with status `error` whose `text` tells the
     * user in one plain sentence. Interruption ends the turn; the caller decides what an interrupted turn means.
     * Streams `chat` deltas and `agent` events on the EventBus, and appends to the transcript.
     */
    readonly run: (request: TurnRequest, steps: TurnSteps) => Effect.Effect<TurnOutcome>
    /** What a turn that runs, or that was cut a moment ago, has said. */
    readonly partialText: (runId: string) => Effect.Effect<PartialText | undefined>
  }
>()("openclaw/services/AgentRunner") {}
