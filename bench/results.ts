/**
 * The section of `RESULTS.md` that a run writes.
 */
import { execFileSync } from "node:child_process"
import { judge, measures } from "./budgets.ts"
import { machineLine } from "./build.ts"
import { type Problem, type Summary, table } from "./report.ts"

export interface Outcome {
  /** What was typed, without the program that ran it. */
  readonly command: string
  /** Runs whose medians these are. */
  readonly runs: number
  readonly summaries: ReadonlyArray<Summary>
  readonly problems: ReadonlyArray<Problem>
  /** Shares of one: how busy this process' own thread was, at its worst, and in what. */
  readonly busiest: { readonly share: number; readonly measure: string } | undefined
}

export const BEGIN = "<!-- npm run bench: begin -->"
export const END = "<!-- npm run bench: end -->"

/** Problems of the same kind are told once, with how often they came. */
const problemLines = (problems: ReadonlyArray<Problem>): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const { measure, message, subject } of problems) {
    const text = `${subject}, ${measure}: ${message}`
    counts.set(text, (counts.get(text) ?? 0) + 1)
  }
  return Array.from(counts, ([text, count]) => `- ${text}${count === 1 ? "" : ` (${count} times)`}`)
}

/** What sums up the others comes last. */
const inOrder = (summaries: ReadonlyArray<Summary>) => [
  ...summaries.filter(({ measure }) => measure !== measures.loop),
  ...summaries.filter(({ measure }) => measure === measures.loop)
]

/** The table and what has to be said beside it. */
export const text = ({ busiest, problems, runs, summaries }: Outcome): string =>
  [
    `${machineLine}; ${runs === 1 ? "one run" : `medians of ${runs} runs`}`,
    table(judge(inOrder(summaries), problems)),
    ...(problems.length === 0 ? [] : ["Not measured, or not in full:", problemLines(problems).join("\n")]),
    ...(busiest === undefined
      ? []
      : [
          `The process that measures was busiest in "${busiest.measure}": ${(busiest.share * 100).toFixed(0)} % of its thread.`
        ])
  ].join("\n\n")

const revision = (): string => {
  try {
    return ` of ${execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8", stdio: "pipe" }).trim()}`
  } catch {
    // Not a checkout.
    return ""
  }
}

/** Paths of the machine are nobody's business: programs are named by their last part. */
const withoutPaths = (command: string): string =>
  command.replaceAll(/(?<=^|[\s"'=])(?:\/[^\s"'/]+)*\/([^\s"'/]+)/g, "$1")

/** As it stands in `RESULTS.md`. `date` is the day of the run, `load` the machine's load average when it began. */
export const markdown = (outcome: Outcome, date: string, load: number): string =>
  [
    `The output of \`npm run bench\`${revision()} on ${date}; the load average was ${load.toFixed(1)} when it began:`,
    `\`\`\`\nnpm run bench -- ${withoutPaths(outcome.command)}\n\`\`\``,
    text(outcome)
  ].join("\n\n")

/** A file's text with the section in its place; the section alone when the file has no place for it. */
export const splice = (file: string, section: string): string => {
  const [begin, end] = [file.indexOf(BEGIN), file.indexOf(END)]
  return begin < 0 || end < begin
    ? `${section}\n`
    : `${file.slice(0, begin + BEGIN.length)}\n\n${section}\n\n${file.slice(end)}`
}
