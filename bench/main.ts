/**
 * `npm run bench`: what the built binary costs, beside a baseline measured in the same minute.
 *
 *   --runs <n>      starts of each subject, default 10
 *   --turns <n>     turns one after the other, default 50
 *   --invokes <n>   calls of a node, default 500, and five times as many 32 at a time
 *   --messages <n>  Telegram messages, default 20
 *   --only <part>   startup, memory or load; may be repeated
 *   --peer <cmd>    the start command of another Gateway, measured alternately with ours in the same run
 *   --peer-name <n> what the table calls it
 *   --json          the numbers as JSON
 */
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { build, machine, machineLine } from "./build.ts"
import { memory, startup } from "./idle.ts"
import { baseline, load } from "./load.ts"
import { summarize, table } from "./report.ts"
import { ours, peers } from "./subject.ts"

const { values: flags } = parseArgs({
  options: {
    runs: { type: "string", default: "10" },
    turns: { type: "string", default: "50" },
    invokes: { type: "string", default: "500" },
    messages: { type: "string", default: "20" },
    only: { type: "string", multiple: true, default: ["startup", "memory", "load"] },
    peer: { type: "string" },
    "peer-name": { type: "string", default: "peer" },
    json: { type: "boolean", default: false }
  }
})

const subjects = [ours, ...peers(flags.peer, flags["peer-name"])]
const runs = Number(flags.runs)
const options = {
  turns: Number(flags.turns),
  invokes: Number(flags.invokes),
  messages: Number(flags.messages)
}

const progress = (text: string) => Console.error(`… ${text}`)

const measure = Effect.gen(function* () {
  yield* build
  const wanted = new Set(flags.only)
  const rows = []
  if (wanted.has("startup")) {
    yield* progress(`starting each Gateway ${runs} times`)
    rows.push(...(yield* startup(subjects, runs)))
  }
  if (wanted.has("memory")) {
    yield* progress("letting each Gateway idle")
    rows.push(...(yield* memory(subjects, 3)))
  }
  if (wanted.has("load")) {
    yield* progress("working: the baseline")
    rows.push(...(yield* baseline(options)))
    for (const subject of subjects) {
      yield* progress(`working: ${subject.name}`)
      rows.push(...(yield* load(subject, options)))
    }
  }
  // Memory has no samples where the system does not tell.
  return rows.filter(({ samples }) => samples.length > 0).map(summarize)
})

const main = Effect.gen(function* () {
  const summaries = yield* measure
  yield* flags.json
    ? Console.log(JSON.stringify({ machine, measures: summaries }, undefined, 2))
    : Console.log(`${machineLine}\n\n${table(summaries)}`)
})

NodeRuntime.runMain(Effect.provide(main, NodeServices.layer))
