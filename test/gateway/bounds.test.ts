/** How long, how strange and how much a request may be. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Rig from "./rig.ts"

describe("names and numbers", () => {
  it.live("D10 agent's timeout in seconds may be as long as it likes", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      const answer = yield* raw.request("agent", { message: "hi", idempotencyKey: "k", timeout: 1e15 }, "a")
      assert.strictEqual(answer.payload?.status, "accepted")
      assert.strictEqual((yield* raw.answer("a", 1)).payload.status, "ok")
    }).pipe(Effect.scoped)
  )

  const send = { sessionKey: "main", message: "x", idempotencyKey: "k" }
  const invoke = { nodeId: "n", command: "c", idempotencyKey: "k" }
  it.live.each([
    ["chat.send", send, "sessionKey", 512],
    ["chat.send", send, "idempotencyKey", 256],
    ["chat.send", send, "agentId", 256],
    ["chat.history", { sessionKey: "main" }, "sessionKey", 512],
    ["chat.abort", { sessionKey: "main" }, "runId", 256],
    ["agent", { message: "x", idempotencyKey: "k" }, "sessionKey", 512],
    ["agent", { message: "x", idempotencyKey: "k" }, "idempotencyKey", 256],
    ["agent", { message: "x", idempotencyKey: "k" }, "to", 1024],
    ["send", { to: "1", message: "x", idempotencyKey: "k" }, "to", 1024],
    ["send", { to: "1", message: "x", idempotencyKey: "k" }, "channel", 256],
    ["node.invoke", invoke, "nodeId", 256],
    ["node.invoke", invoke, "command", 256],
    ["node.invoke", invoke, "idempotencyKey", 256],
    ["node.describe", { nodeId: "n" }, "nodeId", 256],
    ["node.pair.approve", { requestId: "r" }, "requestId", 256],
    ["device.pair.approve", { requestId: "r" }, "requestId", 256],
    ["channels.status", {}, "channel", 256]
  ] as const)("D7 and D11 %s: %o names %s within bounds", ([method, params, field, max]) =>
    Effect.gen(function* () {
      const { log, url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      for (const value of ["x".repeat(max + 1), "\ud800", "a\u0000", "a\nb", "\u0085"]) {
        const answer = yield* raw.request(method, { ...params, [field]: value })
        assert.strictEqual(answer.error?.code, "INVALID_REQUEST")
        assert.match(answer.error?.message ?? "", new RegExp(`^invalid ${method} params: at /${field}: must (be|not)`))
      }
      const longest = yield* raw.request(method, { ...params, [field]: "x".repeat(max - 12) })
      assert.notMatch(longest.error?.message ?? "", new RegExp(`at /${field}: must (be|not)`))
      assert.isAtMost(log.invokes.length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("D7 names of clients are clean too", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      for (const displayName of ["\ud800", "two\nlines", "x".repeat(257)]) {
        const { hello } = yield* Rig.connect(url, { client: { ...Rig.cli, displayName } })
        assert.match(hello.error?.message ?? "", /^invalid connect params: at \/client\/displayName: must (be|not)/)
      }
      const { hello } = yield* Rig.connect(url, { client: { ...Rig.cli, displayName: "Ünïcode 🦞 name" } })
      assert.isTrue(hello.ok)
    }).pipe(Effect.scoped)
  )
})

describe("D5 bytes at work", () => {
  it.live("requests of too many bytes at a time are refused, and one alone is not", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start({ limits: { maxInFlightBytes: 10_000 } })
      const { raw } = yield* Rig.connect(url)
      const extraSystemPrompt = "x".repeat(20_000)
      const waits = yield* raw.request("agent", { message: "wait", idempotencyKey: "a", extraSystemPrompt }, "a")
      assert.strictEqual(waits.payload.status, "accepted")
      const refused = yield* raw.request("health")
      assert.strictEqual(refused.error?.code, "UNAVAILABLE")
      assert.strictEqual(refused.error?.retryable, true)
      const other = yield* Rig.connect(url)
      const big = { message: "hi", idempotencyKey: "b", extraSystemPrompt }
      assert.isTrue((yield* other.raw.request("agent", big, "b")).ok)
      yield* other.raw.answer("b", 1)
      assert.isTrue((yield* other.raw.request("health")).ok, "what has ended counts no more")
    }).pipe(Effect.scoped)
  )
})

describe("D11 idempotency keys", () => {
  it.live("a key that was used for another message is a conflict, not an answer and not a retry", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      const chat = (message: string) => raw.request("chat.send", { sessionKey: "main", message, idempotencyKey: "k" })
      assert.strictEqual((yield* chat("one")).payload.status, "started")
      for (const other of [yield* chat("two"), yield* raw.request("agent", { message: "two", idempotencyKey: "k" })]) {
        assert.deepInclude(other.error, { code: "INVALID_REQUEST", details: { reason: "chat-request-conflict" } })
        assert.isUndefined(other.error?.retryable)
      }
      assert.strictEqual((yield* chat("one")).payload.status, "ok")
    }).pipe(Effect.scoped)
  )
})

describe("session keys", () => {
  it.live("D11 a session key names an agent that is there, and a conversation of it", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      const send = (sessionKey: string, extra = {}) =>
        raw.request("chat.send", { sessionKey, message: "x", idempotencyKey: sessionKey, ...extra })
      const problem = (answer: Rig.Frame) => `${answer.error?.code}: ${answer.error?.message}`
      assert.strictEqual(problem(yield* send("agent:nope:main")), 'INVALID_REQUEST: unknown agent id "nope"')
      assert.strictEqual(problem(yield* send("main", { agentId: "nope" })), 'INVALID_REQUEST: unknown agent id "nope"')
      const shape = "INVALID_REQUEST: sessionKey must be a name, or agent:<agent id>:<name>"
      for (const key of ["agent:", "agent:main", "agent:main:", "agent::main"]) {
        assert.strictEqual(problem(yield* send(key)), shape, key)
        assert.strictEqual(problem(yield* raw.request("chat.history", { sessionKey: key })), shape, key)
        assert.strictEqual(problem(yield* raw.request("chat.abort", { sessionKey: key })), shape, key)
        const agent = { message: "x", idempotencyKey: "k", sessionKey: key }
        assert.strictEqual(problem(yield* raw.request("agent", agent)), shape, key)
      }
      const other = yield* send("agent:nope:main", { agentId: "main" })
      assert.match(problem(other), /is not that of the session key$/)
      assert.match(problem(yield* send("main", { agentId: "main:x" })), /is not that of the session key$/)
      const turn = yield* raw.request("agent", { message: "x", idempotencyKey: "k", sessionKey: "agent:nope:main" })
      assert.strictEqual(problem(turn), 'INVALID_REQUEST: unknown agent id "nope"')
      assert.isTrue((yield* raw.request("chat.history", { sessionKey: "agent:nope:main" })).ok, "it can be read still")
      assert.isTrue((yield* send("agent:main:work")).ok)
    }).pipe(Effect.scoped)
  )
})
