/**
 * Numbers drawn from a seed: the same seed, the same draws, on every machine.
 */
import { createHash } from "node:crypto"

export interface Dice {
  /** Evenly from 0 to 1, exclusive. */
  readonly next: () => number
  /** A whole number from `from` to `to`, both included. */
  readonly whole: (from: number, to: number) => number
  readonly pick: <A>(from: ReadonlyArray<A>) => A
  readonly weighted: <A>(from: ReadonlyArray<readonly [A, number]>) => A
  readonly shuffled: <A>(of: ReadonlyArray<A>) => ReadonlyArray<A>
}

/** Mulberry32 on the seed's digest. */
export const dice = (seed: string): Dice => {
  let state = createHash("sha256").update(seed).digest().readUInt32LE()
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const whole = (from: number, to: number) => from + Math.floor(next() * (to - from + 1))
  return {
    next,
    whole,
    pick: (from) => from[whole(0, from.length - 1)]!,
    weighted: (from) => {
      let left = next() * from.reduce((sum, [, weight]) => sum + weight, 0)
      return (from.find(([, weight]) => (left -= weight) < 0) ?? from.at(-1)!)[0]
    },
    shuffled: (of) =>
      of
        .map((each) => [next(), each] as const)
        .sort(([a], [b]) => a - b)
        .map(([, each]) => each)
  }
}
