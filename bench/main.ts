/**
 * `npm run bench`: what the built program costs, beside the least code that does something comparable and, when asked, beside
 * another Gateway, all of them by turns. Prints a table; progress and what went wrong go to stderr.
 */
import * as Os from "node:os"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { OURS } from "./budgets.ts"
import { build, machine } from "./build.ts"
import { BESIDE, PARTS, QUICK, run, WHOLE } from "./plan.ts"
import * as Record from "./record.ts"
import { combine, type Problem, summarize, type Summary } from "./report.ts"
import { markdown, splice, text } from "./results.ts"
import { ours, peer, type Subject } from "./subject.ts"
import { VERSION } from "../src/domain/Version.ts"

const given = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

const flags = {
  runs: Flag.Int("runs").pipe(
    Flag.withDescription("Runs of everything; the table then has the medians over the runs (default 1)"),
    Flag.filter(
      (runs) => runs > 0,
      () => "at least one"
    ),
    Flag.withDefault(1)
  ),
  only: Flag.Literals("only", PARTS).pipe(Flag.withDescription("Measure only this; may be repeated"), Flag.atLeast(0)),
  quick: given("quick", "About a minute: smaller samples, no large state, no memory long after the load"),
  peer: Flag.String("peer").pipe(
    Flag.withDescription("The start command of another Gateway, measured by turns with ours"),
    Flag.optional
  ),
  peerName: Flag.String("peer-name").pipe(
    Flag.withDescription("What the table calls it (default peer)"),
    Flag.withDefault("peer")
  ),
  peerCli: Flag.String("peer-cli").pipe(
    Flag.withDescription("Its command line (default: the start command without `gateway …`)"),
    Flag.optional
  ),
  json: given("json", "The figures of each run as JSON"),
  markdown: given("markdown", "The section as it stands in bench/RESULTS.md"),
  out: Flag.File("out").pipe(
    Flag.withDescription(
      "Write there what would be printed, after each run; in RESULTS.md it takes its section's place"
    ),
    Flag.optional
  ),
  cpuProf: Flag.Directory("cpu-prof").pipe(
    Flag.withDescription("A folder for a CPU profile of each of our processes; the figures then count for nothing"),
    Flag.optional
  )
}

/** What was typed, for whoever wants to do the same. */
const typed = process.argv
  .slice(2)
  .map((word) => (/\s/.test(word) ? `"${word}"` : word))
  .join(" ")

const bench = Command.make(
  "bench",
  flags,
  Effect.fnUntraced(function* (wanted) {
    const fs = yield* FileSystem.FileSystem
    const now = yield* DateTime.now
    const loadAverage = Os.loadavg()[0] ?? 0
    yield* build
    const mine: Subject = Option.match(wanted.cpuProf, {
      onNone: () => ours,
      onSome: (folder) => ({ ...ours, env: { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` } })
    })
    const other = Option.flatMap(wanted.peer, (start) =>
      Option.fromNullishOr(peer(wanted.peerName, start, Option.getOrUndefined(wanted.peerCli)))
    )
    const subjects = [mine, ...Option.toArray(other)]
    const parts = new Set(wanted.only.length === 0 ? PARTS : wanted.only)
    const runs: Array<ReadonlyArray<Summary>> = []
    const problems: Array<Problem> = []
    let busiest: { readonly share: number; readonly measure: string } | undefined

    const shown = () => {
      const outcome = {
        command: typed,
        runs: runs.length,
        summaries: combine(runs),
        problems,
        busiest
      }
      return wanted.json
        ? JSON.stringify({ machine, runs, problems, busiest }, undefined, 2)
        : wanted.markdown
          ? markdown(outcome, DateTime.formatIsoDate(now), loadAverage)
          : text(outcome)
    }
    for (let index = 0; index < wanted.runs; index++) {
      yield* Console.error(`run ${index + 1} of ${wanted.runs}: ${subjects.map(({ name }) => name).join(", ")}`)
      const recorder = Record.make()
      yield* run(
        {
          recorder,
          busy: (measure, share) => {
            if (share > (busiest?.share ?? 0)) busiest = { share, measure }
          }
        },
        subjects,
        parts,
        wanted.quick ? QUICK : Option.isSome(other) ? BESIDE : WHOLE
      )
      runs.push(recorder.rows().map(summarize))
      problems.push(...recorder.problems())
      if (Option.isSome(wanted.out)) {
        const before = yield* Effect.orElseSucceed(fs.readFileString(wanted.out.value), () => "")
        yield* fs.writeFileString(wanted.out.value, splice(before, shown()))
      }
    }
    if (Option.isNone(wanted.out)) yield* Console.log(shown())
    else yield* Console.error(`written to ${wanted.out.value}`)
  })
).pipe(Command.withDescription(`What ${OURS} costs, as a table`))

NodeRuntime.runMain(Effect.provide(Command.run(bench, { version: VERSION }), NodeServices.layer))
