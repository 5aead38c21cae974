import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as PlatformError from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ConfigLive from "../../src/layers/config/Config.ts"
import { formatPath, getAt, parsePath, setAt, unsetAt } from "../../src/layers/config/path.ts"
import { redactConfig, secretsOf } from "../../src/layers/config/redact.ts"
import { substitute } from "../../src/layers/config/substitute.ts"
import { Config, ConfigInvalid } from "../../src/services/Config.ts"
import { OpenClawConfig } from "../../src/services/ConfigSchema.ts"

/** A configuration whose file has this text; nothing can be written. */
const over = (content: string) => {
  const info = (size: number) =>
    Effect.succeed({
      type: "File",
      mode: 0o600,
      size: BigInt(size),
      mtime: Option.none(),
      ino: Option.none(),
      uid: Option.none()
    } as unknown as FileSystem.File.Info)
  const missing = Effect.fail(PlatformError.systemError({ module: "FileSystem", method: "stat", _tag: "NotFound" }))
  return ConfigLive.layer({ file: "/x/openclaw.json" }).pipe(
    Layer.provide([
      FileSystem.layerNoop({
        stat: () => info(content.length),
        readFileString: () => Effect.succeed(content),
        realPath: () => missing
      }),
      Path.layer
    ])
  )
}

/** `get`, `unusedKeys` and `raw` of a text: a configuration or `ConfigInvalid`, never a defect. */
const total = (content: string) =>
  Effect.gen(function* () {
    const config = yield* Config
    const result = yield* Effect.result(config.get)
    if (Result.isFailure(result)) {
      assert.instanceOf(result.failure, ConfigInvalid)
      assert.isAtLeast((result.failure as ConfigInvalid).problems.length, 1)
      assert.isString(result.failure.message)
    }
    yield* Effect.result(config.unusedKeys)
    yield* Effect.result(config.raw)
  }).pipe(Effect.provide(over(content)))

/** Any JSON at a few places of the schema's own, so that the decoder is asked deep inside as well. */
const Place = Schema.Literals([
  "gateway",
  "gateway.port",
  "gateway.auth",
  "gateway.auth.token",
  "gateway.$include",
  "channels.telegram",
  "channels.telegram.botToken",
  "channels.telegram.groups.a",
  "channels.telegram.accounts.toString",
  "agents.list",
  "agents.list[0]",
  "agents.entries.hasOwnProperty",
  "agents.defaults.model",
  "agents.entries.x",
  "models.providers.x.models[0]",
  "models.providers.x.headers",
  "tools.exec",
  "env.vars",
  "env"
])
const Near = Schema.Array(Schema.Tuple([Place, Schema.Json])).pipe(Schema.check(Schema.isMaxLength(4)))
const near = (changes: typeof Near.Type) =>
  changes.reduce<unknown>((tree, [place, json]) => {
    const next = setAt(tree, Result.getOrThrow(parsePath(place)), json)
    return Result.isSuccess(next) ? next.success : tree
  }, {})

describe("any value as a configuration", () => {
  it.effect.prop("any JSON is a configuration or ConfigInvalid", [Schema.Json], ([json]) => total(JSON.stringify(json)))
  it.effect.prop("also with our own key names inside", [Near], ([changes]) => total(JSON.stringify(near(changes))))
  it.effect.prop("any text too", [Schema.String], ([text]) => total(text))
  it.effect.prop("every valid configuration loads as itself", [OpenClawConfig], ([config]) =>
    Effect.gen(function* () {
      const json = JSON.stringify(config)
      // A generated text may name a variable, or be a secret; neither is this property's question.
      if (json.includes("${") || json.includes("$include")) return
      const service = yield* Config
      assert.deepStrictEqual(JSON.parse(JSON.stringify(yield* service.get)), JSON.parse(json))
      assert.deepStrictEqual(yield* service.unusedKeys, [])
    }).pipe((effect) => Effect.provide(effect, over(JSON.stringify(config))))
  )
})

const Segment = Schema.Union([
  Schema.String,
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 3 })))
])
const PathSchema = Schema.NonEmptyArray(Segment)
const usable = (path: ReadonlyArray<string | number>) =>
  path.every((segment) => segment !== "__proto__" && segment !== "constructor" && segment !== "prototype")

describe("paths", () => {
  it.prop("what formatPath writes, parsePath reads", [PathSchema], ([path]) => {
    const parsed = parsePath(formatPath(path))
    if (!usable(path)) return assert.isTrue(Result.isFailure(parsed))
    // A key made of digits reads as the same text; only its use on an array makes it an index.
    assert.deepStrictEqual(Result.getOrThrow(parsed), path)
  })

  it.prop(
    "set, then get; unset, then nothing; the input is untouched",
    [Schema.Json, PathSchema, Schema.Json],
    ([root, path, value]) => {
      if (!usable(path)) return
      const before = JSON.stringify(root)
      const set = setAt(root, path, value)
      assert.strictEqual(JSON.stringify(root), before)
      if (Result.isFailure(set)) return
      assert.strictEqual(getAt(set.success, path), value)
      const removed = unsetAt(set.success, path)
      assert.isDefined(removed)
      assert.strictEqual(JSON.stringify(getAt(set.success, path)), JSON.stringify(value))
      if (typeof path.at(-1) === "string" && !Array.isArray(getAt(set.success, path.slice(0, -1)))) {
        assert.isUndefined(getAt(removed?.tree, path))
      }
    }
  )

  it.prop("parsePath reads any text without throwing", [Schema.String], ([text]) => {
    const parsed = parsePath(text)
    if (Result.isSuccess(parsed)) assert.isAtLeast(parsed.success.length, 1)
  })
})

describe("redaction of a tree", () => {
  it.prop(
    "no canary under a secret key is shown, and each is known to the log",
    [
      Schema.Json,
      Schema.Literals(["token", "botToken", "apiKey", "password", "webhookSecret", "privateKey", "OPENAI_API_KEY"])
    ],
    ([json, key]) => {
      const canary = "canary-4711-secret"
      const tree = { a: [{ [key]: canary, rest: json }], [key]: { nested: [canary] } }
      assert.notInclude(JSON.stringify(redactConfig(tree)), canary)
      assert.include(secretsOf(tree), canary)
    }
  )

  it("keys that only sound alike are shown", () => {
    const tree = {
      maxTokens: 5,
      tokenFile: "/x",
      contextTokens: 1,
      keyPath: "/k",
      env: { shellEnv: { timeoutMs: 150_000 } }
    }
    assert.deepStrictEqual(redactConfig(tree), tree)
    assert.deepStrictEqual(secretsOf(tree), [])
    const reference = { token: { source: "env", provider: "default", id: "X" }, password: "${PASS}" }
    assert.deepStrictEqual(redactConfig(reference), reference)
    assert.deepStrictEqual(secretsOf({ env: { vars: { NODE_ENV: "production", MY_TOKEN: "abcdef" } } }), ["abcdef"])
  })

  it.prop("substitution takes any value, and changes none without a variable", [Schema.Json], ([json]) => {
    const { missing, tree } = substitute(json, {})
    if (!JSON.stringify(json).includes("${") && missing.length === 0) {
      assert.strictEqual(JSON.stringify(tree), JSON.stringify(json))
    }
  })
})
