/**
 * A run of the nemesis: builds, prepares, looks for named points, plays the worlds.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Catalog from "./catalog.ts"
import { draw, type WorldPlan } from "./plan.ts"
import { reportOf } from "./report.ts"
import { runWorld, type WorldResult } from "./runWorld.ts"
import { type Api, build, prepare } from "./setting.ts"

export interface RunOptions {
  readonly points: number
  readonly seed: string
  readonly workers: number
  /** The plan of one world, as it was written down, instead of worlds that are drawn. */
  readonly replay?: WorldPlan
  /** Only the world with this number. */
  readonly world?: number
  /** Only named points whose name contains this. */
  readonly only?: string
  /** Whose Bot API; the test kit's when left out. */
  readonly api?: Api
  /** A built package; made from the sources when left out. */
  readonly pkg?: string
  /** Folders of worlds without a problem stay, too. */
  readonly keep: boolean
}

const progress = (text: string) => Console.error(`… ${text}`)

/** What the command line says again for one world. */
const repeatCommand = ({ api, only, pkg, points, seed }: RunOptions, { index }: WorldPlan): string =>
  [
    `npm run test:crash -- --points ${points} --seed ${seed} --world ${index}`,
    ...(only === undefined ? [] : [`--only ${only}`]),
    ...(api === "other" ? ["--telegram-test-api"] : []),
    ...(pkg === undefined ? [] : [`--package ${pkg}`])
  ].join(" ")

const inWords = ({ dir, verdict }: WorldResult, command: string): string =>
  [
    ...verdict.problems.slice(0, 5).map(({ blamed, detail, kind }) => `  ${kind}: ${detail} [${blamed}]`),
    ...(verdict.problems.length > 5 ? [`  and ${verdict.problems.length - 5} more`] : []),
    `  its folder: ${dir} (story.txt tells all)`,
    `  the same drawn again: ${command}`,
    `  exactly this one: npm run test:crash -- --replay ${dir}/plan.json`
  ].join("\n")

/** Builds, prepares, and gives what every world needs. */
export const set = Effect.fnUntraced(function* (options: Pick<RunOptions, "pkg">) {
  const dir = Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-crash-"))
  const pkg = options.pkg ?? Path.join(dir, "package")
  if (options.pkg === undefined) {
    yield* progress("building the program")
    yield* build(pkg)
  }
  const prepared = Path.join(dir, "prepared")
  yield* progress("letting a Gateway and two nodes get to know each other")
  yield* prepare(pkg, prepared)
  return { dir, pkg, prepared }
})

export type Ground = Effect.Success<ReturnType<typeof set>>

export const findPoints = Effect.fnUntraced(function* (ground: Ground) {
  yield* progress("looking for the named points")
  return yield* Catalog.find({ ...ground, dir: Path.join(ground.dir, "catalog") })
})

const drawn = Effect.fnUntraced(function* (options: RunOptions, ground: Ground) {
  const found = yield* findPoints(ground)
  const catalog = found.filter(({ name }) => options.only === undefined || name.includes(options.only))
  const plans = draw(options.seed, options.points, catalog, options.only !== undefined, options.api).filter(
    ({ index }) => options.world === undefined || options.world === index
  )
  yield* progress(`${found.length} named points; ${plans.length} worlds`)
  return plans
})

/** Plays all worlds of a seed. */
export const run = Effect.fnUntraced(function* (options: RunOptions) {
  const ground = yield* set(options)
  const plans = options.replay === undefined ? yield* drawn(options, ground) : [options.replay]
  const started = yield* Clock.currentTimeMillis
  let played = 0
  const results = yield* Effect.forEach(
    plans,
    Effect.fnUntraced(function* (plan) {
      const begun = yield* Clock.currentTimeMillis
      const result = yield* runWorld(
        { ...ground, ...(options.api === undefined ? undefined : { api: options.api }), keep: options.keep },
        plan
      ).pipe(
        Effect.catchCause((cause) =>
          Effect.as(Console.error(`world ${plan.index} broke: ${Cause.pretty(cause)}`), undefined)
        )
      )
      played += plan.faults.length
      const seconds = ((yield* Clock.currentTimeMillis) - begun) / 1000
      const wrong = result?.verdict.problems.length ?? 1
      yield* progress(
        `${played}/${options.points} points; world ${plan.index}: ${result?.verdict.messages ?? 0} messages in ${seconds.toFixed(0)} s, ${wrong === 0 ? "nothing wrong" : `${wrong} PROBLEMS`}`
      )
      if (result !== undefined && wrong > 0) yield* Console.error(inWords(result, repeatCommand(options, plan)))
      return result
    }),
    { concurrency: options.workers }
  )
  const whole = results.filter((result) => result !== undefined)
  const seconds = ((yield* Clock.currentTimeMillis) - started) / 1000
  const report = reportOf(options.seed, whole, seconds)
  return { report, broken: results.length - whole.length, dir: ground.dir }
})
