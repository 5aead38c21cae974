/** What `session.maintenance` in the configuration says, in milliseconds and bytes. */
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { amountOf, BYTES, DURATIONS } from "./amount.ts"

export interface Policy {
  /** `false`: only tell. */
  readonly enforced: boolean
  readonly pruneAfterMs: number
  readonly maxEntries: number
  /** 0 when recent sessions have no protection of their own. */
  readonly preserveRecentMs: number
  /** Infinity when there is no budget. */
  readonly maxDiskBytes: number
  readonly highWaterBytes: number
}

const DAY = DURATIONS["d"]!
const DEFAULT_MAX_BYTES = 10 * BYTES["gb"]!
const HIGH_WATER = 0.8

type Amount = string | number | boolean | undefined

/** A bare number of `pruneAfter` and its kind counts days, as in OpenClaw. */
const durationOf = (value: Amount): number | undefined =>
  typeof value === "boolean" || value === undefined ? undefined : amountOf(value, DURATIONS, DAY)

const bytesOf = (value: Amount): number | undefined =>
  typeof value === "boolean" || value === undefined ? undefined : amountOf(value, BYTES, 1)

export const policyOf = (config: OpenClawConfig): Policy => {
  const given = config.session?.maintenance
  const budget = given?.maxDiskBytes === false ? 0 : (bytesOf(given?.maxDiskBytes) ?? DEFAULT_MAX_BYTES)
  const maxDiskBytes = budget === 0 ? Number.POSITIVE_INFINITY : budget
  const highWater = bytesOf(given?.highWaterBytes) ?? 0
  return {
    enforced: given?.mode !== "warn",
    pruneAfterMs: durationOf(given?.pruneAfter) ?? 30 * DAY,
    maxEntries: given?.maxEntries ?? 5_000,
    preserveRecentMs: durationOf(given?.preserveRecent) ?? 0,
    maxDiskBytes,
    highWaterBytes: Math.min(highWater === 0 ? maxDiskBytes * HIGH_WATER : highWater, maxDiskBytes)
  }
}
