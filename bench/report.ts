/**
 * What was measured, as rows of a table.
 */

export type Unit = "ms" | "MB" | "1/s" | "%" | "times"

/** One thing that was measured of one subject, within one run. */
export interface Row {
  readonly measure: string
  /** Who was measured: a Gateway, or the baseline beside it. */
  readonly subject: string
  readonly unit: Unit
  readonly samples: ReadonlyArray<number>
  /** Milliseconds of processor time that the subject took for each operation, all its processes together. */
  readonly cpuMs?: number | undefined
  /** Milliseconds: the worst 99th percentile of its event loop's delay, as the subject tells of each window. */
  readonly loopMs?: number | undefined
}

export interface Summary extends Omit<Row, "samples"> {
  /** Samples of a run. */
  readonly n: number
  readonly best: number
  readonly p50: number
  readonly p99: number
  readonly note?: string
}

/** Something that could not be measured, and why. */
export interface Problem {
  readonly measure: string
  readonly subject: string
  readonly message: string
}

/** The smallest sample that at least `share` of all samples do not exceed. */
export const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN

export const summarize = ({ samples, ...row }: Row): Summary => {
  const sorted = samples.toSorted((a, b) => a - b)
  // Of a rate, more is better: its p99 is what 99 of 100 samples reach.
  const isRate = row.unit === "1/s"
  return {
    ...row,
    n: sorted.length,
    best: (isRate ? sorted.at(-1) : sorted[0]) ?? Number.NaN,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, isRate ? 0.01 : 0.99)
  }
}

/** The middle one; of an even number the mean of the two in the middle. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const medianOf = (values: ReadonlyArray<number | undefined>): number | undefined => {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : median(known)
}

/** One row for what several runs say of the same measure and subject: the median over the runs of each figure. */
export const combine = (runs: ReadonlyArray<ReadonlyArray<Summary>>): ReadonlyArray<Summary> => {
  const groups = new Map<string, Array<Summary>>()
  for (const summary of runs.flat()) {
    const key = JSON.stringify([summary.measure, summary.subject])
    groups.set(key, [...(groups.get(key) ?? []), summary])
  }
  return Array.from(groups.values(), (all) => ({
    ...all[0]!,
    n: median(all.map(({ n }) => n)),
    best: median(all.map(({ best }) => best)),
    p50: median(all.map(({ p50 }) => p50)),
    p99: median(all.map(({ p99 }) => p99)),
    cpuMs: medianOf(all.map(({ cpuMs }) => cpuMs)),
    loopMs: medianOf(all.map(({ loopMs }) => loopMs))
  }))
}

const number = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)
const optional = (value: number | undefined): string => (value === undefined ? "" : number(value))

interface Column {
  readonly title: string
  readonly numeric?: true
  readonly cell: (summary: Summary) => string
}

const columns: ReadonlyArray<Column> = [
  { title: "who", cell: ({ subject }) => subject },
  { title: "best", numeric: true, cell: ({ best }) => number(best) },
  { title: "p50", numeric: true, cell: ({ p50 }) => number(p50) },
  { title: "p99", numeric: true, cell: ({ p99 }) => number(p99) },
  { title: "unit", cell: ({ unit }) => unit },
  { title: "n", numeric: true, cell: ({ n }) => String(Math.round(n)) },
  { title: "CPU ms", numeric: true, cell: ({ cpuMs }) => optional(cpuMs) },
  { title: "loop ms", numeric: true, cell: ({ loopMs }) => optional(loopMs) },
  { title: "note", cell: ({ note }) => note ?? "" }
]

/** Always there: a table without them would say nothing. */
const ALWAYS = 6

/**
 * A Markdown table that also reads well on a terminal. One row each, in the order of first appearance of its measure; columns
 * that nobody has anything to say in are left out.
 */
export const table = (summaries: ReadonlyArray<Summary>): string => {
  const shown = columns.filter(({ cell }, index) => index < ALWAYS || summaries.some((summary) => cell(summary) !== ""))
  const header = ["measure", ...shown.map(({ title }) => title)]
  const isNumeric = (index: number) => shown[index - 1]?.numeric === true
  const body = [...new Set(summaries.map(({ measure }) => measure))].flatMap((measure) =>
    summaries
      .filter((summary) => summary.measure === measure)
      .map((summary, index) => [index === 0 ? measure : "", ...shown.map(({ cell }) => cell(summary))])
  )
  // The rule of a column has at least a dash and a colon.
  const widths = header.map((title, index) => Math.max(2, title.length, ...body.map((cells) => cells[index]!.length)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, index) => (isNumeric(index) ? cell.padStart(widths[index]!) : cell.padEnd(widths[index]!))).join(" | ")} |`
  const rule = `| ${widths.map((width, index) => (isNumeric(index) ? `${"-".repeat(width - 1)}:` : "-".repeat(width))).join(" | ")} |`
  return [line(header), rule, ...body.map(line)].join("\n")
}
