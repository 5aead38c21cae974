/** `models.list` and `models.authStatus` over a real socket. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { conforms } from "../protocol/published.ts"
import { gateway, needs, refused, rejects } from "./kit.ts"

const KEY = "sk-not-to-be-shown-0123456789"
const config = {
  models: {
    providers: {
      mock: {
        baseUrl: "http://127.0.0.1:9/v1",
        apiKey: KEY,
        models: [{ id: "one", name: "One", contextWindow: 128_000 }, { id: "two" }]
      },
      own: { baseUrl: "http://127.0.0.1:9/v1", models: [{ id: "a/b" }] },
      "keyless-test": { api: "openai-completions", models: [{ id: "x" }] },
      anthropic: { models: [{ id: "claude" }] }
    }
  },
  agents: {
    defaults: { model: { primary: "mock/one", fallbacks: ["builtin/offline"] } },
    entries: { main: {}, ops: { model: "anthropic/claude" } }
  }
}

layer(gateway({ config }), { excludeTestServices: true })("models", (it) => {
  it.effect("are those of the configuration, with what each lacks", () =>
    Effect.gen(function* () {
      const client = yield* (yield* GatewayTest.GatewayTest).connect({ scopes: ["operator.read"] })
      const list = client.call["models.list"]
      const answer = yield* list({})
      conforms("ModelsListResult", answer)
      const byRef = new Map(answer.models.map((model) => [`${model.provider}/${model.id}`, model]))
      assert.deepStrictEqual(byRef.get("mock/one"), {
        id: "one",
        name: "One",
        provider: "mock",
        contextWindow: 128_000,
        reasoning: false,
        tags: ["default"],
        thinkingLevels: [{ id: "off", label: "off" }],
        thinkingDefault: "off",
        available: true
      })
      assert.deepInclude(byRef.get("builtin/offline"), { tags: ["fallback#1"], available: true })
      assert.deepInclude(byRef.get("own/a/b"), { id: "a/b", provider: "own", available: true })
      assert.deepInclude(byRef.get("anthropic/claude"), { available: false, unavailableReason: "missing-auth" })
      assert.strictEqual(byRef.get("keyless-test/x")?.available, false)
      assert.strictEqual(byRef.size, 6)
      const ops = yield* list({ agentId: "ops", view: "all" })
      assert.deepStrictEqual(
        ops.models.filter(({ tags }) => tags !== undefined).map(({ id }) => id),
        ["claude"]
      )
      assert.strictEqual(
        (yield* refused(client, "models.list", { agentId: "nope" })).message,
        'unknown agent id "nope"'
      )
    })
  )

  it.effect("have keys that are never shown", () =>
    Effect.gen(function* () {
      const client = yield* (yield* GatewayTest.GatewayTest).connect({ scopes: ["operator.read"] })
      const status = yield* client.call["models.authStatus"]({})
      assert.deepStrictEqual(
        status.providers.map(({ apiKey, provider, status }) => [provider, status, apiKey?.source]),
        [
          ["mock", "static", "config"],
          ["anthropic", "missing", undefined]
        ]
      )
      assert.notInclude(JSON.stringify(status), KEY)
      assert.notInclude(JSON.stringify(yield* client.call["models.list"]({})), KEY)
      assert.deepStrictEqual(yield* refused(client, "models.authStatus", { agentId: "nope" }), {
        code: "INVALID_REQUEST",
        message: 'unknown agent id "nope"',
        details: { code: "UNKNOWN_AGENT_ID", agentId: "nope" }
      })
    })
  )

  it.effect("are for those who may read", () =>
    Effect.gen(function* () {
      yield* needs("operator.read", ["models.list", "models.authStatus"])
      yield* rejects([
        ["models.list", { view: "some" }, "at /view: must be equal to one of the allowed values"],
        ["models.list", { preparedOnly: true, refresh: true }, "at root: must be preparedOnly or refresh, not both"],
        ["models.authStatus", { refresh: 1 }, "at /refresh: must be boolean"]
      ])
    })
  )
})
