/**
 * `npm run test:crash`: kills the built program at every named point of its work and at random instants, and checks from the
 * outside that each message gets one complete reply and that no side effect happens twice.
 *
 *   --points <n>    kills and other faults in all, default 60
 *   --seed <text>   the same seed draws the same faults, default 1
 *   --workers <n>   worlds side by side, default 1
 *   --world <n>     only this world of the run
 *   --replay <file> the plan of one world, as the folder of one with a problem has it
 *   --only <text>   only named points whose name contains it
 *   --telegram-test-api
 *                   the npm package of that name instead of the test kit's Bot API, where it can stand in
 *   --list          prints the named points and ends
 *   --package <dir> a built package instead of this checkout
 *   --keep          keeps all folders
 *   --json          the figures as JSON
 *
 * Ends with 1 when something was lost, doubled, repeated or left open.
 */
import * as Fs from "node:fs"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { WorldPlan } from "./plan.ts"
import { isClean, table } from "./report.ts"
import { findPoints, run, set } from "./run.ts"

const { values: flags } = parseArgs({
  options: {
    points: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: "1" },
    world: { type: "string" },
    only: { type: "string" },
    replay: { type: "string" },
    "telegram-test-api": { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    package: { type: "string" },
    keep: { type: "boolean", default: false },
    json: { type: "boolean", default: false }
  }
})

const ground = flags.package === undefined ? {} : { pkg: flags.package }

const list = Effect.gen(function* () {
  for (const { atStart, name, often, victim } of yield* findPoints(yield* set(ground))) {
    yield* Console.log(`${victim} ${atStart ? "start" : "work "} ${String(often).padStart(4)} ${name}`)
  }
})

const crash = Effect.gen(function* () {
  const { broken, dir, report } = yield* run({
    ...ground,
    points: Number(flags.points),
    seed: flags.seed,
    workers: Number(flags.workers),
    keep: flags.keep,
    ...(flags.world === undefined ? undefined : { world: Number(flags.world) }),
    ...(flags.replay === undefined
      ? undefined
      : { replay: JSON.parse(Fs.readFileSync(flags.replay, "utf8")) as WorldPlan }),
    ...(flags["telegram-test-api"] ? { api: "other" as const } : undefined),
    ...(flags.only === undefined ? undefined : { only: flags.only })
  })
  yield* flags.json
    ? Console.log(JSON.stringify({ ...report, broken }, undefined, 2))
    : Console.log(
        `${table(report)}\n\nseed ${report.seed}, ${report.worlds} worlds, ${report.messages} messages, ${report.seconds.toFixed(0)} s${report.unmet.length === 0 ? "" : `\nnamed points that did not come by when they were armed:\n${report.unmet.join("\n")}`}`
      )
  const clean = isClean(report) && broken === 0
  yield* Effect.sync(() => {
    if (clean && !flags.keep) Fs.rmSync(dir, { recursive: true, force: true })
    process.exitCode = clean ? 0 : 1
  })
})

NodeRuntime.runMain(flags.list ? list : crash)
