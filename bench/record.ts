/**
 * What one run has measured so far.
 */
import type { Problem, Row, Unit } from "./report.ts"

export interface Reading {
  readonly measure: string
  readonly subject: string
  readonly unit: Unit
  readonly samples: ReadonlyArray<number | undefined>
  /** Processor time of the subject and what it did in it. */
  readonly cpu?: { readonly ms: number; readonly operations: number } | undefined
  readonly loopMs?: number | undefined
}

export interface Recorder {
  /** Readings of one measure and subject become one row. What the system does not tell, an `undefined` sample, is left out. */
  readonly add: (reading: Reading) => void
  readonly problem: (problem: Problem) => void
  readonly rows: () => ReadonlyArray<Row>
  readonly problems: () => ReadonlyArray<Problem>
}

export const make = (): Recorder => {
  interface Kept {
    readonly row: Omit<Row, "samples">
    readonly samples: Array<number>
    cpuMs: number
    operations: number
    loopMs: number | undefined
  }
  const kept = new Map<string, Kept>()
  const problems: Array<Problem> = []
  return {
    add: ({ cpu, loopMs, measure, samples, subject, unit }) => {
      const key = JSON.stringify([measure, subject])
      const entry = kept.get(key) ?? {
        row: { measure, subject, unit },
        samples: [],
        cpuMs: 0,
        operations: 0,
        loopMs: undefined
      }
      kept.set(key, entry)
      for (const sample of samples) if (sample !== undefined) entry.samples.push(sample)
      entry.cpuMs += cpu?.ms ?? 0
      entry.operations += cpu?.operations ?? 0
      if (loopMs !== undefined) entry.loopMs = Math.max(entry.loopMs ?? 0, loopMs)
    },
    problem: (problem) => void problems.push(problem),
    rows: () =>
      Array.from(kept.values())
        .filter(({ samples }) => samples.length > 0)
        .map(({ cpuMs, loopMs, operations, row, samples }) => ({
          ...row,
          samples,
          cpuMs: operations === 0 ? undefined : cpuMs / operations,
          loopMs
        })),
    problems: () => problems
  }
}
