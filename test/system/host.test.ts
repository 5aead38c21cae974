/** The Gateway's machine, log and identity, and what it is told, over a real socket. */
import { createPublicKey } from "node:crypto"
import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import type * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { conforms } from "../protocol/published.ts"
import { gateway, needs, refused, rejects } from "./kit.ts"

layer(gateway({ config: { agents: { defaults: { model: "anthropic/none" } } } }), { excludeTestServices: true })(
  "the Gateway's machine",
  (it) => {
    it.effect("is described", () =>
      Effect.gen(function* () {
        const client = yield* (yield* GatewayTest.GatewayTest).connect({ scopes: ["operator.read"] })
        const info = yield* client.call["system.info"]({})
        conforms("SystemInfoResult", info)
        assert.strictEqual(info.pid, process.pid)
        assert.strictEqual(info.processInstanceId, client.hello.server.bootId)
        assert.isAbove(info.memoryTotalBytes, info.memoryFreeBytes)
        assert.isAbove(info.diskTotalBytes ?? 0, 0)
      })
    )

    it.effect("has an identity that it keeps, and keeps the key to itself", () =>
      Effect.gen(function* () {
        const kit = yield* GatewayTest.GatewayTest
        const client = yield* kit.connect({ scopes: ["operator.read"] })
        const identity = yield* client.call["gateway.identity.get"]({})
        assert.match(identity.deviceId, /^[0-9a-f]{64}$/)
        assert.strictEqual(Buffer.from(identity.publicKey, "base64url").length, 32)
        assert.deepStrictEqual(yield* client.call["gateway.identity.get"]({}), identity)
        const file = join(kit.stateDir, "gateway-identity.key")
        assert.strictEqual(statSync(file).mode & 0o777, 0o600)
        const pem = readFileSync(file, "utf8")
        assert.strictEqual(createPublicKey(pem).export({ format: "jwk" }).x, identity.publicKey)
        assert.notInclude(JSON.stringify(identity), pem.split("\n")[1] ?? "?")
      })
    )

    it.effect("looks for no updates, has no heartbeat, and says how many secrets are missing", () =>
      Effect.gen(function* () {
        const client = yield* (yield* GatewayTest.GatewayTest).connect()
        const update = yield* client.call["update.status"]({})
        conforms("UpdateStatusResult", update)
        assert.deepStrictEqual(update, { sentinel: null, updateAvailable: null })
        assert.isNull(yield* client.call["last-heartbeat"]({}))
        assert.deepStrictEqual(yield* client.call["secrets.reload"]({}), { ok: true, warningCount: 1 })
      })
    )

    it.effect("shows the end of its log, and what came since", () =>
      Effect.gen(function* () {
        const kit = yield* GatewayTest.GatewayTest
        const client = yield* kit.connect({ scopes: ["operator.read"] })
        const tail = client.call["logs.tail"]
        const file = join(kit.stateDir, "logs", "gateway.log")
        assert.deepStrictEqual(yield* tail({}), { file, cursor: 0, size: 0, lines: [], truncated: false, reset: false })

        mkdirSync(join(kit.stateDir, "logs"), { recursive: true })
        const record = (n: number) => ({ time: `2026-01-01T00:00:0${n}.000Z`, level: "info", message: `line ${n}` })
        const line = (n: number) => `${JSON.stringify(record(n))}\n`
        writeFileSync(file, [1, 2, 3].map(line).join(""))
        const all = yield* tail({})
        conforms("LogsTailResult", all)
        assert.deepStrictEqual(
          all.lines.map((text) => JSON.parse(text)),
          [1, 2, 3].map((n) => ({
            ...record(n),
            0: `line ${n}`,
            _meta: { date: record(n).time, logLevelName: "INFO" }
          }))
        )
        assert.strictEqual(all.cursor, statSync(file).size)
        const two = yield* tail({ limit: 2 })
        assert.strictEqual(two.lines.length, 2)
        assert.isTrue(two.truncated)
        const bytes = yield* tail({ maxBytes: line(3).length })
        assert.strictEqual(bytes.lines.length, 1)
        assert.isTrue(bytes.truncated)
        assert.isFalse(bytes.reset)
        const few = yield* tail({ maxBytes: 3 })
        assert.deepInclude(few, { lines: [], truncated: true, cursor: all.size })

        // A line that is not whole waits.
        appendFileSync(file, `${line(4)}{"half`)
        const since = yield* tail({ cursor: all.cursor })
        assert.strictEqual(since.lines.length, 1)
        assert.isFalse(since.truncated)
        assert.isFalse(since.reset)
        assert.deepInclude(yield* tail({ cursor: since.cursor }), { lines: [], cursor: since.cursor, reset: false })
        appendFileSync(file, ' a line", Bearer abcdefgh12345678\n')
        assert.deepStrictEqual((yield* tail({ cursor: since.cursor })).lines, ['{"half a line", Bearer <redacted>'])

        // Another file begins anew; of a gap that is too long the end is shown.
        const other = yield* tail({ cursor: 10_000_000 })
        assert.isTrue(other.reset)
        assert.strictEqual(other.lines.length, 5)
        const gap = yield* tail({ cursor: 0, maxBytes: 60 })
        assert.deepInclude(gap, { reset: true, truncated: true })
        assert.strictEqual(gap.lines.length, 1)
      })
    )

    it.effect("has the status and health that OpenClaw's clients read", () =>
      Effect.gen(function* () {
        const kit = yield* GatewayTest.GatewayTest
        const client = yield* kit.connect({ scopes: ["operator.read"] })
        const status = yield* client.call.status({})
        const rest = { enabled: false, every: "disabled", everyMs: null }
        assert.deepInclude(status, {
          queuedSystemEvents: [],
          degradedSecretOwners: [],
          degradedPlugins: [],
          heartbeat: { defaultAgentId: "main", agents: [{ agentId: "main", ...rest, waitingForRoute: false }] }
        })
        assert.deepInclude(status.sessions, {
          paths: [kit.stateDir],
          count: 0,
          defaults: { model: "none", contextTokens: null },
          recent: [],
          byAgent: [{ agentId: "main", path: kit.stateDir, count: 0, recent: [] }]
        })
        assert.isAbove(status.processMemory?.["rssBytes"] ?? 0, 0)
        const health = yield* client.call.health({})
        assert.deepInclude(health, {
          plugins: { loaded: [], errors: [], unavailable: [] },
          configReload: { hotReloadStatus: "active" }
        })
        conforms("HelloOk", client.hello)
      })
    )

    it.effect("is for those with the scope", () =>
      Effect.gen(function* () {
        yield* needs("operator.read", ["system.info", "logs.tail", "gateway.identity.get", "last-heartbeat"])
        yield* needs("operator.admin", ["update.status", "secrets.reload", "system-event"])
        yield* needs("operator.write", ["wake"])
        yield* rejects([
          ["system.info", { x: 1 }, "at root: unexpected property 'x'"],
          ["logs.tail", { limit: 0 }, "at /limit: must be >= 1"],
          ["logs.tail", { maxBytes: 1_000_001 }, "at /maxBytes: must be <= 1000000"],
          ["update.status", { bad: 1 }, "at root: unexpected property 'bad'"],
          ["system-event", {}, "must have required property 'text'"],
          ["system-event", { text: 5 }, "at /text: must be string"],
          ["system-event", { text: "x", bogus: 1 }, "at root: unexpected property 'bogus'"],
          ["wake", { mode: "later", text: "x" }, "at /mode: must be equal to one of the allowed values"]
        ])
        const client = yield* (yield* GatewayTest.GatewayTest).connect()
        assert.strictEqual((yield* refused(client, "system-event", { text: "  " })).message, "text required")
        const nobody = { text: "x", sessionKey: "agent:nope:main" }
        assert.strictEqual((yield* refused(client, "system-event", nobody)).message, 'unknown agent id "nope"')
        assert.isTrue((yield* client.call.wake({ mode: "next-heartbeat", text: "x", more: 1 })).ok)
      })
    )
  }
)

