/**
 * `npm run soak`: one world under steady load for as long as one likes, a kill every so often, the same checks at the end.
 *
 *   --minutes <n>   default 30
 *   --every <n>     seconds between two kills, default 20
 *   --rate <n>      messages a second, default 3
 *   --seed <text>   default 1
 *   --package <dir> a built package instead of this checkout
 *   --json          the figures as JSON
 *
 * Ends with 1 when something was lost, doubled, repeated or left open.
 */
import * as Fs from "node:fs"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { Fault, Victim } from "./faults.ts"
import { dice } from "./random.ts"
import { isClean, reportOf, table } from "./report.ts"
import { set } from "./run.ts"
import { runWorld } from "./runWorld.ts"

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    every: { type: "string", default: "20" },
    rate: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
    package: { type: "string" },
    json: { type: "boolean", default: false }
  }
})

const everyMs = Number(flags.every) * 1_000
/** The Gateway most of all. */
const victims: ReadonlyArray<readonly [Victim, number]> = [
  ["gateway", 70],
  ["desk", 8],
  ["attic", 6],
  ["model", 8],
  ["botApi", 8]
]

const soak = Effect.gen(function* () {
  const draws = dice(`soak ${flags.seed}`)
  const faults = Array.from(
    { length: Math.max(1, Math.floor((Number(flags.minutes) * 60_000) / everyMs)) },
    (): Fault => ({
      kind: "instant",
      victim: draws.weighted(victims),
      afterMs: everyMs - 250 + draws.whole(-2_000, 2_000),
      awayMs: 0
    })
  )
  const ground = yield* set(flags.package === undefined ? {} : { pkg: flags.package })
  const started = yield* Clock.currentTimeMillis
  const plan = { index: 0, seed: `soak ${flags.seed}`, faults, rushBefore: undefined }
  const result = yield* runWorld(
    { ...ground, keep: true, traffic: { people: 60, betweenMs: 1_000 / Number(flags.rate) } },
    plan
  )
  const report = reportOf(flags.seed, [result], ((yield* Clock.currentTimeMillis) - started) / 1_000)
  const { p50, p99, max } = result.latency
  yield* flags.json
    ? Console.log(JSON.stringify({ ...report, latency: result.latency }, undefined, 2))
    : Console.log(
        `${table(report)}\n\n${report.messages} messages in ${(report.seconds / 60).toFixed(1)} minutes, ${faults.length} kills; from message to reply ${Math.round(p50)} / ${Math.round(p99)} / ${Math.round(max)} ms (p50 / p99 / max)`
      )
  const clean = isClean(report)
  yield* clean ? Effect.void : Console.error(`its folder: ${result.dir} (story.txt tells all)`)
  yield* Effect.sync(() => {
    if (clean) Fs.rmSync(ground.dir, { recursive: true, force: true })
    process.exitCode = clean ? 0 : 1
  })
})

NodeRuntime.runMain(soak)
