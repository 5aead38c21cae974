/** What OpenAI's API refuses, and how it says so. */
import { request as httpRequest } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import type * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import * as Kit from "./kit.ts"

const CHAT = "/v1/chat/completions"
const hi = [{ role: "user", content: "hi" }]
const on: OpenClawConfig = { gateway: { http: { endpoints: { chatCompletions: { enabled: true } } } } }
const start = (...script: ScriptedModel.Script) => Kit.start(on, ...script)

describe("/v1/chat/completions", () => {
  it.live("begins a conversation once, although two ask at once", () =>
    Effect.gen(function* () {
      const { ask, kit } = yield* start({ text: "ok" }, { text: "ok" })
      const body = {
        messages: [{ role: "user", content: "before" }, { role: "assistant", content: "yes" }, ...hi],
        user: "ada"
      }
      yield* Effect.all([ask(CHAT, { body }), ask(CHAT, { body })], { concurrency: 2 })
      const client = yield* kit.connect()
      const page = yield* client.call["chat.history"]({ sessionKey: "agent:main:openai-user:ada" })
      const texts = "kind" in page ? [] : page.messages.map(({ content }) => JSON.stringify(content))
      assert.lengthOf(
        texts.filter((text) => text.includes("before")),
        1
      )
      assert.lengthOf(texts, 6)
    }).pipe(Effect.scoped)
  )

  it.live("adds nothing to a conversation that was put away, as no program does", () =>
    Effect.gen(function* () {
      const { ask, kit } = yield* start({ text: "ok" })
      const body = { messages: hi, user: "ada" }
      assert.strictEqual((yield* ask(CHAT, { body })).status, 200)
      const client = yield* kit.connect()
      const key = "agent:main:openai-user:ada"
      const { session } = yield* client.call["sessions.describe"]({ key })
      yield* client.call["sessions.patch"]({ key, archived: true, expectedSessionId: session!.sessionId })
      const refused = yield* ask(CHAT, { body })
      assert.strictEqual(refused.status, 400)
      assert.match(refused.json.error.message, /is archived\. Restore it/)
      const woken = yield* Effect.flip(client.call.wake({ mode: "now", text: "hello", sessionKey: key }))
      assert.match(woken.message, /is archived\. Restore it/)
    }).pipe(Effect.scoped)
  )

  it.live("says in OpenAI's shape what is wrong with a request", () =>
    Effect.gen(function* () {
      const { ask } = yield* start()
      const chat = (body: unknown, headers = {}) => ask(CHAT, { body, headers })
      const rows: ReadonlyArray<readonly [string, unknown, RegExp, Record<string, string>?]> = [
        ["no body", "", /Missing user message/],
        ["no JSON", "{", /not JSON/],
        ["an array", [], /Expected object/],
        ["no messages", {}, /Missing user message/],
        ["nothing said", { messages: [{ role: "user", content: " " }] }, /Missing user message/],
        ["another's model", { model: "gpt-4", messages: hi }, /Invalid `model`/],
        ["an unknown agent", { model: "openclaw/nobody", messages: hi }, /Unknown agent 'nobody'/],
        ["an unknown agent by header", { messages: hi }, /Unknown agent 'nobody'/, { "x-openclaw-agent-id": "nobody" }],
        ["an unknown agent's key", { messages: hi }, /unknown agent id "x"/, { "x-openclaw-session-key": "agent:x:y" }],
        ["a reserved key", { messages: hi }, /reserved internal/, { "x-openclaw-session-key": "subagent:x" }],
        ["a reserved whole key", { messages: hi }, /reserved/, { "x-openclaw-session-key": "agent:main:cron:x" }],
        ["a long user", { messages: hi, user: "u".repeat(600) }, /longer than 512/],
        ["temperature", { messages: hi, temperature: 9 }, /temperature/],
        ["top_p", { messages: hi, top_p: 2 }, /top_p/],
        ["seed", { messages: hi, seed: 1.5 }, /seed/],
        ["max_tokens", { messages: hi, max_tokens: 0 }, /max_tokens/],
        ["stop", { messages: hi, stop: ["a", "b", "c", "d", "e"] }, /stop/],
        ["stream", { messages: hi, stream: "yes" }, /stream/],
        ["tools that are none", { messages: hi, tools: {} }, /tools/],
        ["tools", { messages: hi, tools: [{ type: "function", function: { name: "f" } }] }, /not supported/],
        ["an image", { messages: [{ role: "user", content: [{ type: "image_url" }] }] }, /image_url/],
        ["an unknown role", { messages: [{ role: "wizard", content: "x" }, ...hi] }, /role `wizard`/],
        ["only an answer", { messages: [{ role: "assistant", content: "x" }] }, /Missing user message/],
        ["a deep body", `{"messages":${"[".repeat(500)}${"]".repeat(500)}}`, /nested deeper/],
        ["a prototype", `{"__proto__":{"messages":[]},"constructor":1}`, /Missing user message/]
      ]
      for (const [name, body, message, headers] of rows) {
        const { json, status } = yield* chat(body, headers)
        assert.strictEqual(status, 400, name)
        assert.deepStrictEqual(Object.keys(json.error), ["message", "type"], name)
        assert.strictEqual(json.error.type, "invalid_request_error", name)
        assert.match(json.error.message, message, name)
      }
    }).pipe(Effect.scoped)
  )

  it.live("D14: refuses bodies that are too large, packed, or never end", () =>
    Effect.gen(function* () {
      const { ask, port, token } = yield* start({ text: "still here" })
      const big = Buffer.alloc(20 * 1024 * 1024 + 1, 32)
      const large = yield* ask(CHAT, { body: big })
      assert.strictEqual(large.status, 413)
      assert.strictEqual(large.json.error.message, "Payload too large")
      assert.strictEqual((yield* ask("/tools/invoke", { body: Buffer.alloc(2 * 1024 * 1024 + 1, 32) })).status, 413)
      const packed = yield* ask(CHAT, { body: "x", headers: { "content-encoding": "gzip" } })
      assert.strictEqual(packed.status, 415)
      // Chunked, without a length and without an end.
      const endless = yield* Effect.callback<{ readonly status: number; readonly cut: boolean }>((resume) => {
        let status = 0
        const sent = httpRequest(
          { port, path: "/tools/invoke", method: "POST", headers: { authorization: `Bearer ${token}` } },
          (response) => {
            status = response.statusCode ?? 0
            response.resume()
          }
        )
        const piece = Buffer.alloc(64 * 1024, 32)
        const more = () => {
          while (!sent.destroyed && sent.write(piece));
        }
        sent.on("drain", more)
        sent.on("error", () => undefined)
        sent.on("close", () => resume(Effect.succeed({ status, cut: true })))
        more()
      })
      assert.deepStrictEqual(endless, { status: 413, cut: true })
      assert.strictEqual((yield* ask(CHAT, { body: { messages: hi } })).status, 200)
    }).pipe(Effect.scoped)
  )
})
