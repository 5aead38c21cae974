/**
 * How often one caller may change what concerns the whole Gateway.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type GatewayError, unavailable } from "../../protocol/GatewayError.ts"
import type { Connection } from "./Connections.ts"

const MOST = 30
const WITHIN_MS = 60_000
/** Callers that are remembered; beyond them those that were quiet for long enough are forgotten. */
const REMEMBERED = 1_000

type Caller = Pick<Connection, "address" | "deviceId">

/** Counts calls by method, device and address. */
export const make = () => {
  const calls = new Map<string, ReadonlyArray<number>>()

  const forget = (now: number) => {
    if (calls.size <= REMEMBERED) return
    for (const [key, times] of calls) if ((times.at(-1) ?? 0) <= now - WITHIN_MS) calls.delete(key)
  }

  /** Counts one call, or refuses it. */
  return (method: string, { address, deviceId }: Caller): Effect.Effect<void, GatewayError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const key = JSON.stringify([method, deviceId ?? null, address])
      const recent = (calls.get(key) ?? []).filter((at) => at > now - WITHIN_MS)
      const [oldest] = recent
      if (oldest !== undefined && recent.length >= MOST) {
        const retryAfterMs = Math.max(1, oldest + WITHIN_MS - now)
        const seconds = Math.ceil(retryAfterMs / 1_000)
        return Effect.fail(
          unavailable(`rate limit exceeded for ${method}; retry after ${seconds}s`, {
            retryable: true,
            retryAfterMs,
            details: { method, limit: `${MOST} per ${WITHIN_MS / 1_000}s` }
          })
        )
      }
      calls.set(key, [...recent, now])
      forget(now)
      return Effect.void
    })
}
