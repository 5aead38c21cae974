import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import * as FromConfig from "../../src/layers/telegram/fromConfig.ts"
import { ChannelAccess, Channels } from "../../src/services/ChannelRouter.ts"
import { Supervisor } from "../../src/services/Supervisor.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import { makeConfig, makeSessions, makeTurns, stackOf, telegram, tempDatabase } from "../channels/kit.ts"
import { ada, clients } from "./kit.ts"

type Section = Parameters<typeof telegram>[0]

/** Telegram, router and storage as a Gateway has them; turns are only remembered. */
const gateway = Effect.fnUntraced(function* (section: Section) {
  const bot = yield* BotApi.serve()
  const config = makeConfig(telegram({ botToken: bot.token, apiRoot: bot.url, ...section }))
  const turns = makeTurns()
  const stack = stackOf({ filename: yield* tempDatabase, config, turns, sessions: makeSessions() })
  const layer = FromConfig.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(stack, config.layer, clients.undici, NodeFileSystem.layer))
  )
  return { bot, config, turns, layer }
})

describe("Telegram through the router", () => {
  it.live("a stranger pairs, is let in by the operator, and talks to the agent", () =>
    Effect.gen(function* () {
      const { bot, layer, turns } = yield* gateway({})
      yield* Effect.gen(function* () {
        const access = yield* ChannelAccess
        const channels = yield* Channels
        yield* bot.sendText({ from: ada, text: "let me in" })
        const code = yield* bot.awaitReply({ chatId: ada.id })
        const [request] = yield* access.pending("telegram")
        assert.include(code.text, `openclaw pairing approve telegram ${request!.code}`)
        yield* bot.awaitConfirmed
        yield* access.approve("telegram", request!.code)
        yield* bot.sendText({ from: ada, text: "what is up?" })
        const [turn] = yield* turns.has(1)
        assert.strictEqual(turn!.text, "what is up?")
        yield* channels.deliver({ peer: turn!.replyTo!.peer, text: "**not** much" })
        const reply = yield* bot.awaitReply({ after: code.messageId })
        assert.strictEqual(reply.text, "not much")
        yield* channels.send({ to: `telegram:${ada.id}`, text: "by the way", idempotencyKey: "1" })
        const status = yield* channels.status({ probe: true })
        assert.deepInclude(status.channelAccounts["telegram"]![0], {
          connected: true,
          dmPolicy: "pairing",
          mode: "polling"
        })
        assert.deepInclude(status.channelAccounts["telegram"]![0]!.probe, { ok: true })
      }).pipe(Effect.provide(layer))
    })
  )

  it.live("a group: only who is listed, only when addressed, in the topic's own session", () =>
    Effect.gen(function* () {
      const group = { id: -1001, forum: true }
      const { bot, layer, turns } = yield* gateway({ allowFrom: [ada.id], groups: { "-1001": {} } })
      yield* Effect.gen(function* () {
        const eve = { id: 666, username: "ada" }
        yield* bot.sendText({ from: eve, group, mention: true, text: "obey" })
        yield* bot.sendText({ from: ada, group, text: "not for the bot" })
        yield* bot.sendText({ from: ada, group, mention: true, text: "general" })
        yield* bot.sendText({ from: ada, group, topic: 7, mention: true, text: "seven" })
        assert.deepStrictEqual(
          (yield* turns.has(2)).map((turn) => turn.sessionKey as string),
          ["agent:main:telegram:group:-1001:topic:1", "agent:main:telegram:group:-1001:topic:7"]
        )
        assert.deepStrictEqual(yield* bot.sent, [])
      }).pipe(Effect.provide(layer))
    })
  )

  it.live("401 is the end for the channel and shown in its status; a new token in the file begins anew", () =>
    Effect.gen(function* () {
      const { bot, config, layer, turns } = yield* gateway({ dmPolicy: "open", botToken: "424242:AAwrong" })
      yield* Effect.gen(function* () {
        const channels = yield* Channels
        const supervisor = yield* Supervisor
        const state = Effect.map(
          supervisor.tree,
          (tree) => tree.find((fiber) => fiber.name === "channels/telegram/default")?.state
        )
        while ((yield* state) !== "failed") yield* Effect.promise(() => new Promise<void>((next) => setImmediate(next)))
        const { channelAccounts, channels: summaries } = yield* channels.status()
        assert.include(channelAccounts["telegram"]![0]!.lastError, "does not accept the bot token")
        assert.deepInclude(summaries["telegram"] as object, { running: false })
        yield* config.set(telegram({ dmPolicy: "open", botToken: bot.token, apiRoot: bot.url }))
        yield* bot.sendText({ from: ada, text: "hello" })
        yield* turns.has(1)
      }).pipe(Effect.provide(layer))
    })
  )

  it.live("the token is in no log, no error, no span and no status, whatever goes wrong", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const logger = Logger.make((entry) => {
        seen.push(JSON.stringify(entry.message), Cause.pretty(entry.cause))
      })
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          seen.push(options.name)
          const attribute = span.attribute.bind(span)
          span.attribute = (key, value) => {
            seen.push(key, JSON.stringify(value) ?? "")
            attribute(key, value)
          }
          return span
        }
      })
      const { bot, layer } = yield* gateway({ dmPolicy: "open" })
      yield* Effect.gen(function* () {
        const channels = yield* Channels
        yield* bot.addChat({ id: ada.id, type: "private" })
        for (const kind of ["drop", "cut-body", "cut-json"] as const) yield* bot.fault({ kind })
        yield* bot.fault({ kind: "html", status: 502 })
        yield* bot.fault({ kind: "refuse", code: 400, description: `no ${bot.token} here` })
        yield* bot.sendText({ from: ada, text: "/help" })
        for (let index = 0; index < 6; index++) {
          const sent = yield* Effect.exit(channels.send({ to: "1001", text: "x", idempotencyKey: String(index) }))
          seen.push(JSON.stringify(sent))
        }
        yield* bot.awaitReply({ matching: (message) => message.text.includes("/stop") })
        seen.push(JSON.stringify(yield* channels.status({ probe: true })))
        seen.push(JSON.stringify(yield* (yield* Supervisor).tree))
      }).pipe(
        Effect.provide(
          layer.pipe(
            Layer.provideMerge(Logger.layer([logger])),
            Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Trace")),
            Layer.provideMerge(Layer.succeed(Tracer.Tracer, tracer))
          )
        )
      )
      assert.isAbove(seen.length, 50)
      assert.isTrue(seen.includes("Telegram.send"))
      const secret = bot.token.split(":")[1]!
      assert.deepStrictEqual(
        seen.filter((text) => text.includes(secret)),
        []
      )
    })
  )
})
