/**
 * Every long-lived fiber by name: its state, how often it was restarted, and why it last died.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { SupervisedFiber } from "../protocol/methods/system.ts"

export type { SupervisedFiber }

export interface SupervisePolicy<E> {
  /**
   * `always`: restarted whenever it ends, for whatever reason. `on-failure`: restarted when it fails or dies, done when
   * it succeeds. `never`: runs once.
   */
  readonly restart: "always" | "on-failure" | "never"
  /** Errors after which no restart can help; the fiber is then `failed` for good. Defects are never terminal. */
  readonly terminal?: (error: E) => boolean
  /** Milliseconds that an error asks to wait at least; the fiber is in `backoff` meanwhile. */
  readonly retryAfterMs?: (error: E) => number | undefined
  /** Waits between restarts; exponential from 250 ms to 30 s with full jitter when left out. */
  readonly schedule?: Schedule.Schedule<unknown, unknown>
}

export class Supervisor extends Context.Service<
  Supervisor,
  {
    /**
     * Runs an effect as a named child of the caller's scope and keeps it running by its policy. Every death is logged with
     * its cause. Names are paths such as `channels/telegram/default`; a name used again replaces its row.
     * Closing the scope interrupts the fiber and removes it from the tree.
     */
    readonly supervise: <A, E, R>(
      name: string,
      effect: Effect.Effect<A, E, R>,
      policy: SupervisePolicy<E>
    ) => Effect.Effect<Fiber.Fiber<void>, never, R | Scope.Scope>
    /**
     * Shows something short-lived in the tree for as long as it runs, under a name that is its alone. How it ends is its
     * owner's to tell.
     */
    readonly track: <A, E, R>(name: string, detail: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    /** The tree as it is now, sorted by name. */
    readonly tree: Effect.Effect<ReadonlyArray<SupervisedFiber>>
  }
>()("openclaw/services/Supervisor") {}
