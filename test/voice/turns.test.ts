/** A user speaks to a device: over real sockets, with the Bot API stand-in, a scripted model and a node that hears. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { GatewayClient } from "../../src/client/GatewayClient.ts"
import { Config } from "../../src/services/Config.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import * as SpeakingNode from "../../src/testing/SpeakingNode.ts"

const ada = { id: 4711, firstName: "Ada" }

const start = Effect.fnUntraced(function* (
  script: ScriptedModel.Script,
  options: { readonly telegram?: boolean; readonly config?: OpenClawConfig } = {}
) {
  const bot = yield* BotApi.serve()
  yield* bot.addChat({ id: ada.id, type: "private", first_name: "Ada" })
  const channels = {
    telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist" as const, allowFrom: [ada.id] }
  }
  const services = yield* Layer.build(
    GatewayTest.layer({
      models: ScriptedModel.layer(script),
      config: { ...(options.telegram === true ? { channels } : undefined), ...options.config }
    })
  )
  const kit = Context.get(services, GatewayTest.GatewayTest)
  const model = Context.get(services as Context.Context<any>, ScriptedModel.ScriptedModel)
  const asked = Effect.map(model.calls, (calls) => JSON.stringify(calls))
  return { bot, kit, asked, model, config: Context.get(services, Config) }
})

const refused = <E>(call: Effect.Effect<unknown, E>) => Effect.flip(call)
/** The messages of the main session, once there are so many. */
const said = (client: GatewayClient["Service"], count: number) =>
  client.call["chat.history"]({ sessionKey: "main" }).pipe(
    Effect.map((answer) => ("messages" in answer ? answer.messages : [])),
    Effect.repeat({ until: (messages) => messages.length === count })
  )
const nothing = Option.none()

