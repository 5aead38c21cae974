/**
 * The figures of a run.
 */
import { classOf } from "./faults.ts"
import type { ProblemKind, RemarkKind } from "./judge.ts"
import type { WorldResult } from "./runWorld.ts"
import { type Spread, spreadOf } from "./spread.ts"

export interface Row {
  readonly class: string
  readonly points: number
  /** Named points that did not come by in time; the process was killed where it stood. */
  readonly missed: number
  readonly problems: Readonly<Partial<Record<ProblemKind, number>>>
  readonly remarks: Readonly<Partial<Record<RemarkKind, number>>>
  readonly back: Spread | undefined
  readonly resumed: Spread | undefined
}

export interface Report {
  readonly seed: string
  readonly worlds: number
  readonly messages: number
  readonly rows: ReadonlyArray<Row>
  readonly total: Row
  /** Named points that were armed and never met. */
  readonly unmet: ReadonlyArray<string>
  readonly seconds: number
}

const count = <K extends string>(kinds: ReadonlyArray<K>): Partial<Record<K, number>> => {
  const counts: Partial<Record<K, number>> = {}
  for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

const rowOf = (name: string, results: ReadonlyArray<WorldResult>, isOf: (of: string) => boolean): Row => {
  const happened = results.flatMap((result) => result.happened).filter(({ fault }) => isOf(classOf(fault)))
  const recoveries = results.flatMap((result) => result.recoveries).filter((each) => isOf(each.class))
  const problems = results.flatMap(({ verdict }) => verdict.problems).filter(({ blamed }) => isOf(blamed))
  const remarks = results.flatMap(({ verdict }) => verdict.remarks).filter(({ blamed }) => isOf(blamed))
  return {
    class: name,
    points: happened.length,
    missed: happened.filter(({ missed }) => missed).length,
    problems: count(problems.map(({ kind }) => kind)),
    remarks: count(remarks.map(({ kind }) => kind)),
    back: spreadOf(recoveries.flatMap(({ backMs }) => backMs ?? [])),
    resumed: spreadOf(recoveries.flatMap(({ resumedMs }) => resumedMs ?? []))
  }
}

const unmetIn = (results: ReadonlyArray<WorldResult>): ReadonlyArray<string> => {
  const armed = results.flatMap(({ happened }) =>
    happened.flatMap(({ fault, missed }) =>
      fault.kind === "point" ? [{ name: `${fault.victim} ${fault.name}`, missed }] : []
    )
  )
  const met = new Set(armed.filter(({ missed }) => !missed).map(({ name }) => name))
  return [...new Set(armed.map(({ name }) => name))].filter((name) => !met.has(name)).sort()
}

export const reportOf = (seed: string, results: ReadonlyArray<WorldResult>, seconds: number): Report => {
  const classes = new Set(
    results.flatMap(({ happened, verdict }) => [
      ...happened.map(({ fault }) => classOf(fault)),
      ...verdict.problems.map(({ blamed }) => blamed),
      ...verdict.remarks.map(({ blamed }) => blamed)
    ])
  )
  return {
    seed,
    worlds: results.length,
    messages: results.reduce((sum, { verdict }) => sum + verdict.messages, 0),
    rows: [...classes].sort().map((name) => rowOf(name, results, (of) => of === name)),
    total: rowOf("all", results, () => true),
    unmet: unmetIn(results),
    seconds
  }
}

/** Nothing lost, doubled, repeated or left open. */
export const isClean = ({ total }: Report): boolean => Object.keys(total.problems).length === 0

const inMs = (spread: Spread | undefined): string =>
  spread === undefined ? "" : `${Math.round(spread.p50)} / ${Math.round(spread.p99)} / ${Math.round(spread.max)}`

const columns: ReadonlyArray<readonly [string, (row: Row) => string | number]> = [
  ["kill point", (row) => row.class],
  ["points", (row) => row.points],
  ["lost", ({ problems }) => problems.lost ?? 0],
  ["doubled", ({ problems }) => (problems.doubled ?? 0) + (problems.repeated ?? 0)],
  ["out of order", ({ problems }) => problems["out of order"] ?? 0],
  ["untold", ({ problems }) => (problems.inside ?? 0) + (problems.dishonest ?? 0)],
  ["orphan previews", ({ remarks }) => remarks["orphan preview"] ?? 0],
  ["unknown effects", ({ remarks }) => remarks["unknown effect"] ?? 0],
  ["unknown deliveries", ({ remarks }) => remarks["unknown delivery"] ?? 0],
  ["notices", ({ remarks }) => remarks.notice ?? 0],
  ["back, ms (p50 / p99 / max)", ({ back }) => inMs(back)],
  ["resumed, ms", ({ resumed }) => inMs(resumed)]
]

/** As Markdown. */
export const table = ({ rows, total }: Report): string => {
  const line = (cells: ReadonlyArray<string | number>) => `| ${cells.join(" | ")} |`
  return [
    line(columns.map(([name]) => name)),
    line(columns.map((_, index) => (index === 0 ? "---" : "--:"))),
    ...[...rows, total].map((row) => line(columns.map(([, cell]) => cell(row))))
  ].join("\n")
}
