/**
 * A Gateway that is restarted or stopped again and again while people write: each message gets one complete answer.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as ProviderServer from "../../src/testing/ProviderServer.ts"
import { makeState, startProcess } from "./gatewayProcess.ts"

const people = Array.from({ length: 8 }, (_, index) => ({ id: 4_711 + index, firstName: `Person ${index}` }))
const EACH = 3
const ANSWER = "Everything is as it should be."

/** The first `held` calls of the model never end. */
const setUp = Effect.fnUntraced(function* (held = 0) {
  const bot = yield* BotApi.serve()
  const provider = Context.get(yield* Layer.build(ProviderServer.layer), ProviderServer.ProviderServer)
  yield* provider.push(...Array.from({ length: held }, () => ({ text: ["Every"], end: "hold" }) as const))
  // A cut call is asked again, so there are more answers than messages.
  yield* provider.push(
    ...Array.from({ length: 200 }, () => ({ text: ANSWER.split(/(?= )/), deltaDelay: "5 millis" }) as const)
  )
  const dir = yield* makeState({
    agents: { defaults: { model: "mock/m" } },
    session: { dmScope: "per-channel-peer" },
    models: {
      providers: {
        mock: { baseUrl: `${provider.url}/v1`, apiKey: "k", api: "openai-completions", models: [{ id: "m" }] }
      }
    },
    channels: {
      telegram: {
        botToken: bot.token,
        apiRoot: bot.url,
        dmPolicy: "allowlist",
        allowFrom: people.map(({ id }) => id)
      }
    }
  })
  return { bot, dir, provider }
})

const write = (bot: BotApi.BotApiServer, text: string) =>
  Effect.forEach(people, (from) => bot.sendText({ from, text }), { discard: true })

/** Waits until everybody has all answers, and looks that nobody has more. */
const allAnswered = Effect.fnUntraced(function* (bot: BotApi.BotApiServer, each: number) {
  const answers = Effect.map(bot.record, (record) =>
    people.map(({ id }) => record.filter(({ chatId, text }) => chatId === id && text === ANSWER).length)
  )
  yield* Effect.repeat(Effect.delay(answers, 20), { until: (counts) => counts.every((count) => count >= each) })
  assert.deepStrictEqual(
    yield* answers,
    people.map(() => each)
  )
})

/** No turn is left, queued or running. */
const idle = (gateway: Effect.Success<ReturnType<typeof startProcess>>) =>
  Effect.scoped(
    Effect.flatMap(gateway.connect(), (client) =>
      client.call
        .status({})
        .pipe(Effect.delay(20), Effect.repeat({ until: ({ sessions }) => sessions?.["activeTurns"] === 0 }))
    )
  )

const moment = Effect.flatMap(Random.nextBetween(0, 150), (ms) => Effect.sleep(ms))

describe("under load", () => {
  it.live("a restart in place leaves no reply behind, and keeps process and port", () =>
    Effect.gen(function* () {
      const { bot, dir } = yield* setUp()
      const gateway = yield* startProcess(dir)
      const boots = new Set<string | undefined>()
      for (let round = 0; round < EACH; round++) {
        yield* write(bot, `round ${round}`)
        yield* moment
        const bootId = yield* Effect.scoped(
          Effect.gen(function* () {
            const client = yield* gateway.connect().pipe(Effect.eventually)
            yield* client.call["gateway.restart.request"]({ reason: "a test" })
            yield* client.closed
            return client.hello.server.bootId
          })
        )
        boots.add(bootId)
        yield* Effect.scoped(gateway.connect()).pipe(Effect.delay(20), Effect.eventually)
      }
      yield* allAnswered(bot, EACH)
      yield* idle(gateway)
      yield* allAnswered(bot, EACH)
      assert.strictEqual(boots.size, EACH)
      yield* gateway.signal("SIGTERM")
      assert.strictEqual(yield* gateway.ended, 0)
    }).pipe(Effect.scoped)
  )

  it.live("SIGTERM at any moment ends with 0, and the next start answers what is left", () =>
    Effect.gen(function* () {
      const { bot, dir } = yield* setUp()
      for (let round = 0; round < EACH; round++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const gateway = yield* startProcess(dir)
            yield* write(bot, `round ${round}`)
            yield* moment
            yield* gateway.signal("SIGTERM")
            assert.strictEqual(yield* gateway.ended, 0, gateway.log())
          })
        )
      }
      const last = yield* startProcess(dir)
      yield* allAnswered(bot, EACH)
      yield* idle(last)
      yield* allAnswered(bot, EACH)
    }).pipe(Effect.scoped)
  )

  it.live("a second SIGTERM ends the process at once", () =>
    Effect.gen(function* () {
      const { bot, dir, provider } = yield* setUp(people.length)
      const gateway = yield* startProcess(dir)
      yield* write(bot, "hello")
      yield* Effect.repeat(provider.requests, { until: (asked) => asked.length === people.length })
      const tell = Effect.andThen(gateway.signal("SIGTERM"), Effect.sleep(100))
      assert.strictEqual(yield* Effect.raceFirst(gateway.ended, Effect.forever(tell)), 143)
      yield* startProcess(dir)
      yield* allAnswered(bot, 1)
    }).pipe(Effect.scoped)
  )
})
