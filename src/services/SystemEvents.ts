/**
 * What a session's agent should know without having been asked anything: short lines that its next turn is shown.
 *
 * They live in memory, as OpenClaw's do: a restart forgets what was not shown yet.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { SessionKey } from "../domain/SessionKey.ts"

export interface SystemEvent {
  readonly text: string
  /** Unix milliseconds. */
  readonly at: number
}

export class SystemEvents extends Context.Service<
  SystemEvents,
  {
    /**
     * Puts a line behind those that wait. The oldest goes when there are too many, and a line that repeats the one before is
     * not put twice. `false` when nothing was added.
     */
    readonly add: (sessionKey: SessionKey, text: string) => Effect.Effect<boolean>
    /** Takes those that wait, oldest first. */
    readonly take: (sessionKey: SessionKey) => Effect.Effect<ReadonlyArray<SystemEvent>>
    /** Puts what was taken and shown to nobody before those that wait. The oldest go when there are too many. */
    readonly putBack: (sessionKey: SessionKey, events: ReadonlyArray<SystemEvent>) => Effect.Effect<void>
    /** Those that wait, without taking them. */
    readonly waiting: (sessionKey: SessionKey) => Effect.Effect<ReadonlyArray<SystemEvent>>
  }
>()("openclaw/services/SystemEvents") {}
