/**
 * Idempotency keys: one key, one request, one answer.
 *
 * A request whose key is at work joins the work; one whose key was answered gets that answer again; the same key with
 * another request is a conflict. Work lives for as long as somebody waits for it. An outcome that is unknown (nobody
 * waited any longer, the node went) is not an answer: the same request may be sent again, and the node, which remembers
 * keys too, decides. Answered keys are kept for an hour, at most 4,096 of them and 32 MiB of payload.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { IdempotencyConflict } from "../../services/NodeRegistry.ts"

/** What becomes of a key once its work ended. */
export type Keep<A> =
  /** Answer the same request with this from now on. `size` counts against the bytes that are kept. */
  | { readonly _tag: "Answer"; readonly exit: A; readonly size: number }
  /** Nothing is known of the outcome; only that the key belongs to this request. */
  | { readonly _tag: "Unknown" }
  /** Nothing was sent: the key is free. */
  | { readonly _tag: "Forget" }

export interface Limits {
  readonly count: number
  readonly bytes: number
  readonly ageMs: number
}

export const limits: Limits = { count: 4_096, bytes: 32 * 1024 * 1024, ageMs: 3_600_000 }

interface Running<A, E> {
  readonly digest: string
  readonly fiber: Fiber.Fiber<A, E>
  waiters: number
}

interface Settled<A, E> {
  readonly digest: string
  readonly at: number
  readonly size: number
  readonly exit: Exit.Exit<A, E> | undefined
}

export interface Answers<A, E> {
  readonly once: (key: string, digest: string, work: Effect.Effect<A, E>) => Effect.Effect<A, E | IdempotencyConflict>
  /** Keys remembered now. */
  readonly size: () => number
}

/** Keys whose work ends with `scope`. */
export const make = <A, E>(
  scope: Scope.Scope,
  keep: (exit: Exit.Exit<A, E>) => Keep<Exit.Exit<A, E>>,
  { ageMs, bytes, count }: Limits = limits
): Answers<A, E> => {
  const running = new Map<string, Running<A, E>>()
  /** Oldest first. */
  const settled = new Map<string, Settled<A, E>>()
  let kept = 0

  const drop = (key: string) => {
    kept -= settled.get(key)?.size ?? 0
    settled.delete(key)
  }

  const prune = (now: number) => {
    for (const [key, entry] of settled) {
      if (settled.size <= count && kept <= bytes && now - entry.at < ageMs) return
      drop(key)
    }
  }

  const settle = (key: string, digest: string, exit: Exit.Exit<A, E>, now: number) => {
    running.delete(key)
    const outcome = keep(exit)
    if (outcome._tag === "Forget") return
    const answer = outcome._tag === "Answer" ? outcome : { exit: undefined, size: 0 }
    settled.set(key, { digest, at: now, size: answer.size, exit: answer.exit })
    kept += answer.size
    prune(now)
  }

  const start = Effect.fnUntraced(function* (key: string, digest: string, work: Effect.Effect<A, E>) {
    const clock = yield* Clock.Clock
    const fiber = yield* Effect.forkIn(work, scope, { startImmediately: true })
    const entry: Running<A, E> = { digest, fiber, waiters: 1 }
    drop(key)
    running.set(key, entry)
    // Called at once when the work has ended already.
    fiber.addObserver((exit) => settle(key, digest, exit, clock.currentTimeMillisUnsafe()))
    return entry
  })

  /** The last to leave ends the work. */
  const leave = (entry: Running<A, E>) =>
    Effect.suspend(() => {
      entry.waiters -= 1
      return entry.waiters === 0 ? Fiber.interrupt(entry.fiber) : Effect.void
    })

  const enter = (key: string, digest: string, work: Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<Running<A, E>, IdempotencyConflict> => {
      const joined = running.get(key)
      if (joined === undefined) return start(key, digest, work)
      if (joined.digest !== digest) return Effect.fail(new IdempotencyConflict({ key }))
      joined.waiters += 1
      return Effect.succeed(joined)
    })

  return {
    size: () => running.size + settled.size,
    once: (key, digest, work) =>
      Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<A, E | IdempotencyConflict> => {
        prune(now)
        const known = settled.get(key)
        if (known !== undefined && known.digest !== digest) return Effect.fail(new IdempotencyConflict({ key }))
        if (known?.exit !== undefined) return known.exit
        return Effect.acquireUseRelease(enter(key, digest, work), (entry) => Fiber.join(entry.fiber), leave)
      })
  }
}
