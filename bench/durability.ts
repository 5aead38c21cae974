/**
 * `npm run bench:durability`: what it costs that nothing is lost. Telegram messages with a model that answers at once, from one
 * chat after the other and from fifty at the same time, with the Gateway as it is and with the same Gateway whose commits do
 * not wait for the disk.
 *
 *   --bursts <n>    bursts of 200 messages from 50 chats, default 5
 *   --messages <n>  messages of a single chat, default 60
 *   --json          the numbers as JSON
 */
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { build, machine, machineLine } from "./build.ts"
import * as BotApi from "../src/testing/BotApi.ts"
import { modelConfig, telegramConfig } from "./config.ts"
import * as Model from "./model.ts"
import { type Row, summarize, table } from "./report.ts"
import { freshHome, ours, start, type Subject } from "./subject.ts"
import { sequential } from "./timing.ts"

const { values: flags } = parseArgs({
  options: {
    bursts: { type: "string", default: "5" },
    messages: { type: "string", default: "60" },
    json: { type: "boolean", default: false }
  }
})

const CHATS = 50
const PER_CHAT = 4
const WARM_UP = 5

const weaken = (synchronous: "NORMAL" | "OFF"): Subject => ({
  name: `the same with synchronous=${synchronous}`,
  command: ours.command,
  cli: ours.cli,
  env: {
    NODE_OPTIONS: `--import=${new URL("./synchronous.mjs", import.meta.url).href}`,
    BENCH_SYNCHRONOUS: synchronous
  }
})
const full: Subject = { ...ours, name: "openclaw on Effect, synchronous=FULL" }
const subjects = [full, weaken("NORMAL"), weaken("OFF")]

const person = (index: number) => ({ id: 5_000 + index, firstName: `Person ${index}` })
const people = Array.from({ length: CHATS }, (_, index) => person(index))

const alone = Effect.fnUntraced(function* (bot: BotApi.BotApiServer, times: number) {
  let last = 0
  const message = () =>
    Effect.gen(function* () {
      yield* bot.sendText({ from: people[0]!, text: "How is everything?" })
      last = (yield* bot.awaitReply({ chatId: people[0]!.id, after: last })).messageId
    })
  yield* sequential(WARM_UP, message)
  return yield* sequential(times, message)
})

/** Everybody writes at once; the times are those from the first message to each reply. */
const burst = Effect.fnUntraced(function* (bot: BotApi.BotApiServer) {
  const started = yield* Clock.currentTimeNanos
  const sent = yield* Effect.forEach(
    Array.from({ length: CHATS * PER_CHAT }, (_, index) => people[index % CHATS]!),
    (from) => bot.sendText({ from, text: "How is everything?" })
  )
  const latencies = yield* Effect.forEach(
    people,
    ({ id }) =>
      Effect.gen(function* () {
        const times: Array<number> = []
        let last = Math.max(...sent.filter(({ chatId }) => chatId === id).map(({ messageId }) => messageId))
        for (let reply = 0; reply < PER_CHAT; reply++) {
          last = (yield* bot.awaitReply({ chatId: id, after: last })).messageId
          times.push(Number((yield* Clock.currentTimeNanos) - started) / 1e6)
        }
        return times
      }),
    { concurrency: CHATS }
  )
  const times = latencies.flat()
  return { times, perSecond: (times.length / Math.max(...times)) * 1000 }
})

const ALONE = "message to reply, 1 chat"
const TOGETHER = `message to reply, ${CHATS} chats with ${PER_CHAT} messages each at once`
const RATE = "the same, answers per second"

const measureOne = Effect.fnUntraced(function* (subject: Subject) {
  const model = yield* Model.serve
  const bot = yield* BotApi.serve()
  yield* start(subject, yield* freshHome, {
    ...modelConfig(model.baseUrl),
    ...telegramConfig(bot, people),
    session: { dmScope: "per-channel-peer" }
  })
  yield* bot.awaitPolling
  const single = yield* alone(bot, Number(flags.messages))
  yield* burst(bot)
  const bursts = yield* Effect.replicateEffect(burst(bot), Number(flags.bursts))
  return [
    { measure: ALONE, subject: subject.name, unit: "ms", samples: single },
    { measure: TOGETHER, subject: subject.name, unit: "ms", samples: bursts.flatMap(({ times }) => times) },
    { measure: RATE, subject: subject.name, unit: "1/s", samples: bursts.map(({ perSecond }) => perSecond) }
  ] satisfies ReadonlyArray<Row>
}, Effect.scoped)

const main = Effect.gen(function* () {
  yield* build
  const rows: Array<Row> = []
  for (const subject of subjects) {
    yield* Console.error(`… ${subject.name}`)
    rows.push(...(yield* measureOne(subject)))
  }
  const order = [ALONE, TOGETHER, RATE]
  const summaries = rows.toSorted((a, b) => order.indexOf(a.measure) - order.indexOf(b.measure)).map(summarize)
  yield* flags.json
    ? Console.log(JSON.stringify({ machine, measures: summaries }, undefined, 2))
    : Console.log(`${machineLine}\n\n${table(summaries)}`)
})

NodeRuntime.runMain(Effect.provide(main, NodeServices.layer))
