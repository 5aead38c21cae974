/**
 * What the steps of a run came to: one line for each while it runs, a table at the end.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Known, reasonOf } from "./known.ts"

/** The other side did something else than was expected, each difference a line of its own. */
export class Differs extends Schema.TaggedError<Differs>()("Differs", { lines: Schema.Array(Schema.String) }) {
  override get message() {
    return this.lines.join("\n")
  }
}
export const differs = (...lines: ReadonlyArray<string>) => new Differs({ lines })

/** A step that this machine cannot carry out. */
export class Skipped extends Schema.TaggedError<Skipped>()("Skipped", { message: Schema.String }) {}

export interface Result {
  readonly client: string
  readonly step: string
  /** `known`: passed, with differences that are explained. */
  readonly outcome: "passed" | "known" | "differs" | "skipped"
  /** Differences that nobody explained. */
  readonly lines: ReadonlyArray<string>
  /** Explained ones, with their reasons. */
  readonly known: ReadonlyArray<Known>
  readonly ms: number
}

/** A step has two minutes; what hangs longer differs. */
const LIMIT = Duration.seconds(120)

export interface Results {
  /** Carries out a step; its failure is its result and stops nothing else. Gives whether it passed. */
  readonly step: <E, R>(
    client: string,
    step: string,
    effect: Effect.Effect<unknown, E, R>
  ) => Effect.Effect<boolean, never, R>
  readonly all: ReadonlyArray<Result>
}

const linesOf = (cause: Cause.Cause<unknown>): ReadonlyArray<string> => {
  const error = Cause.squash(cause)
  if (error instanceof Differs) return error.lines
  return [error instanceof Error ? `${error.name}: ${error.message}` : String(error)]
}

/** `only`: steps whose client or name does not contain it are left out. */
export const make = (only: string | undefined, told: (result: Result) => Effect.Effect<void> = tell): Results => {
  const all: Array<Result> = []
  return {
    all,
    step: Effect.fnUntraced(function* (client, step, effect) {
      if (only !== undefined && !`${client}: ${step}`.includes(only)) return true
      const started = yield* Clock.currentTimeMillis
      const exit = yield* effect.pipe(
        Effect.timeoutOrElse({ duration: LIMIT, orElse: () => Effect.fail(differs("did not end within two minutes")) }),
        Effect.exit
      )
      const ms = (yield* Clock.currentTimeMillis) - started
      const result: Result =
        exit._tag === "Success"
          ? { client, step, outcome: "passed", lines: [], known: [], ms }
          : judged(client, step, exit.cause, ms)
      all.push(result)
      yield* told(result)
      return result.outcome === "passed" || result.outcome === "known"
    })
  }
}

const judged = (client: string, step: string, cause: Cause.Cause<unknown>, ms: number): Result => {
  const error = Cause.squash(cause)
  if (error instanceof Skipped) return { client, step, outcome: "skipped", lines: [error.message], known: [], ms }
  const lines: Array<string> = []
  const known: Array<Known> = []
  for (const line of linesOf(cause)) {
    const reason = reasonOf(client, step, line)
    if (reason === undefined) lines.push(line)
    else known.push({ line, reason })
  }
  return { client, step, outcome: lines.length === 0 ? "known" : "differs", lines, known, ms }
}

const brief = ({ known, lines, outcome }: Result): string =>
  outcome === "passed"
    ? "passed"
    : outcome === "known"
      ? `passed, with known differences (${known.length})`
      : `${outcome}: ${lines.join("; ")}`

const tell = (result: Result): Effect.Effect<void> =>
  Console.log(
    `${(result.ms / 1000).toFixed(1).padStart(6)} s  ${result.client}: ${result.step}: ${brief(result).slice(0, 2000)}`
  )

/** Which differences a reason explains, step by step. */
const explained = (results: ReadonlyArray<Result>): ReadonlyArray<string> => {
  const all = results.flatMap(({ client, known, step }) => known.map((one) => ({ ...one, at: `${client}: ${step}` })))
  return [...Map.groupBy(all, ({ reason }) => reason)].flatMap(([reason, found]) => [
    `- ${reason}.`,
    ...[...Map.groupBy(found, ({ at }) => at)].map(
      ([at, lines]) => `    ${at}: ${lines.map(({ line }) => line).join("; ")}`
    )
  ])
}

/** The table of the run, how many steps came to what, and below each known difference by its reason. */
export const table = (results: ReadonlyArray<Result>): string => {
  const cells = results.map((result) => ({
    client: result.client,
    step: result.step,
    outcome:
      result.outcome === "differs"
        ? `DIFFERS: ${result.lines.length} ×, first: ${result.lines[0]?.split("\n")[0]}`
        : brief(result)
  }))
  const width = (key: "client" | "step") => Math.max(...cells.map((cell) => cell[key].length), key.length)
  const [client, step] = [width("client"), width("step")]
  const row = (cell: (typeof cells)[number]) =>
    `| ${cell.client.padEnd(client)} | ${cell.step.padEnd(step)} | ${cell.outcome} |`
  const count = (outcome: Result["outcome"]) => results.filter((result) => result.outcome === outcome).length
  const reasons = explained(results)
  return [
    row({ client: "client", step: "step", outcome: "passed or what differs" }),
    `| ${"-".repeat(client)} | ${"-".repeat(step)} | --- |`,
    ...cells.map(row),
    "",
    `${results.length} steps: ${count("passed")} passed, ${count("known")} passed with known differences, ${count("differs")} differ, ${count("skipped")} skipped`,
    ...(reasons.length === 0 ? [] : ["", "Known differences:", ...reasons])
  ].join("\n")
}
