/**
 * What was measured, as rows of a table.
 */
export interface Row {
  readonly measure: string
  /** Who was measured: a Gateway, or the baseline beside it. */
  readonly subject: string
  readonly unit: "ms" | "MiB" | "1/s" | "%" | "times"
  readonly samples: ReadonlyArray<number>
}

export interface Summary extends Omit<Row, "samples"> {
  readonly runs: number
  readonly best: number
  readonly p50: number
  readonly p99: number
}

/** The smallest sample that at least `share` of all samples do not exceed. */
const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN

export const summarize = ({ samples, ...row }: Row): Summary => {
  const sorted = samples.toSorted((a, b) => a - b)
  // Of a rate, more is better: its p99 is what 99 of 100 samples reach.
  const isRate = row.unit === "1/s"
  return {
    ...row,
    runs: sorted.length,
    best: (isRate ? sorted.at(-1) : sorted[0]) ?? Number.NaN,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, isRate ? 0.01 : 0.99)
  }
}

const number = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)

const header = ["measure", "who", "best", "p50", "p99", "unit", "runs"]
const NUMERIC = new Set(["best", "p50", "p99", "runs"])
const isNumeric = (column: number): boolean => NUMERIC.has(header[column]!)

/** A Markdown table that also reads well on a terminal. One row each, in the order of first appearance of its measure. */
export const table = (summaries: ReadonlyArray<Summary>): string => {
  const measures = [...new Set(summaries.map(({ measure }) => measure))]
  const body = measures.flatMap((measure) =>
    summaries
      .filter((summary) => summary.measure === measure)
      .map((summary, index) => [
        index === 0 ? measure : "",
        summary.subject,
        number(summary.best),
        number(summary.p50),
        number(summary.p99),
        summary.unit,
        String(summary.runs)
      ])
  )
  const widths = header.map((title, column) => Math.max(title.length, ...body.map((cells) => cells[column]!.length)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, column) => (isNumeric(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join(" | ")} |`
  const rule = `| ${widths.map((width, column) => (isNumeric(column) ? `${"-".repeat(width - 1)}:` : "-".repeat(width))).join(" | ")} |`
  return [line(header), rule, ...body.map(line)].join("\n")
}