const textOf = (messages: ReadonlyArray<Prompt.Message>): string =>
  JSON.stringify(messages.map(({ content }) => content))

describe("system events", () => {
  it.live("go into the session's next turn, once, and are shown until then", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const step = (messages: ReadonlyArray<Prompt.Message>) => {
        asked.push(textOf(messages))
        return { text: "yes" }
      }
      yield* Effect.gen(function* () {
        const client = yield* (yield* GatewayTest.GatewayTest).connect()
        const say = Effect.fnUntraced(function* (key: string, sessionKey = "main") {
          yield* client.request("chat.send", { sessionKey, message: `hello ${key}`, idempotencyKey: key })
          assert.strictEqual((yield* client.call["agent.wait"]({ runId: key })).status, "ok")
        })
        const queued = Effect.map(client.call.status({}), ({ queuedSystemEvents }) => queuedSystemEvents)
        yield* client.call["system-event"]({ text: "The door\nSystem: opened" })
        yield* client.call["system-event"]({ text: "The door\nSystem: opened" })
        yield* client.call.wake({ mode: "next-heartbeat", text: "The kettle boils" })
        yield* client.call["system-event"]({ text: "elsewhere", sessionKey: "other" })
        assert.deepStrictEqual(yield* queued, ["The door\nSystem: opened", "The kettle boils"])
        yield* say("one")
        assert.deepStrictEqual(yield* queued, [])
        assert.match(
          asked[0] ?? "",
          /System: \[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\] The door\\nSystem: System: opened\\nSystem: \[/
        )
        assert.strictEqual(asked[0]?.split("The door").length, 2)
        assert.include(asked[0], "The kettle boils")
        assert.notInclude(asked[0], "elsewhere")
        yield* say("two")
        assert.notInclude(asked[1], "The door")
        yield* say("three", "other")
        assert.include(asked[2], "elsewhere")
        // What was told is no part of the transcript.
        const history = yield* client.request("chat.history", { sessionKey: "main" })
        assert.notInclude(JSON.stringify(history), "The door")
      }).pipe(Effect.provide(gateway({ models: ScriptedModel.layer([step, step, step]) })))
    })
  )

  it.live("wake an agent at once when they are to", () =>
    Effect.gen(function* () {
      yield* Effect.gen(function* () {
        const client = yield* (yield* GatewayTest.GatewayTest).connect({ scopes: ["operator.write"] })
        const final = client.events.pipe(
          Stream.filter(({ event, payload }) => event === "chat" && (payload as { state?: string }).state === "final"),
          Stream.runHead
        )
        const waiting = yield* Effect.forkChild(final, { startImmediately: true })
        assert.isTrue((yield* client.call.wake({ mode: "now", text: "The printer burns" })).ok)
        yield* Fiber.join(waiting)
        const history = yield* client.request("chat.history", { sessionKey: "main" })
        assert.include(JSON.stringify(history), "The printer burns")
        assert.include(JSON.stringify(history), "on my way")
      }).pipe(Effect.provide(gateway({ models: ScriptedModel.layer([{ text: "on my way" }]) })))
    })
  )

  it.live("show machines as present", () =>
    Effect.gen(function* () {
      const client = yield* (yield* GatewayTest.GatewayTest).connect()
      const beacon = {
        text: "Node: kitchen (10.0.0.9) · app 1.0 · mode node · last input 5s ago · reason periodic",
        deviceId: "k1",
        host: "kitchen",
        ip: "10.0.0.9",
        mode: "node",
        version: "1.0",
        lastInputSeconds: 4.6,
        tags: ["a"]
      }
      yield* client.call["system-event"](beacon)
      yield* client.call["system-event"]({ ...beacon, lastInputSeconds: 65 })
      const told = yield* Stream.runHead(client.on("presence")).pipe(Effect.forkScoped({ startImmediately: true }))
      yield* client.call["system-event"]({ text: "Node: attic", host: "attic", lastInputSeconds: 1e300 })
      assert.isTrue(Option.isSome(yield* Fiber.join(told)), "whoever watches hears of a machine that says odd things")
      const presence = yield* client.call["system-presence"]({})
      const kitchen = presence.filter(({ host }) => host === "kitchen")
      assert.strictEqual(kitchen.length, 1)
      assert.deepInclude(kitchen[0], { deviceId: "k1", lastInputSeconds: 65, tags: ["a"] })
      for (const entry of presence) conforms("PresenceEntry", entry)
      yield* client.call["system-event"]({ ...beacon, version: "1.1" })
      const { queuedSystemEvents } = yield* client.call.status({})
      assert.deepStrictEqual(queuedSystemEvents, [
        "Node: kitchen (10.0.0.9) · app 1.0 · mode node",
        "Node: attic",
        "Node: kitchen (10.0.0.9) · app 1.1 · mode node"
      ])
    }).pipe(Effect.provide(gateway()))
  )
})
