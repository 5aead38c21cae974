/**
 * `npm run bench:growth`: what a Gateway keeps of many turns. A whole Gateway in this process, a model that answers at once, no
 * channel, and turns of many sessions; between them the size of the database, the memory, and how soon the built binary greets
 * on a copy of the state.
 *
 *   --turns <n>         turns in all, default 20000
 *   --every <n>         turns between two rows of the table, default 2000
 *   --sessions <n>      sessions that take turns, default 200
 *   --keep <n>          finished turns that are remembered, default the Gateway's own
 *   --engine-ms <n>     milliseconds that the engine's rows of a finished turn stay, default the Gateway's own
 *   --messages <n>      messages that a session keeps, default the Gateway's own
 *   --in-flight <n>     turns at the same time, default 50
 *   --starts <n>        starts for each row, default 3
 */
import { randomBytes } from "node:crypto"
import { backup, DatabaseSync } from "node:sqlite"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Response from "effect/ai/Response"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { build } from "./build.ts"
import { RunId } from "../src/domain/Ids.ts"
import { SessionKey } from "../src/domain/SessionKey.ts"
import { layerNode } from "../src/layers/Gateway.ts"
import { Models } from "../src/services/Models.ts"
import { Turns } from "../src/services/Turns.ts"
import { bareStart } from "./baselines.ts"
import { modelConfig } from "./config.ts"
import { freshHome, ours, start } from "./subject.ts"

const { values: flags } = parseArgs({
  options: {
    turns: { type: "string", default: "20000" },
    every: { type: "string", default: "2000" },
    sessions: { type: "string", default: "200" },
    keep: { type: "string" },
    "engine-ms": { type: "string" },
    messages: { type: "string" },
    "in-flight": { type: "string", default: "50" },
    starts: { type: "string", default: "3" }
  }
})

const REF = "bench/instant"
const ANSWER = "Everything is as it should be, and nobody has asked for anything else so far."
const usage = {
  inputTokens: { total: 900, uncached: 900, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 20, text: 20, reasoning: 0 }
}
const parts: ReadonlyArray<Response.StreamPartEncoded> = [
  { type: "text-start", id: "t" },
  ...ANSWER.split(/(?= )/).map((delta) => ({ type: "text-delta", id: "t", delta }) as const),
  { type: "text-end", id: "t" },
  { type: "finish", reason: "stop", usage }
]
const models = Layer.effect(
  Models,
  Effect.map(
    LanguageModel.make({
      generateText: () =>
        Effect.succeed([
          { type: "text", text: ANSWER },
          { type: "finish", reason: "stop", usage }
        ]),
      streamText: () => Stream.fromIterable(parts)
    }),
    (service) => ({
      resolve: () => Effect.succeed({ ref: REF, provider: "bench", model: "instant", service }),
      defaultRef: Effect.succeed(REF)
    })
  )
)

const MB = 1_000_000
const first = (samples: ReadonlyArray<number>): number => Math.min(...samples)
const columns = ["turns", "file MB", "wal MB", "in use MB", "rss MB", "heap MB", "turns/s", "start ms", "node -e 0 ms"]
const line = (cells: ReadonlyArray<string | number>) =>
  `| ${cells.map((cell, column) => String(cell).padStart(columns[column]!.length)).join(" | ")} |`

/** Milliseconds until the built binary greets on a copy of the state, and what a bare Node takes in the same minute. */
const startOnCopy = Effect.fnUntraced(function* (database: DatabaseSync) {
  const fs = yield* FileSystem.FileSystem
  const home = yield* freshHome
  yield* fs.makeDirectory(`${home}/.openclaw/state`, { recursive: true, mode: 0o700 })
  yield* Effect.promise(() => backup(database, `${home}/.openclaw/state/openclaw.sqlite`))
  const once = Effect.map(
    Effect.scoped(start(ours, home, modelConfig("http://127.0.0.1:9/v1"))),
    ({ startMs }) => startMs
  )
  const starts = yield* Effect.replicateEffect(once, Number(flags.starts))
  const bare = yield* Effect.replicateEffect(bareStart, Number(flags.starts))
  return { start: first(starts), bare: first(bare) }
}, Effect.scoped)

