/**
 * Which model a reference means, where its key comes from, and what is said when there is none.
 */
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as ModelsLive from "../../src/layers/models/Models.ts"
import { targetOf } from "../../src/layers/models/providers.ts"
import { Config } from "../../src/services/Config.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { Models } from "../../src/services/Models.ts"
import * as Server from "../../src/testing/ProviderServer.ts"
import { modelsLayer } from "./fixtures.ts"

const resolve = (
  config: OpenClawConfig,
  options: { readonly ref?: string; readonly agentId?: string; readonly env?: Record<string, string> } = {}
) =>
  Models.use((models) => models.resolve(options.ref, options.agentId)).pipe(
    Effect.provide(modelsLayer(config, { env: options.env ?? {} }))
  )

describe("resolve", () => {
  it.effect("takes the reference, else the agent's model, else the default", () =>
    Effect.gen(function* () {
      const config: OpenClawConfig = {
        agents: {
          defaults: { model: { primary: "local/default" } },
          list: [{ id: "main" }],
          entries: { coder: { model: "local/big/coder" } }
        },
        models: { providers: { local: { baseUrl: "http://127.0.0.1:1/v1", models: [{ id: "tiny" }] } } }
      }
      assert.strictEqual((yield* resolve(config)).ref, "local/default")
      assert.strictEqual((yield* resolve(config, { agentId: "main" })).ref, "local/default")
      const own = yield* resolve(config, { agentId: "coder" })
      assert.deepInclude(own, { ref: "local/big/coder", provider: "local", model: "big/coder" })
      assert.strictEqual((yield* resolve(config, { ref: "builtin/offline", agentId: "coder" })).provider, "builtin")
      assert.strictEqual((yield* resolve(config, { ref: "tiny" })).ref, "local/tiny")
      const defaultRef = Models.use((models) => models.defaultRef)
      assert.strictEqual(yield* Effect.provide(defaultRef, modelsLayer(config)), "local/default")
      assert.isUndefined(yield* Effect.provide(defaultRef, modelsLayer({})))
    })
  )

  it.effect(
    "falls back to the next reference when the first has no key, and tells about the first when none works",
    () =>
      Effect.gen(function* () {
        const model = { primary: "anthropic/x", fallbacks: ["openai/y", "builtin/offline"] }
        assert.strictEqual((yield* resolve({ agents: { defaults: { model } } })).ref, "builtin/offline")
        const chosen = yield* resolve({ agents: { defaults: { model: { ...model, primary: "builtin/offline" } } } })
        // One that can be used has the others behind it, those that cannot be used left out.
        const next = yield* chosen.next ?? Effect.die("it has no next")
        assert.deepStrictEqual([next?.ref, next?.next], ["builtin/offline", undefined])
        const error = yield* Effect.flip(
          resolve({ agents: { defaults: { model: { primary: "anthropic/x", fallbacks: ["openai/y"] } } } })
        )
        assert.strictEqual(error.model, "anthropic/x")
      })
  )

  it.effect("says in one sentence what is missing", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [OpenClawConfig, string | undefined, string, RegExp]> = [
        [{}, undefined, "not-configured", /agents\.defaults\.model/],
        [{}, "anthropic/claude", "missing-key", /ANTHROPIC_API_KEY/],
        [{}, "openai/gpt", "missing-key", /OPENAI_API_KEY/],
        [{}, "nowhere/model", "unknown-provider", /models\.providers\.nowhere\.baseUrl/],
        [{}, "nonsense", "unknown-provider", /provider\/model/],
        [{}, "__proto__/x", "unknown-provider", /no model provider/],
        [
          { models: { providers: { p: { baseUrl: "http://h/v1", api: "bedrock-converse-stream" } } } },
          "p/x",
          "load-failed",
          /does not speak/
        ],
        [{ models: { providers: { p: { baseUrl: "file:///etc" } } } }, "p/x", "load-failed", /no http or https/]
      ]
      for (const [config, ref, reason, words] of cases) {
        const error = yield* Effect.flip(resolve(config, ref === undefined ? {} : { ref }))
        assert.strictEqual(error.reason, reason, ref)
        assert.match(error.message, words)
        assert.notInclude(error.message, "\n")
      }
    })
  )

  it.effect("makes a model once for a configuration, and anew for an edited one", () =>
    Effect.gen(function* () {
      const at = (port: number): OpenClawConfig => ({
        agents: { defaults: { model: "local/m" } },
        models: { providers: { local: { baseUrl: `http://127.0.0.1:${port}/v1` } } }
      })
      let current = at(1)
      const config = Layer.mock(Config, { file: "openclaw.json", get: Effect.sync(() => current) })
      const live = ModelsLive.layer.pipe(Layer.provide([config, NodeHttpClient.layerNodeHttp]))
      const models = yield* Effect.provide(Models, live)
      const first = yield* models.resolve()
      assert.strictEqual((yield* models.resolve()).service, first.service)
      assert.notStrictEqual((yield* models.resolve("local/other")).service, first.service)
      current = at(2)
      assert.notStrictEqual((yield* models.resolve()).service, first.service)

      // Of many names only those that were used last are kept.
      current = at(3)
      const [often, once] = [yield* models.resolve("local/often"), yield* models.resolve("local/once")]
      for (let n = 0; n < ModelsLive.MOST_MADE; n++) {
        yield* models.resolve(`local/m${n}`)
        yield* models.resolve("local/often")
      }
      assert.strictEqual((yield* models.resolve("local/often")).service, often.service)
      assert.notStrictEqual((yield* models.resolve("local/once")).service, once.service)
    })
  )

  it.effect("refuses a base URL that carries credentials, without showing them", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        resolve({ models: { providers: { p: { baseUrl: "http://me:hunter2@127.0.0.1/v1" } } } }, { ref: "p/x" })
      )
      assert.strictEqual(error.reason, "load-failed")
      assert.notInclude(JSON.stringify(error), "hunter2")
    })
  )

  it("writes each provider's address as its package wants it", () => {
    const base = (name: string, baseUrl?: string, api?: string) => {
      const target = targetOf(name, {
        ...(baseUrl === undefined ? undefined : { baseUrl }),
        ...(api === undefined ? undefined : { api })
      })
      return "baseUrl" in target ? target.baseUrl : undefined
    }
    assert.strictEqual(base("anthropic"), "https://api.anthropic.com/v1")
    assert.strictEqual(base("proxy", "https://h/anthropic/", "anthropic-messages"), "https://h/anthropic/v1")
    assert.strictEqual(base("proxy", "https://h/v1/", "anthropic-messages"), "https://h/v1")
    assert.strictEqual(base("ollama"), "http://127.0.0.1:11434/v1")
    assert.strictEqual(base("vllm", "http://h:8000/v1"), "http://h:8000/v1")
    assert.strictEqual(base("openrouter"), "https://openrouter.ai/api/v1")
  })
})

