/**
 * A running Gateway at work: turns, calls to a node, Telegram messages.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as BotApi from "../src/testing/BotApi.ts"
import { bareInvoke, bareTurn } from "./baselines.ts"
import * as Model from "./model.ts"
import * as Node from "./node.ts"
import { treeMemory } from "./processes.ts"
import type { Row } from "./report.ts"
import { connect, freshHome, start, type Subject } from "./subject.ts"
import { concurrent, sequential } from "./timing.ts"

export interface LoadOptions {
  readonly turns: number
  readonly invokes: number
  readonly messages: number
}

const IN_FLIGHT = 32
/** Not counted: the first of each kind compile code and fill caches. */
const WARM_UP = 5

const TURN = "turn: agent RPC to its final answer, less the model's time"
const INVOKE = "node.invoke, one after the other"
const BURST = `node.invoke, ${IN_FLIGHT} in flight`
const RATE = `node.invoke, ${IN_FLIGHT} in flight, rate`

const ada = { id: 4711, firstName: "Ada" }

/** What every subject finds in its `openclaw.json`. */
export const modelConfig = (baseUrl: string) => ({
  agents: { defaults: { model: "bench/instant" } },
  models: {
    providers: {
      bench: {
        baseUrl,
        apiKey: "none",
        api: "openai-completions",
        models: [{ id: "instant", name: "Instant", contextWindow: 128_000, maxTokens: 4096 }]
      }
    }
  }
})

/** A bot that answers these people. */
export const telegramConfig = (bot: BotApi.BotApiServer, people: ReadonlyArray<{ readonly id: number }>) => ({
  channels: {
    telegram: {
      enabled: true,
      botToken: bot.token,
      apiRoot: bot.url,
      dmPolicy: "allowlist",
      allowFrom: people.map(({ id }) => String(id)),
      network: { dangerouslyAllowPrivateNetwork: true }
    }
  }
})

const memoryRow = (subject: Subject, when: string, memory: number | undefined): Row => ({
  measure: `RSS of the process tree ${when}`,
  subject: subject.name,
  unit: "MiB",
  samples: memory === undefined ? [] : [memory]
})

const invokeRows = Effect.fnUntraced(function* <E>(
  subject: string,
  times: number,
  invoke: (index: number) => Effect.Effect<unknown, E>
) {
  yield* sequential(WARM_UP, invoke)
  const alone = yield* sequential(times, (index) => invoke(index + WARM_UP))
  const rates: Array<number> = []
  const latencies: Array<number> = []
  for (let round = 0; round < 5; round++) {
    const burst = yield* concurrent(times, IN_FLIGHT, (index) => invoke(WARM_UP + times * (round + 1) + index))
    rates.push(burst.perSecond)
    latencies.push(...burst.latencies)
  }
  return [
    { measure: INVOKE, subject, unit: "ms", samples: alone },
    { measure: BURST, subject, unit: "ms", samples: latencies },
    { measure: RATE, subject, unit: "1/s", samples: rates }
  ] satisfies ReadonlyArray<Row>
})

/** The same work by the least code that can do it. */
export const baseline = Effect.fnUntraced(function* (options: LoadOptions) {
  const model = yield* Model.serve
  const turn = yield* bareTurn(yield* freshHome, model.baseUrl)
  yield* sequential(WARM_UP, () => turn.run)
  const turns = yield* sequentialLess(options.turns, model, () => turn.run)
  return [
    { measure: TURN, subject: "one HTTP request and one commit", unit: "ms", samples: turns },
    ...(yield* invokeRows("a relay of 10 lines", options.invokes, yield* bareInvoke))
  ] satisfies ReadonlyArray<Row>
}, Effect.scoped)

/** Times without what the model took meanwhile. */
const sequentialLess = <E, R>(
  times: number,
  model: Model.InstantModel,
  run: (index: number) => Effect.Effect<unknown, E, R>
) =>
  Effect.gen(function* () {
    const overheads: Array<number> = []
    for (let index = 0; index < times; index++) {
      const before = model.spentMs()
      const [took = 0] = yield* sequential(1, () => run(index))
      overheads.push(took - (model.spentMs() - before))
    }
    return overheads
  })

export const load = Effect.fnUntraced(function* (subject: Subject, options: LoadOptions) {
  const model = yield* Model.serve
  const bot = yield* BotApi.serve()
  const gateway = yield* start(subject, yield* freshHome, {
    ...modelConfig(model.baseUrl),
    ...telegramConfig(bot, [ada])
  })
  yield* bot.awaitPolling
  const operator = yield* connect(gateway.endpoint)

  const turn = () =>
    operator.request(
      "agent",
      { message: "How is everything?", sessionKey: "agent:main:bench", idempotencyKey: randomUUID() },
      { expectFinal: true }
    )
  yield* sequential(WARM_UP, turn)
  const turns = yield* sequentialLess(options.turns, model, turn)

  const nodeId = yield* Node.attach(gateway.endpoint, operator)
  const invokes = yield* invokeRows(subject.name, options.invokes, () =>
    operator.request("node.invoke", {
      nodeId,
      command: Node.COMMAND,
      params: { bins: ["sh"] },
      idempotencyKey: randomUUID()
    })
  )

  let last = 0
  const message = () =>
    Effect.gen(function* () {
      yield* bot.sendText({ from: ada, text: "How is everything?" })
      last = (yield* bot.awaitReply({ chatId: ada.id, after: last })).messageId
      yield* bot.awaitPolling
    })
  yield* sequential(WARM_UP, message)
  const messages = yield* sequential(options.messages, message)

  const busy = yield* treeMemory(gateway.pid)
  yield* Effect.sleep("15 seconds")
  const rested = yield* treeMemory(gateway.pid)
  return [
    { measure: TURN, subject: subject.name, unit: "ms", samples: turns },
    ...invokes,
    { measure: "Telegram message to reply, instant model", subject: subject.name, unit: "ms", samples: messages },
    memoryRow(subject, "after all that", busy),
    memoryRow(subject, "15 s later", rested)
  ] satisfies ReadonlyArray<Row>
}, Effect.scoped)
