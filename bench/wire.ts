/**
 * `npm run bench:wire`: what the built Gateway's wire carries, beside a baseline measured in the same minute.
 *
 *   --ms <n>           milliseconds of each run of requests, default 1500
 *   --runs <n>         runs of each, default 5
 *   --clients <n>      clients that connect at once, default 200
 *   --subscribers <n>  clients that a broadcast reaches, default 100
 *   --broadcasts <n>   default 30
 *   --peer <cmd>       the start command of another Gateway, measured after ours in the same run
 *   --peer-name <n>    what the table calls it
 *   --json             the numbers as JSON
 */
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { build, machine, machineLine } from "./build.ts"
import { summarize, table } from "./report.ts"
import { ours, peers } from "./subject.ts"
import { wire, wireBaseline } from "./wireLoad.ts"

const { values: flags } = parseArgs({
  options: {
    ms: { type: "string", default: "1500" },
    runs: { type: "string", default: "5" },
    clients: { type: "string", default: "200" },
    subscribers: { type: "string", default: "100" },
    broadcasts: { type: "string", default: "30" },
    peer: { type: "string" },
    "peer-name": { type: "string", default: "peer" },
    json: { type: "boolean", default: false }
  }
})

const options = {
  ms: Number(flags.ms),
  runs: Number(flags.runs),
  clients: Number(flags.clients),
  subscribers: Number(flags.subscribers),
  broadcasts: Number(flags.broadcasts)
}

const main = Effect.gen(function* () {
  yield* build
  yield* Console.error("… the baseline")
  const rows = [...(yield* wireBaseline(options))]
  for (const subject of [ours, ...peers(flags.peer, flags["peer-name"])]) {
    yield* Console.error(`… ${subject.name}`)
    rows.push(...(yield* wire(subject, options)))
  }
  // Memory has no samples where the system does not tell.
  const measures = rows.filter(({ samples }) => samples.length > 0).map(summarize)
  yield* flags.json
    ? Console.log(JSON.stringify({ machine, measures }, undefined, 2))
    : Console.log(`${machineLine}\n\n${table(measures)}`)
})

NodeRuntime.runMain(Effect.provide(main, NodeServices.layer))