describe("keys", () => {
  const sentKey = (config: OpenClawConfig["models"], env: Record<string, string>) =>
    Effect.gen(function* () {
      const server = yield* Server.ProviderServer
      yield* server.push({ text: ["ok"] })
      const local = { ...config?.providers?.["my-llm"], baseUrl: `${server.url}/v1` }
      const model = yield* resolve({ models: { providers: { "my-llm": local } } }, { ref: "my-llm/m", env })
      yield* Stream.runDrain(model.service.streamText({ prompt: "hi" }))
      return (yield* server.requests)[0]?.headers
    }).pipe(Effect.provide(Server.layer))

  it.live(
    "come from the configuration first, then from the environment, and may be absent for a server of one's own",
    () =>
      Effect.gen(function* () {
        const env = { MY_LLM_API_KEY: "from-env" }
        const configured = { providers: { "my-llm": { apiKey: "from-file", headers: { "x-extra": "1" } } } }
        const both = yield* sentKey(configured, env)
        assert.strictEqual(both?.["authorization"], "Bearer from-file")
        assert.strictEqual(both?.["x-extra"], "1")
        assert.strictEqual((yield* sentKey({}, env))?.["authorization"], "Bearer from-env")
        assert.isUndefined((yield* sentKey({}, { MY_LLM_API_KEY: "" }))?.["authorization"])
      })
  )
})

const script = `
import { registerHooks } from "node:module"
const loaded = []
registerHooks({ load: (url, context, next) => (/@ai-sdk\\/(anthropic|openai)/.test(url) && loaded.push(url), next(url, context)) })
await import(process.argv[1])
console.log(loaded.length)
`

it.live("no provider package is loaded before a model needs it", () =>
  Effect.gen(function* () {
    const file = new URL("../../src/layers/models/Models.ts", import.meta.url).href
    const { stdout } = yield* Effect.promise(() =>
      promisify(execFile)(process.execPath, ["--input-type=module", "--no-warnings", "-e", script, file])
    )
    assert.strictEqual(stdout.trim(), "0")
  })
)
