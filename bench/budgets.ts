/**
 * What we allow ourselves, said beside the figures and never enforced: a slow minute of the machine is no failure.
 */
import type { Problem, Summary } from "./report.ts"

export const OURS = "openclaw on Effect"
export const BARE = "node -e 0"

export const measures = {
  fresh: "spawn to hello-ok, fresh state",
  warm: "spawn to hello-ok, warm",
  large: "spawn to hello-ok, large state",
  worked: "spawn to hello-ok, with what this run left behind",
  idleSoon: "RSS of the process tree, idle 5 s",
  idle: "RSS of the process tree, idle 25 s",
  busy: "RSS of the process tree, highest under load",
  rested: "RSS of the process tree, two minutes after the load",
  loop: "event loop's delay, p99 of each window of load",
  command: (words: string) => `openclaw ${words}`
} as const

/** `times`: as many as bare Node takes within the same measure. `more than`: than our own figure of another measure. */
interface Budget {
  readonly measure: string
  readonly figure: "p50" | "p99"
  readonly limit: number
  readonly kind: "at most" | "times" | "more than"
  readonly than?: string
}

const times = (measure: string, limit: number): Budget => ({ measure, figure: "p50", kind: "times", limit })

const budgets: ReadonlyArray<Budget> = [
  ...[measures.fresh, measures.warm, measures.large, measures.worked].map((measure) => times(measure, 8)),
  times(measures.command("--version"), 1.3),
  times(measures.command("health"), 3.5),
  { measure: measures.idleSoon, figure: "p50", kind: "at most", limit: 100 },
  { measure: measures.idle, figure: "p50", kind: "at most", limit: 100 },
  { measure: measures.busy, figure: "p50", kind: "at most", limit: 200 },
  { measure: measures.rested, figure: "p50", kind: "more than", limit: 30, than: measures.idle },
  { measure: measures.loop, figure: "p99", kind: "at most", limit: 20 }
]

/** Shown without a limit, because a ratio to bare Node says more than milliseconds of this machine. */
const isCommand = (measure: string) => measure.startsWith(measures.command(""))

const noteOf = (summary: Summary, all: ReadonlyArray<Summary>): string | undefined => {
  const find = (wanted: string | undefined, who: string) =>
    all.find(({ measure, subject }) => measure === wanted && subject === who)
  const { measure, subject } = summary
  const given = budgets.find((budget) => budget.measure === measure)
  const budget = given ?? (isCommand(measure) ? times(measure, Number.POSITIVE_INFINITY) : undefined)
  if (budget === undefined || subject === BARE) return undefined
  const value = summary[budget.figure]
  const verdict = (measured: number, limit: string): string =>
    `${measured <= budget.limit ? "within" : "over"} ${limit}`
  if (budget.kind === "times") {
    const base = find(measure, BARE)
    if (base === undefined) return undefined
    const ratio = value / base.p50
    const shown = `${ratio.toFixed(ratio < 10 ? 2 : 0)}x ${BARE}`
    return subject === OURS && budget.limit < Number.POSITIVE_INFINITY
      ? `${shown}, ${verdict(ratio, `${budget.limit}x`)}`
      : shown
  }
  if (subject !== OURS) return undefined
  if (budget.kind === "at most") return verdict(value, String(budget.limit))
  const base = find(budget.than, OURS)
  if (base === undefined) return undefined
  const more = value - base.p50
  return `${more < 0 ? "" : "+"}${more.toFixed(0)}, ${verdict(more, `+${budget.limit}`)}`
}

/** The same summaries, each with how it stands to its budget and with what went wrong in between. */
export const judge = (summaries: ReadonlyArray<Summary>, problems: ReadonlyArray<Problem>): ReadonlyArray<Summary> =>
  summaries.map((summary) => {
    const isBroken = problems.some(({ measure, subject }) => measure === summary.measure && subject === summary.subject)
    const note = [noteOf(summary, summaries), isBroken ? "incomplete, see below" : undefined]
      .filter((part) => part !== undefined)
      .join("; ")
    return note === "" ? summary : { ...summary, note }
  })
