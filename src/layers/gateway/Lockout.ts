/**
 * Counts wrong credentials per address and locks those that guess.
 *
 * Ten failures within a minute lock an address for five minutes, the right credential included. This machine's own
 * addresses are never locked, because then any local program could lock the operator out; their failures are answered ever
 * later instead. Time is the machine's own, which nobody sets back or forward. Memory is bounded: when the table is full, addresses that are not locked are forgotten first.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

const MAX_FAILURES = 10
const WINDOW_MS = 60_000
const LOCKOUT_MS = 300_000
const FIRST_DELAY_MS = 250
const LONGEST_DELAY_MS = 4_000
const MAX_TRACKED = 10_000

/** Milliseconds since some moment, never less than before. */
const elapsed = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

interface Entry {
  failures: number
  /** When the window of these failures began. */
  since: number
  /** Missing while the address is not locked. */
  lockedUntil?: number
}

export interface Lockout {
  /** Milliseconds until the address may try again, or 0. */
  readonly remaining: (key: string) => Effect.Effect<number>
  /** Records a failure; from this machine it also waits. */
  readonly failed: (key: string, exempt: boolean) => Effect.Effect<void>
  /** The shared secret was right: earlier failures are forgiven. */
  readonly forgive: (key: string) => Effect.Effect<void>
  /** Addresses that are remembered. */
  readonly size: () => number
}

export const make = (): Lockout => {
  const entries = new Map<string, Entry>()

  const evict = (now: number) => {
    for (const [key, entry] of entries) {
      if (entries.size <= MAX_TRACKED) return
      if ((entry.lockedUntil ?? now) <= now) entries.delete(key)
    }
    // Every entry is locked: the oldest lock goes, the bound holds.
    for (const key of entries.keys()) {
      if (entries.size <= MAX_TRACKED) return
      entries.delete(key)
    }
  }

  return {
    remaining: (key) => Effect.map(elapsed, (now) => Math.max(0, (entries.get(key)?.lockedUntil ?? now) - now)),
    failed: Effect.fnUntraced(function* (key, exempt) {
      const now = yield* elapsed
      const known = entries.get(key)
      const entry: Entry = known === undefined || now - known.since > WINDOW_MS ? { failures: 0, since: now } : known
      entry.failures++
      if (!exempt && entry.failures >= MAX_FAILURES) entry.lockedUntil = now + LOCKOUT_MS
      entries.delete(key)
      entries.set(key, entry)
      evict(now)
      if (exempt) yield* Effect.sleep(Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (entry.failures - 1)))
    }),
    forgive: (key) => Effect.sync(() => void entries.delete(key)),
    size: () => entries.size
  }
}
