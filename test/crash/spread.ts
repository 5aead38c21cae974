/**
 * Many numbers as three.
 */

/** Milliseconds. */
export interface Spread {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** `undefined` without samples. */
export const spreadOf = (samples: ReadonlyArray<number>): Spread | undefined => {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
  return sorted.length === 0 ? undefined : { p50: at(0.5), p99: at(0.99), max: sorted.at(-1)! }
}
