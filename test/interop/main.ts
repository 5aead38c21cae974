/**
 * `npm run test:interop`: OpenClaw's own programs against our Gateway, and ours against theirs.
 *
 *   --package <dir>   a folder whose `node_modules` has the version of OpenClaw that is asked for; else it is installed
 *   --only <text>     only steps whose `<client>: <name>` contains it
 *   --part <name>     only this part (may be given more than once): cli, node, terminal, page, record,
 *                     reverse, tls
 *   --baseline        node, terminal and page with their own Gateway too, to judge the steps themselves
 *   --chromium <file> a Chromium; else the one that is on the PATH
 *   --record <dir>    keeps in this folder what both Gateways said to the same scripted client
 *   --keep            keeps the folder of the run: logs of all processes, output of all commands
 *   --json            the results as JSON
 *
 * Prints a line for each step and a table at the end. Ends with 1 when something differs that `known.ts` does not explain.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Cli from "./cli.ts"
import * as NodeHost from "./nodeHost.ts"
import * as Page from "./page.ts"
import { prepare } from "./ground.ts"
import * as Record from "./record.ts"
import * as Results from "./Results.ts"
import * as Reverse from "./reverse.ts"
import { start } from "./Side.ts"
import * as Terminal from "./terminal.ts"
import * as Tls from "./tls.ts"

const { values: flags } = parseArgs({
  options: {
    package: { type: "string" },
    only: { type: "string" },
    part: { type: "string", multiple: true },
    baseline: { type: "boolean", default: false },
    chromium: { type: "string" },
    record: { type: "string" },
    keep: { type: "boolean", default: false },
    json: { type: "boolean", default: false }
  }
})

const wants = (part: string): boolean => flags.part === undefined || flags.part.includes(part)

const interop = Effect.gen(function* () {
  const dir = Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-interop-"))
  const results = Results.make(flags.only)
  yield* Effect.scoped(
    Effect.gen(function* () {
      const ground = yield* prepare(dir, flags.package)
      if (wants("tls")) yield* Tls.run(ground, results)
      const [ours, theirs] = yield* Effect.all([start(ground, ground.ours), start(ground, ground.theirs)], {
        concurrency: 2
      })
      const sides = flags.baseline ? [ours, theirs] : [ours]
      if (wants("cli")) yield* Cli.run(ground, results, ours, theirs)
      if (wants("node")) {
        yield* NodeHost.run(ground, results, ground.theirs, ours)
        if (flags.baseline) yield* NodeHost.run(ground, results, ground.theirs, theirs)
      }
      if (wants("terminal")) yield* Effect.forEach(sides, (side) => Terminal.run(ground, results, side))
      if (wants("page")) yield* Effect.forEach(sides, (side) => Page.run(ground, results, side, flags.chromium))
      // Before our programs leave anything at their Gateway: both have been asked the same so far.
      const recordings = flags.record ?? Path.join(ground.dir, "recordings")
      if (wants("record")) yield* Record.run(ground, results, [ours, theirs], recordings)
      if (wants("reverse")) {
        yield* NodeHost.run(ground, results, ground.ours, theirs)
        yield* Reverse.run(ground, results, theirs)
      }
    })
  )
  yield* flags.json
    ? Console.log(JSON.stringify(results.all, undefined, 2))
    : Console.log(`\n${Results.table(results.all)}`)
  const clean = results.all.every(({ outcome }) => outcome !== "differs")
  if (!clean || flags.keep) yield* Console.error(`\nlogs and outputs are in ${dir}`)
  yield* Effect.sync(() => {
    if (clean && !flags.keep) Fs.rmSync(dir, { recursive: true, force: true })
    process.exitCode = clean ? 0 : 1
  })
})

NodeRuntime.runMain(interop)
