/** What the Gateway says of itself: how busy it is, who is present, and how much of the model's window a session has used. */
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { judge, make } from "../../src/layers/gateway/EventLoop.ts"
import { ephemeral } from "../../src/client/DeviceIdentity.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { conforms } from "../protocol/published.ts"
import { gateway } from "./kit.ts"

const idle = { intervalMs: 1000, delayP99Ms: 0, delayMaxMs: 0, utilization: 0.1, cpuCoreRatio: 0.1 }

describe("the event loop", () => {
  it("is degraded when timers are late or the thread is never free", () => {
    const reasons = (numbers: Partial<typeof idle>) => judge({ ...idle, ...numbers }, undefined).reasons
    assert.deepStrictEqual(reasons({}), [])
    assert.deepStrictEqual(reasons({ delayP99Ms: 1000 }), ["event_loop_delay"])
    assert.deepStrictEqual(reasons({ delayMaxMs: 5000 }), [])
    assert.deepStrictEqual(reasons({ utilization: 0.95 }), ["event_loop_utilization"])
    assert.deepStrictEqual(reasons({ cpuCoreRatio: 2 }), [])
    assert.deepStrictEqual(reasons({ cpuCoreRatio: 2, delayP99Ms: 200 }), ["cpu"])
  })

  it("says for how long, until it is well again", () => {
    const late = { ...idle, delayP99Ms: 1000 }
    const first = judge(late, undefined)
    assert.deepInclude(first, { degraded: true, degradedSinceMs: 0 })
    const second = judge({ ...late, intervalMs: 2000 }, first)
    assert.strictEqual(second.degradedSinceMs, 2000)
    const well = judge(idle, second)
    assert.deepInclude(well, { degraded: false, degradedSinceMs: null })
    assert.strictEqual(judge(late, well).degradedSinceMs, 0)
  })

  it.effect("is told by windows of a second or more, and a look within one changes nothing", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const look = yield* Scope.provide(make, scope)
      assert.isUndefined(look())
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(look())
      yield* TestClock.adjust("1 millis")
      const first = look()
      assert.strictEqual(first?.intervalMs, 1000)
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(look(), first)
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(look()?.intervalMs, 60_999)
      yield* Scope.close(scope, Exit.void)
    })
  )

  it.live("is in health, status and channels.status", () =>
    Effect.gen(function* () {
      const client = yield* (yield* GatewayTest.GatewayTest).connect({ scopes: ["operator.read"] })
      const health = yield* client.call.health({}).pipe(Effect.repeat({ until: (it) => it.eventLoop !== undefined }))
      const { storage: _ours, ...published } = health
      conforms("Snapshot", { presence: [], health: published, stateVersion: { presence: 1, health: 1 }, uptimeMs: 1 })
      assert.isAtLeast(health.eventLoop?.intervalMs ?? 0, 1000)
      const status = yield* client.call.status({})
      assert.isDefined(status.eventLoop)
      const channels = yield* client.call["channels.status"]({})
      conforms("ChannelsStatusResult", channels)
      assert.isDefined(channels.eventLoop)
    }).pipe(Effect.provide(gateway()))
  )
})

describe("channels", () => {
  it.live("are shown by their names, long and short, and their symbols", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const telegram = { botToken: bot.token, apiRoot: bot.url }
      yield* Effect.gen(function* () {
        const client = yield* (yield* GatewayTest.GatewayTest).connect({ scopes: ["operator.read"] })
        const status = yield* client.call["channels.status"]({})
        conforms("ChannelsStatusResult", status)
        const shown = { label: "Telegram", detailLabel: "Telegram Bot", systemImage: "paperplane" }
        assert.deepStrictEqual(status.channelMeta, [{ id: "telegram", ...shown }])
        assert.deepStrictEqual(status.channelDetailLabels, { telegram: shown.detailLabel })
        assert.deepStrictEqual(status.channelSystemImages, { telegram: shown.systemImage })
      }).pipe(Effect.provide(gateway({ config: { channels: { telegram } } })))
    }).pipe(Effect.scoped)
  )
})