describe("a voice transcript", () => {
  it.live("is answered where its user wrote last: a Telegram chat", () =>
    Effect.gen(function* () {
      const { asked, bot, kit } = yield* start([{ text: "hello Ada" }, { text: "it is noon" }, { text: "later" }], {
        telegram: true
      })
      yield* bot.sendText({ from: ada, text: "hi" })
      const first = yield* bot.awaitReply({ chatId: ada.id })
      const node = yield* SpeakingNode.make({ connect: kit.connect, displayName: "Kitchen" })
      const answer = yield* node.say("Claude, what time is it?", { eventId: "e1" })
      assert.deepStrictEqual(answer, { ok: true, event: "voice.transcript", handled: true, reason: "started" })
      const reply = yield* bot.awaitReply({ after: first.messageId })
      assert.strictEqual(reply.text, "it is noon")
      const prompts = yield* asked
      assert.include(prompts, "what time is it?")
      assert.notInclude(prompts, "Claude, what")
      assert.include(prompts, "heard it")
      assert.include(prompts, "Kitchen")
      // A node that sends it again, as after a cut, has not said it twice.
      assert.deepInclude(yield* node.say("Claude, what time is it?", { eventId: "e1" }), { reason: "duplicate" })
      const again = yield* SpeakingNode.make({ connect: kit.connect, device: node.device })
      assert.deepInclude(yield* again.say("Claude, what time is it?", { eventId: "e1" }), { reason: "duplicate" })
      yield* bot.sendText({ from: ada, text: "more" })
      assert.strictEqual((yield* bot.awaitReply({ after: reply.messageId })).text, "later")
      assert.lengthOf(yield* bot.sent, 3)
    }).pipe(Effect.scoped)
  )

  it.live("is answered to the node where there is no chat, and stays in the session", () =>
    Effect.gen(function* () {
      const { asked, kit } = yield* start([{ text: "noon" }])
      const node = yield* SpeakingNode.make(kit)
      const deaf = yield* SpeakingNode.make(kit)
      yield* node.say("what time is it")
      assert.deepStrictEqual(yield* node.reply, { state: "final", text: "noon" })
      assert.include(yield* asked, "read aloud")
      const operator = yield* kit.connect()
      assert.lengthOf(yield* said(operator, 2), 2)
      // What another node asked is not this one's to hear.
      yield* deaf.event("node.presence.alive", { trigger: "background" })
      assert.deepStrictEqual(yield* Effect.timeoutOption(deaf.next, 0), nothing)
    }).pipe(Effect.scoped)
  )

  it.live("does not go to a chat whose people may not write any more", () =>
    Effect.gen(function* () {
      const { bot, config, kit } = yield* start([{ text: "hello Ada" }, { text: "secret" }], { telegram: true })
      yield* bot.sendText({ from: ada, text: "hi" })
      yield* bot.awaitReply({ chatId: ada.id })
      const node = yield* SpeakingNode.make(kit)
      yield* config.set("channels.telegram.allowFrom", [1])
      yield* node.say("tell me")
      assert.deepStrictEqual(yield* node.reply, { state: "final", text: "secret" })
      assert.lengthOf(yield* bot.sent, 1)
    }).pipe(Effect.scoped)
  )

  it.live("answers a node that was away when its turn ended", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { kit } = yield* start([{ gate: Deferred.await(gate), text: "noon" }])
      const scope = yield* Scope.make()
      const before = yield* Scope.provide(SpeakingNode.make(kit), scope)
      const operator = yield* kit.connect()
      yield* before.say("what time is it")
      yield* Scope.close(scope, Exit.void)
      yield* Deferred.succeed(gate, undefined)
      yield* said(operator, 2)
      const after = yield* SpeakingNode.make({ connect: kit.connect, device: before.device })
      assert.deepStrictEqual(yield* after.reply, { state: "final", text: "noon" })
      // Once: it was told.
      const third = yield* SpeakingNode.make({ connect: kit.connect, device: before.device })
      yield* third.event("node.presence.alive", { trigger: "background" })
      assert.deepStrictEqual(yield* Effect.timeoutOption(third.next, 0), nothing)
    }).pipe(Effect.scoped)
  )

  it.live("is answered to the device that heard it, also where another of that name asks at the same time", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { kit } = yield* start(
        [
          { gate: Deferred.await(gate), toolCalls: [{ name: "clock", params: {} }] },
          { text: "noon" },
          { text: "rain" }
        ],
        { config: { messages: { queue: { mode: "steer" } } } }
      )
      const [kitchen, hall] = [yield* SpeakingNode.make(kit), yield* SpeakingNode.make(kit)]
      yield* kitchen.say("what time is it")
      yield* hall.say("what is the weather")
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* kitchen.reply, { state: "final", text: "noon" })
      assert.deepStrictEqual(yield* hall.reply, { state: "final", text: "rain" })
    }).pipe(Effect.scoped)
  )

  it.live("that was answered with another is not read out twice to a node that was away", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { kit } = yield* start(
        [{ gate: Deferred.await(gate), toolCalls: [{ name: "clock", params: {} }] }, { text: "noon, and rain" }],
        { config: { messages: { queue: { mode: "steer" } } } }
      )
      const scope = yield* Scope.make()
      const before = yield* Scope.provide(SpeakingNode.make(kit), scope)
      const operator = yield* kit.connect()
      yield* before.say("what time is it")
      yield* before.say("and the weather")
      yield* Scope.close(scope, Exit.void)
      yield* Deferred.succeed(gate, undefined)
      yield* said(operator, 5)
      const after = yield* SpeakingNode.make({ connect: kit.connect, device: before.device })
      assert.deepStrictEqual(yield* after.reply, { state: "final", text: "noon, and rain" })
      assert.deepStrictEqual(yield* after.reply, { state: "final", text: "" })
    }).pipe(Effect.scoped)
  )

  it.live("is only taken from a node that was approved, and answered with what is wrong with it", () =>
    Effect.gen(function* () {
      const { asked, kit } = yield* start([{ text: "yes" }], {
        config: { agents: { list: [{ id: "main" }] } }
      })
      const stranger = yield* SpeakingNode.make({ connect: kit.connect, approved: false })
      assert.deepInclude(yield* refused(stranger.say("open the door")), { code: "UNAVAILABLE" })
      // Nor from one that asks for no approval because it offers nothing, also where it did before.
      const bare = yield* SpeakingNode.make({ connect: kit.connect, device: stranger.device, bare: true })
      for (const call of [bare.say("open the door"), bare.ask("open the door"), bare.follow("main")]) {
        assert.include((yield* refused(call)).message, "approved by an operator")
      }
      const node = yield* SpeakingNode.make(kit)
      for (const [call, text] of [
        [node.say("Claude!"), "nothing was said"],
        [node.say(" \u200B "), "nothing was said"],
        [node.say("a".repeat(20_001)), "invalid voice.transcript payload: at /text"],
        [node.event("voice.transcript", { words: "hi" }), "must have required property 'text'"],
        [node.event("voice.transcript", null), "must be object"],
        [node.say("hi", { sessionKey: "agent:nobody:main" }), "unknown agent id"],
        [node.ask("hi", { attachments: [{}] }), "takes no attachments"],
        [node.event("chat.subscribe", {}), "must have required property 'sessionKey'"]
      ] as const) {
        const error = yield* refused(call)
        assert.include(error.message, text)
        assert.deepInclude(error, { code: "INVALID_REQUEST" })
      }
      yield* node.say("one", { eventId: "same" })
      assert.include((yield* refused(node.say("two", { eventId: "same" }))).message, "other words")
      yield* node.reply
      assert.notInclude(yield* asked, "open the door")
    }).pipe(Effect.scoped)
  )

  it.live("without an id: the same words at once are one, later and other words are not", () =>
    Effect.gen(function* () {
      const { kit } = yield* start([{ text: "a" }, { text: "b" }])
      const node = yield* SpeakingNode.make(kit)
      assert.deepInclude(yield* node.say("next"), { reason: "started" })
      assert.deepInclude(yield* node.say("next"), { reason: "duplicate" })
      const again = yield* SpeakingNode.make({ connect: kit.connect, device: node.device })
      assert.deepInclude(yield* again.say("next"), { reason: "duplicate" })
      assert.deepInclude(yield* again.say("after next"), { reason: "started" })
    }).pipe(Effect.scoped)
  )

  it.live("is one of so many a minute", () =>
    Effect.gen(function* () {
      const { kit } = yield* start([{ text: "a" }])
      const node = yield* SpeakingNode.make(kit)
      for (let said = 0; said < 30; said++) yield* node.say("again", { eventId: "once" })
      const error = yield* refused(node.say("again", { eventId: "once" }))
      assert.include(error.message, "rate limit")
      assert.deepInclude(error, { code: "UNAVAILABLE", retryable: true })
    }).pipe(Effect.scoped)
  )
})

