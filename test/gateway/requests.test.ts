/** What a connection may send after `hello-ok`, and what it is answered. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { accessOf, MethodTable } from "../../src/protocol/MethodTable.ts"
import { takesMore } from "../protocol/mutations.ts"
import * as Rig from "./rig.ts"

const device = Rig.makeDevice()
const reader = { scopes: ["operator.read"] }

describe("requests", () => {
  it.live("missing, null and {} params are the same", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      for (const params of [undefined, null, {}]) {
        assert.isTrue((yield* raw.request("node.list", params)).ok)
      }
    }).pipe(Effect.scoped)
  )

  it.live("unknown methods are for admins", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const admin = yield* Rig.connect(url)
      const unknown = yield* admin.raw.request("foo.bar")
      assert.deepStrictEqual(unknown.error, { code: "INVALID_REQUEST", message: "unknown method: foo.bar" })
      const plain = yield* Rig.connect(url, reader)
      const denied = yield* plain.raw.request("foo.bar")
      assert.deepStrictEqual(denied.error, {
        code: "FORBIDDEN",
        message: "missing scope: operator.admin",
        details: { code: "MISSING_SCOPE", missingScope: "operator.admin", requiredScopes: ["operator.admin"] }
      })
      assert.strictEqual(
        (yield* admin.raw.request("connect")).error?.message,
        "connect is only valid as the first request"
      )
      assert.strictEqual((yield* plain.raw.request("connect")).error?.code, "FORBIDDEN")
    }).pipe(Effect.scoped)
  )

  it.live("C15 a missing scope is told before bad params are", () =>
    Effect.gen(function* () {
      const { log, url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url, reader)
      for (const params of [{}, { nodeId: "n", command: "c", idempotencyKey: "k" }]) {
        const answer = yield* raw.request("node.invoke", params)
        assert.strictEqual(answer.error?.message, "missing scope: operator.write")
      }
      assert.isTrue((yield* raw.request("node.list")).ok)
      assert.strictEqual(log.invokes.length, 0)
      const none = yield* Rig.connect(url, { scopes: undefined })
      assert.isTrue((yield* none.raw.request("health")).ok)
      assert.strictEqual((yield* none.raw.request("node.list")).error?.message, "missing scope: operator.read")
      const writer = yield* Rig.connect(url, { scopes: ["operator.write"] })
      assert.isTrue((yield* writer.raw.request("node.list")).ok)
    }).pipe(Effect.scoped)
  )

  it.live("C5 only some clients keep scopes without a device", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const scopes = Effect.fnUntraced(function* (client: Record<string, string>) {
        const { hello } = yield* Rig.connect(url, { client: { ...Rig.cli, ...client } })
        return hello.payload.auth.scopes as ReadonlyArray<string>
      })
      assert.deepStrictEqual(yield* scopes({}), ["operator.admin"])
      assert.deepStrictEqual(yield* scopes({ id: "gateway-client", mode: "backend" }), ["operator.admin"])
      assert.deepStrictEqual(yield* scopes({ id: "cli", mode: "probe" }), [])
      assert.deepStrictEqual(yield* scopes({ id: "test", mode: "test" }), [])
    }).pipe(Effect.scoped)
  )

  it.live("C5 and A9 a peer that speaks for another is remote: scopes emptied, no silent pairing", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      for (const header of ["X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "Tailscale-User-Login"]) {
        const headers = { [header]: "127.0.0.1" }
        const raw = yield* Rig.open(url, { headers })
        yield* raw.challenge
        const hello = yield* raw.request("connect", Rig.params())
        assert.deepStrictEqual(hello.payload.auth.scopes, [])
        const paired = yield* Rig.open(url, { headers })
        const answer = yield* paired.request("connect", Rig.signed(device, yield* paired.challenge, Rig.params()))
        assert.strictEqual(answer.error?.code, "NOT_PAIRED")
      }
    }).pipe(Effect.scoped)
  )

  it.live("C2 protocol 3 is for nodes and probes; 3-5 is for all", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const old = { minProtocol: 3, maxProtocol: 3 }
      assert.isTrue((yield* Rig.connectNode(url, Rig.makeDevice(), old)).hello.ok)
      assert.isTrue((yield* Rig.connect(url, { ...old, client: { ...Rig.cli, mode: "probe" } })).hello.ok)
      assert.isTrue((yield* Rig.connect(url, { minProtocol: 3, maxProtocol: 5 })).hello.ok)
    }).pipe(Effect.scoped)
  )

  it.live("C3 the secret may come as password", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      assert.isTrue((yield* Rig.connect(url, { auth: { password: Rig.TOKEN } })).hello.ok)
      assert.isTrue((yield* Rig.connect(url, { auth: { token: Rig.TOKEN, password: Rig.TOKEN } })).hello.ok)
    }).pipe(Effect.scoped)
  )

  it.live("D8 one id twice at a time gets both answers", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      raw.send({ type: "req", id: "same", method: "status" })
      raw.send({ type: "req", id: "same", method: "health" })
      assert.isTrue((yield* raw.answer("same", 0)).ok)
      assert.isTrue((yield* raw.answer("same", 1)).ok)
      const long = "x".repeat(512)
      assert.isTrue((yield* raw.request("health", {}, long)).ok)
      raw.send({ type: "req", id: "x".repeat(1_000_000), method: "health" })
      const invalid = yield* raw.answer("invalid")
      assert.match(
        invalid.error?.message ?? "",
        /^invalid request frame: at \/id: must not have more than 512 characters$/
      )
    }).pipe(Effect.scoped)
  )

  it.live("D7 and D8 bad frames are answered and the connection lives", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      raw.send("no json at all")
      raw.send(new Uint8Array([0xff, 0xfe]))
      for (const frame of [
        `{"type":"req","method":"health"}`,
        `{"type":"req","id":7,"method":"health"}`,
        "[]",
        "7",
        "null"
      ]) {
        const before = raw.frames.length
        raw.send(frame)
        const answer = yield* raw.until(() => raw.frames.slice(before).find((found) => found.id === "invalid"))
        assert.strictEqual(answer.error?.code, "INVALID_REQUEST")
        assert.match(answer.error?.message ?? "", /^invalid request frame: /)
      }
      raw.send(`{"type":"req","id":"echoed","method":"health","bogus":1}`)
      assert.match((yield* raw.answer("echoed")).error?.message ?? "", /unexpected property 'bogus'/)
      raw.send(`{"type":"req","id":"deep","method":"health","params":${"[".repeat(100_000)}${"]".repeat(100_000)}}`)
      assert.match((yield* raw.answer("deep")).error?.message ?? "", /^invalid request frame: nested deeper/)
      for (const method of ["__proto__", "constructor", "hasOwnProperty", "toString", "\u0000"]) {
        assert.strictEqual((yield* raw.request(method)).error?.message, `unknown method: ${method}`)
      }
      raw.send(`{"type":"req","id":"__proto__","method":"health","params":{"__proto__":{"polluted":1}}}`)
      assert.strictEqual((yield* raw.answer("__proto__")).error?.code, "INVALID_REQUEST")
      raw.send(
        `{"type":"req","id":"inf","method":"node.invoke","params":{"nodeId":"n","command":"c","idempotencyKey":"k","timeoutMs":1e400}}`
      )
      assert.match((yield* raw.answer("inf")).error?.message ?? "", /at \/timeoutMs: must be/)
      const keys = JSON.stringify(Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`k${index}`, 1])))
      raw.send(`{"type":"req","id":"wide","method":"health","params":${keys}}`)
      assert.match((yield* raw.answer("wide")).error?.message ?? "", /^invalid request frame: more than 50000 values/)
      raw.send(`{"type":"req","id":"large","method":"health","params":{"x":"${"y".repeat(1_048_576)}"}}`)
      assert.strictEqual((yield* raw.answer("large")).error?.message, "health takes at most 1048576 bytes")
      assert.isUndefined(({} as Record<string, unknown>)["polluted"])
      assert.isTrue((yield* raw.request("health")).ok)
    }).pipe(Effect.scoped)
  )

  it.live("D10 timeouts that are none are refused by place", () =>
    Effect.gen(function* () {
      const { log, url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      const params = { nodeId: "n", command: "c", idempotencyKey: "k" }
      for (const timeoutMs of [-1, "5", null, 1.5, [], {}]) {
        const answer = yield* raw.request("node.invoke", { ...params, timeoutMs })
        assert.match(answer.error?.message ?? "", /^invalid node\.invoke params: at \/timeoutMs: must be/)
      }
      assert.strictEqual(log.invokes.length, 0)
      for (const timeoutMs of [0, 1e12]) yield* raw.request("node.invoke", { ...params, timeoutMs })
      assert.deepStrictEqual(
        log.invokes.map((invoke) => invoke.timeoutMs),
        [0, 1e12]
      )
    }).pipe(Effect.scoped)
  )

  it.live("D9 every method refuses an unknown param by name", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const operator = yield* Rig.connect(url)
      const node = yield* Rig.connectNode(url, Rig.makeDevice())
      for (const [method] of MethodTable.requests) {
        const raw = accessOf(method) === "node" ? node.raw : operator.raw
        const text = yield* raw.request(method, "text")
        assert.strictEqual(text.error?.message, `invalid ${method} params: must be object`)
        if (takesMore(method)) continue
        const answer = yield* raw.request(method, { "not a param": 1 })
        assert.strictEqual(answer.error?.code, "INVALID_REQUEST", method)
        assert.match(answer.error?.message ?? "", new RegExp(`^invalid ${method} params: `))
      }
    }).pipe(Effect.scoped)
  )

  it.live("an answer that does not fit its row is INTERNAL, and logged with what does not", () =>
    Effect.gen(function* () {
      const { logs, url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      const answer = yield* raw.request("send", { to: "namelessly", message: "hello", idempotencyKey: "k" })
      assert.strictEqual(answer.error?.code, "INTERNAL")
      assert.notInclude(answer.error?.message, "messageId")
      assert.isTrue(logs.some((line) => /what send was to answer does not fit.*messageId/s.test(line)))
    }).pipe(Effect.scoped)
  )

  it.live("a defect is INTERNAL without its text, and logged with it", () =>
    Effect.gen(function* () {
      const { logs, url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      const answer = yield* raw.request("chat.send", { sessionKey: "main", message: "crash", idempotencyKey: "k" })
      assert.strictEqual(answer.error?.code, "INTERNAL")
      assert.notInclude(JSON.stringify(answer), "secret")
      assert.isTrue(logs.some((line) => line.includes("the secret reason of a crash")))
      assert.isTrue((yield* raw.request("health")).ok)
    }).pipe(Effect.scoped)
  )

  it.live("more requests at a time than the bound are refused, and the bound frees again", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start({ limits: { maxInFlight: 2 } })
      const { raw } = yield* Rig.connect(url)
      const agent = (key: string, message: string) => raw.request("agent", { message, idempotencyKey: key }, key)
      yield* agent("a", "wait")
      yield* agent("b", "wait")
      const refused = yield* raw.request("health")
      assert.strictEqual(refused.error?.code, "UNAVAILABLE")
      assert.isTrue(refused.error?.retryable)
      const other = yield* Rig.connect(url)
      assert.isTrue((yield* other.raw.request("health")).ok)
    }).pipe(Effect.scoped)
  )
})

describe("agent and chat", () => {
  it.live("agent answers twice, accepted then final", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      const accepted = yield* raw.request("agent", { message: "hi", idempotencyKey: "run-1" }, "a")
      assert.strictEqual(accepted.payload.status, "accepted")
      assert.strictEqual(accepted.payload.sessionKey, "agent:main:main")
      assert.isNumber(accepted.payload.acceptedAt)
      const final = yield* raw.answer("a", 1)
      assert.isTrue(final.ok)
      assert.strictEqual(final.payload.status, "ok")
      assert.deepStrictEqual(final.payload.result.payloads, [{ text: "you said hi", mediaUrl: null }])
      const again = yield* raw.request("agent", { message: "hi", idempotencyKey: "run-1" }, "b")
      assert.strictEqual(again.payload.status, "ok", "the same key after the end: the end alone")
    }).pipe(Effect.scoped)
  )

  it.live("a failed turn is ok: false with payload and error", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      yield* raw.request("agent", { message: "fail", idempotencyKey: "run-2" }, "a")
      const final = yield* raw.answer("a", 1)
      assert.isFalse(final.ok)
      assert.strictEqual(final.payload.status, "error")
      assert.deepStrictEqual(final.error, { code: "UNAVAILABLE", message: "the model is not available" })
      const nobody = yield* raw.request("agent", { message: "x", agentId: "nope", idempotencyKey: "r" })
      assert.strictEqual(nobody.error?.message, `invalid agent params: unknown agent id "nope"`)
    }).pipe(Effect.scoped)
  )

  it.live("chat.send starts once, /stop aborts, /new starts anew", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      const chat = (message: string, idempotencyKey: string, extra = {}) =>
        raw.request("chat.send", { sessionKey: "main", message, idempotencyKey, ...extra })
      assert.deepStrictEqual((yield* chat("hi", "c1")).payload, { runId: "c1", status: "started" })
      assert.deepStrictEqual((yield* chat("hi", "c1")).payload, { runId: "c1", status: "ok" })
      assert.deepStrictEqual((yield* chat("wait", "c2")).payload, { runId: "c2", status: "started" })
      assert.deepStrictEqual((yield* chat("wait", "c2")).payload, { runId: "c2", status: "in_flight" })
      assert.deepStrictEqual((yield* chat("/stop", "c3")).payload, { ok: true, aborted: false, runIds: [] })
      assert.strictEqual(
        (yield* chat("/stop", "c4", { suppressCommandInterpretation: true })).payload.status,
        "started"
      )
      assert.strictEqual((yield* chat("/new", "c5")).payload.status, "started")
      const event = yield* raw.event("chat")
      assert.strictEqual(event.payload.runId, "c5")
      assert.strictEqual(event.payload.state, "final")
      assert.strictEqual(
        (yield* chat("x".repeat(10), "c6", { sessionKey: "k".repeat(510) })).error?.code,
        "INVALID_REQUEST"
      )
      const history = yield* raw.request("chat.history", { sessionKey: "main", maxChars: 2 })
      assert.strictEqual(history.payload.sessionKey, "main")
      assert.deepInclude(history.payload.messages[0], { role: "user", content: "he…" })
      assert.deepStrictEqual(history.payload.inFlightRun, { runId: "c2", text: "so far" })
      assert.isTrue((yield* raw.request("chat.abort", { sessionKey: "main", runId: "c2" })).payload.aborted)
    }).pipe(Effect.scoped)
  )

  it.live("send, sessions.list, status and channels.status answer", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      const sent = yield* raw.request("send", { to: "1", message: "x", idempotencyKey: "k" })
      assert.deepStrictEqual(sent.payload, { runId: "k", messageId: "m1", channel: "telegram", chatId: "1" })
      assert.strictEqual((yield* raw.request("send", { to: "1", idempotencyKey: "k" })).error?.code, "INVALID_REQUEST")
      assert.strictEqual((yield* raw.request("sessions.list")).payload.count, 1)
      const status = (yield* raw.request("status")).payload
      assert.isTrue(status.supervisor.some((row: { name: string }) => row.name === "gateway/tick"))
      assert.isTrue((yield* raw.request("channels.status", { probe: true })).ok)
      assert.strictEqual((yield* raw.request("system-presence")).payload[0].reason, "self")
    }).pipe(Effect.scoped)
  )
})