const measure = Effect.fnUntraced(function* (stateDir: string, done: number, perSecond: number) {
  const fs = yield* FileSystem.FileSystem
  const database = yield* Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(`${stateDir}/state/openclaw.sqlite`, { readOnly: true })),
    (open) => Effect.sync(() => open.close())
  )
  const size = (name: string) =>
    Effect.map(fs.stat(`${stateDir}/state/${name}`), (info) => (Number(info.size) / MB).toFixed(1))
  const used = database
    .prepare(
      `SELECT (page_count - freelist_count) * page_size AS n
      FROM pragma_page_count, pragma_freelist_count, pragma_page_size`
    )
    .get()?.["n"]
  // What is still in use: the rest is only not collected yet.
  globalThis.gc?.()
  const memory = process.memoryUsage()
  const started = Number(flags.starts) === 0 ? { start: 0, bare: 0 } : yield* startOnCopy(database)
  yield* Console.log(
    line([
      done,
      yield* size("openclaw.sqlite"),
      yield* size("openclaw.sqlite-wal"),
      (Number(used) / MB).toFixed(1),
      Math.round(memory.rss / MB),
      Math.round(memory.heapUsed / MB),
      Math.round(perSecond),
      Math.round(started.start),
      Math.round(started.bare)
    ])
  )
}, Effect.scoped)

const turn = Effect.fnUntraced(function* (index: number) {
  const turns = yield* Turns
  const sessionKey = SessionKey.make(`agent:main:growth-${index % Number(flags.sessions)}`)
  const runId = RunId.make(randomBytes(12).toString("hex"))
  const receivedAt = yield* Clock.currentTimeMillis
  yield* turns.submit({ runId, sessionKey, agentId: "main", text: `How is everything? (${index})`, receivedAt })
  yield* turns.await(runId, sessionKey)
})

const run = Effect.fnUntraced(function* (stateDir: string) {
  yield* Console.log(`${line(columns)}\n${line(columns.map(({ length }) => `${"-".repeat(length - 1)}:`))}`)
  const every = Number(flags.every)
  for (let done = 0; done < Number(flags.turns); done += every) {
    const started = performance.now()
    const indexes = Array.from({ length: every }, (_, index) => done + index)
    yield* Effect.forEach(indexes, turn, { concurrency: Number(flags["in-flight"]), discard: true })
    yield* measure(stateDir, done + every, (every / (performance.now() - started)) * 1000)
  }
})

const main = Effect.gen(function* () {
  yield* build
  const fs = yield* FileSystem.FileSystem
  const stateDir = `${yield* freshHome}/.openclaw`
  yield* fs.makeDirectory(stateDir, { mode: 0o700 })
  const config = { ...modelConfig("http://127.0.0.1:9/v1"), gateway: { mode: "local", auth: { mode: "none" } } }
  yield* fs.writeFileString(`${stateDir}/openclaw.json`, JSON.stringify(config), { mode: 0o600 })
  const keepEngine = flags["engine-ms"]
  const messages = flags.messages === undefined ? undefined : Number(flags.messages)
  const gateway = layerNode({
    stateDir,
    flags: { port: 0 },
    models,
    turns: {
      ...(flags.keep === undefined ? undefined : { keepCount: Number(flags.keep) }),
      ...(keepEngine === undefined ? undefined : { keepEngineMs: Number(keepEngine), pruneEveryMs: 1_000 })
    },
    ...(messages === undefined
      ? undefined
      : { maintenance: { leastMessages: Math.min(messages, 1_000), mostMessages: messages, everyMs: 5_000 } })
  })
  yield* Effect.provide(run(stateDir), gateway)
}).pipe(Effect.scoped)

NodeRuntime.runMain(Effect.provide(main, NodeServices.layer))
