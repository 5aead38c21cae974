/**
 * Idempotency keys: one key, one request, one answer.
 *
 * A request whose key is at work joins the work; one whose key was answered gets that answer again; the same key with
 * another request is a conflict. Work lives for as long as somebody waits for it. An outcome that is unknown (nobody
 * waited any longer, the node went) is not an answer: the same request may be sent again, and the node, which remembers
 * keys too, decides. Answered keys are kept for an hour, at most 4,096 of them and 32 MiB of keys and payload.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
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
  readonly result: Deferred.Deferred<A, E>
  waiters: number
  fiber: Fiber.Fiber<A, E> | undefined
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
    const size = key.length + digest.length + answer.size
    settled.set(key, { digest, at: now, size, exit: answer.exit })
    kept += size
    prune(now)
  }

  const start = Effect.fnUntraced(function* (key: string, entry: Running<A, E>, work: Effect.Effect<A, E>) {
    const clock = yield* Clock.Clock
    entry.fiber = yield* Effect.forkIn(work, scope, { startImmediately: true })
    // Called at once when the work has ended already.
    entry.fiber.addObserver((exit) => {
      settle(key, entry.digest, exit, clock.currentTimeMillisUnsafe())
      Deferred.doneUnsafe(entry.result, exit)
    })
    return entry
  })

  /** The last to leave ends the work. */
  const leave = (entry: Running<A, E>) =>
    Effect.suspend(() => {
      entry.waiters -= 1
      return entry.waiters === 0 && entry.fiber !== undefined ? Fiber.interrupt(entry.fiber) : Effect.void
    })

  /** Finds the key's entry or takes the key, in one step that nothing can come between. */
  const enter = (key: string, digest: string, work: Effect.Effect<A, E>, now: number) =>
    Effect.suspend((): Effect.Effect<Running<A, E>, IdempotencyConflict> => {
      prune(now)
      const known = running.get(key) ?? settled.get(key)
      if (known !== undefined && known.digest !== digest) return Effect.fail(new IdempotencyConflict({ key }))
      const joined = running.get(key)
      if (joined !== undefined) {
        joined.waiters += 1
        return Effect.succeed(joined)
      }
      const entry: Running<A, E> = { digest, result: Deferred.makeUnsafe(), waiters: 1, fiber: undefined }
      const answered = settled.get(key)?.exit
      if (answered !== undefined) {
        Deferred.doneUnsafe(entry.result, answered)
        return Effect.succeed(entry)
      }
      drop(key)
      running.set(key, entry)
      return start(key, entry, work)
    })

  return {
    size: () => running.size + settled.size,
    once: (key, digest, work) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.acquireUseRelease(enter(key, digest, work, now), (entry) => Deferred.await(entry.result), leave)
      )
  }
}