describe("a conversation that is not that of a node's user", () => {
  it.live("is neither spoken in by it nor told to it, and its person may be named as an owner", () =>
    Effect.gen(function* () {
      const { bot, config, kit } = yield* start([{ text: "hello Ada" }, { text: "it is noon" }], {
        telegram: true,
        config: { session: { dmScope: "per-channel-peer" } }
      })
      yield* bot.sendText({ from: ada, text: "hi" })
      const first = yield* bot.awaitReply({ chatId: ada.id })
      const node = yield* SpeakingNode.make(kit)
      const other = yield* SpeakingNode.make(kit)
      const sessionKey = `agent:main:telegram:direct:${ada.id}`
      for (const key of [sessionKey, "agent:main:telegram:group:-1", "direct:5", `node-${other.device.id}`]) {
        for (const call of [
          node.say("hi", { sessionKey: key }),
          node.ask("hi", { sessionKey: key }),
          node.follow(key)
        ]) {
          assert.include((yield* refused(call)).message, "not that of the node's user")
        }
      }
      assert.deepInclude(yield* node.follow(`node-${node.device.id}`), { reason: "subscribed" })
      yield* config.set("commands.ownerAllowFrom", [`telegram:${ada.id}`])
      assert.deepInclude(yield* node.say("what time is it", { sessionKey }), { reason: "started" })
      assert.strictEqual((yield* bot.awaitReply({ after: first.messageId })).text, "it is noon")
      yield* config.set("commands.ownerAllowFrom", ["*"])
      assert.include((yield* refused(node.say("and now", { sessionKey }))).message, "not that of the node's user")
    }).pipe(Effect.scoped)
  )
})

describe("a session that a node follows", () => {
  it.live("is told to it as long as it follows", () =>
    Effect.gen(function* () {
      const { kit } = yield* start([{ text: "one" }, { text: "two" }])
      const node = yield* SpeakingNode.make(kit)
      const operator = yield* kit.connect()
      const send = (idempotencyKey: string) =>
        operator.call["chat.send"]({ sessionKey: "main", message: "hi", idempotencyKey })
      assert.deepInclude(yield* node.follow("main"), { handled: true, reason: "subscribed" })
      yield* send("1")
      assert.deepStrictEqual(yield* node.reply, { state: "final", text: "one" })
      yield* node.unfollow("main")
      yield* send("2")
      yield* said(operator, 4)
      yield* node.event("node.presence.alive", { trigger: "background" })
      assert.deepStrictEqual(yield* Effect.timeoutOption(node.next, 0), nothing)
    }).pipe(Effect.scoped)
  )
})

describe("what is shared on a device", () => {
  it.live("goes to the chat where it says so, with a receipt, and to nobody who may not write", () =>
    Effect.gen(function* () {
      const { bot, kit } = yield* start([{ text: "hello Ada" }, { text: "read it" }, { text: "own" }], {
        telegram: true
      })
      yield* bot.addChat({ id: 99, type: "private", first_name: "Eve" })
      yield* bot.sendText({ from: ada, text: "hi" })
      yield* bot.awaitReply({ chatId: ada.id })
      const node = yield* SpeakingNode.make(kit)
      const eve = yield* refused(node.ask("look", { deliver: true, channel: "telegram", to: "99" }))
      assert.include(eve.message, "a node cannot have a reply sent there")
      yield* node.ask("look at this", { deliver: true, receipt: true, sessionKey: "main", eventId: "s1" })
      const texts = Effect.map(bot.sent, (sent) => sent.map(({ text }) => text))
      yield* Effect.repeat(texts, { until: (found) => found.includes("read it") })
      assert.sameMembers(yield* texts, ["hello Ada", "Got it from your device; I am on it.", "read it"])
      // Without `deliver` its session is the node's own, and so is the reply.
      yield* node.ask("and this")
      assert.deepStrictEqual(yield* node.reply, { state: "final", text: "own" })
      const operator = yield* kit.connect()
      const { sessions } = yield* operator.call["sessions.list"]({})
      assert.include(
        sessions.map(({ key }) => key),
        `agent:main:node-${node.device.id}`
      )
    }).pipe(Effect.scoped)
  )
})