describe("the greeting", () => {
  it.live("says that the page is of another program, when it is: it would take itself for outdated", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const root = yield* files.makeTempDirectoryScoped()
      yield* files.writeFileString(join(root, "index.html"), "<title>page</title>")
      const greet = (config: GatewayTest.GatewayTestOptions["config"] & object) =>
        Effect.gen(function* () {
          return (yield* (yield* GatewayTest.GatewayTest).connect()).hello.server
        }).pipe(Effect.provide(gateway({ config })), Effect.scoped)
      assert.strictEqual((yield* greet({ gateway: { controlUi: { root } } })).controlUiBuildSource, "configured")
      assert.isUndefined((yield* greet({})).controlUiBuildSource)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("presence", () => {
  it.live("has the client itself in its greeting, and says since when it is there", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const identity = yield* ephemeral
      const client = yield* kit.connect({
        client: { id: "openclaw-tui", mode: "ui", version: "1", platform: "test" },
        device: identity
      })
      const { snapshot } = client.hello
      for (const entry of snapshot.presence) conforms("PresenceEntry", entry)
      const own = snapshot.presence.find(({ deviceId }) => deviceId === identity.id)
      assert.deepInclude(own, { mode: "ui", roles: ["operator"] })
      assert.strictEqual(own?.onlineSince, own?.ts)
      assert.isUndefined(own?.ip)
      assert.deepInclude(yield* client.call["system-presence"]({}), own)
      assert.deepStrictEqual(snapshot.suspension, { phase: "accepting" })
      assert.deepInclude(snapshot.sessionDefaults, { ownership: "sole", selectionRequired: false })

      // Who comes for one call is not shown, to itself neither.
      const passing = yield* kit.connect()
      assert.isFalse(passing.hello.snapshot.presence.some(({ mode }) => mode === "cli"))
    }).pipe(Effect.provide(gateway()), Effect.scoped)
  )
})

const config = {
  models: { providers: { scripted: { models: [{ id: "model", contextWindow: 1000 }] } } },
  agents: { defaults: { model: "scripted/model" }, entries: { main: {}, ops: { model: "mock/other" } } }
}
const script = [{ text: "yes", usage: { inputTokens: 240, outputTokens: 10 } }, { text: "yes" }]

describe("a session", () => {
  it.live("shows how much of the model's window is used, in each place where it is shown", () =>
    Effect.gen(function* () {
      const client = yield* (yield* GatewayTest.GatewayTest).connect()
      const turn = { message: "hi", agentId: "main", idempotencyKey: "k" }
      yield* client.request("agent", turn)
      yield* client.call["agent.wait"]({ runId: "k" })
      // Asked again, a turn that has ended is answered by its end.
      const answer = yield* client.request("agent", turn)
      const { meta } = (answer as { readonly result: { readonly meta: Record<string, unknown> } }).result
      const { sessions } = yield* client.call["sessions.list"]({})
      const row = sessions[0]
      conforms("SessionRow", row)
      assert.deepInclude(meta, { stopReason: "stop", aborted: false, finalAssistantVisibleText: "yes" })
      assert.deepInclude(meta["agentMeta"], {
        sessionId: row?.sessionId,
        usage: { input: 240, output: 10, total: 250 }
      })
      assert.deepInclude(row, {
        chatType: "direct",
        isBackground: false,
        abortedLastRun: false,
        totalTokens: 250,
        totalTokensFresh: true
      })
    }).pipe(Effect.provide(gateway({ config, models: ScriptedModel.layer(script) })), Effect.scoped)
  )

  it.live("is in status as OpenClaw's command line prints it", () =>
    Effect.gen(function* () {
      const client = yield* (yield* GatewayTest.GatewayTest).connect()
      yield* client.request("agent", { message: "hi", agentId: "main", idempotencyKey: "k" })
      yield* client.call["agent.wait"]({ runId: "k" })
      const { sessions } = yield* client.call.status({})
      const { recent } = sessions as { readonly recent: ReadonlyArray<Record<string, unknown>> }
      assert.deepInclude(recent[0], {
        agentId: "main",
        key: "agent:main:main",
        totalTokens: 250,
        contextTokens: 1000,
        remainingTokens: 750,
        percentUsed: 25,
        model: "model",
        configuredModel: "scripted/model",
        selectedModel: "scripted/model",
        modelSelectionReason: null
      })
      // Another agent's, whose last turn another model took, and one whose model was chosen for it.
      yield* client.request("agent", { message: "hi", agentId: "ops", idempotencyKey: "k2" })
      yield* client.call["agent.wait"]({ runId: "k2" })
      yield* client.call["sessions.patch"]({ key: "agent:ops:chosen", model: "any/model" })
      const { byAgent } = (yield* client.call.status({})).sessions as {
        readonly byAgent: ReadonlyArray<{ readonly recent: ReadonlyArray<unknown> }>
      }
      const [chosen, other] = byAgent[1]?.recent ?? []
      assert.deepInclude(other, {
        model: "model",
        configuredModel: "mock/other",
        selectedModel: "mock/other",
        modelSelectionReason: null
      })
      assert.deepInclude(chosen, {
        key: "agent:ops:chosen",
        selectedModel: "scripted/model",
        modelSelectionReason: "session override",
        totalTokens: null
      })
      const { defaults, sessions: rows } = yield* client.call["sessions.list"]({})
      assert.deepInclude(rows[0], { contextTokens: 1000 })
      assert.deepInclude(defaults, { contextTokens: 1000, thinkingDefault: "off", modelSelectionTarget: "session" })
    }).pipe(Effect.provide(gateway({ config, models: ScriptedModel.layer(script) })), Effect.scoped)
  )
})
