/** `config.get` and `config.schema` over a real socket. */
import { writeFileSync } from "node:fs"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import JSON5 from "json5"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { conforms } from "../protocol/published.ts"
import { KEY, live, SENTINEL } from "./gatewayKit.ts"

describe("reading the configuration", () => {
  live("tells it whole, without its secrets", ({ admin, file, get, kit }) =>
    Effect.gen(function* () {
      const found = yield* get
      assert.strictEqual(found.path, file)
      assert.isTrue(found.exists && found.valid)
      assert.deepStrictEqual(found.issues, [])
      assert.strictEqual(found.configRevisionHash, found.appliedConfigHash)
      const text = JSON.stringify(found)
      assert.notInclude(text, KEY)
      assert.notInclude(text, kit.token)
      assert.deepInclude((found.config as OpenClawConfig).gateway?.auth, { token: SENTINEL })
      assert.deepStrictEqual(JSON5.parse(found.raw!), found.parsed)
      // Known by a hash that nobody can try passwords against.
      assert.match(found.hash!, /^hmac-sha256:v1:[\w-]{43}$/)
      assert.deepStrictEqual(yield* admin.call["config.get"]({}), found)
    })
  )

  live("tells what is wrong with a broken file, and goes on by the last good one", ({ admin, file, get, refused }) =>
    Effect.gen(function* () {
      writeFileSync(file, `{ gateway: { port: "x", auth: { token: "${KEY}" } }`)
      const cut = yield* get
      assert.isFalse(cut.valid)
      assert.isNull(cut.raw)
      assert.isNull(cut.parsed)
      assert.strictEqual(cut.issues[0]?.path, "")
      writeFileSync(file, `{ gateway: { port: "x", auth: { token: "${KEY}" } }, wrong: 1 }`)
      const wrong = yield* get
      assert.strictEqual(wrong.issues[0]?.path, "gateway.port")
      assert.notInclude(JSON.stringify(wrong), KEY)
      assert.notStrictEqual(wrong.hash, cut.hash)
      const error = yield* refused("config.patch", { raw: "{ session: { mainKey: 'x' } }", baseHash: wrong.hash })
      assert.match(error.message, /^invalid config: gateway\.port: got "x".*; fix it before patching$/)
      yield* admin.call["health"]({})
      // The whole may be replaced all the same.
      yield* admin.call["config.set"]({ raw: "{ session: {} }", baseHash: wrong.hash! })
      assert.isTrue((yield* get).valid)
    })
  )

  live("does not tell a text that stands where its settings belong: it may be the secret among them", ({ file, get }) =>
    Effect.gen(function* () {
      writeFileSync(file, `{ gateway: { auth: "hunter2!" }, models: { providers: { p: "hunter2!" } } }`)
      const { issues } = yield* get
      assert.deepStrictEqual(issues, [
        { path: "gateway.auth", message: "got a text, expected an object" },
        { path: "models.providers.p", message: "got a text, expected an object" }
      ])
    })
  )

  live("tells everyone who may read that somebody wrote the file", ({ file, get, kit, read }) =>
    Effect.gen(function* () {
      const reader = yield* kit.connect({ scopes: ["operator.read"] })
      const keeper = yield* kit.connect({ scopes: ["operator.pairing"] })
      const told = yield* Effect.forkScoped(Stream.runHead(reader.on("config.changed")), { startImmediately: true })
      const untold = yield* Effect.forkScoped(Stream.runHead(keeper.on("config.changed")), { startImmediately: true })
      writeFileSync(file, JSON.stringify({ ...read(), session: { mainKey: "by hand" } }))
      const event = Option.getOrThrow(yield* Fiber.join(told))
      assert.strictEqual(event.hash, (yield* get).hash)
      assert.strictEqual(event.path, file)
      // What this one hears next would have come after it.
      yield* keeper.call["channels.pairing.list"]({})
      assert.isUndefined(untold.pollUnsafe())
    })
  )

  live("lists what is kept and not used", ({ file, get, read }) =>
    Effect.gen(function* () {
      writeFileSync(file, JSON.stringify({ ...read(), cron: { jobs: [] } }))
      const { valid, warnings } = yield* get
      assert.isTrue(valid)
      assert.deepStrictEqual(
        warnings?.map(({ path }) => path),
        ["cron"]
      )
    })
  )

  live("tells the schema, whole and by path", ({ admin, kit, refused }) =>
    Effect.gen(function* () {
      const reader = yield* kit.connect({ scopes: ["operator.read"] })
      const whole = yield* reader.call["config.schema"]({})
      conforms("ConfigSchemaResponse", whole)
      assert.isTrue(whole.uiHints["gateway.auth.token"]?.sensitive)
      for (const path of [".", "gateway", "agents.entries.*.model", "models.providers.mock.models[].id", "env/vars"]) {
        conforms("ConfigSchemaLookupResult", yield* reader.call["config.schema.lookup"]({ path }))
      }
      assert.strictEqual(
        (yield* refused("config.schema.lookup", { path: "nope.x" })).message,
        "config schema path not found"
      )
      assert.match(
        (yield* refused("config.schema.lookup", { path: "a b" })).message,
        /^invalid config\.schema\.lookup params: at \/path/
      )
      assert.strictEqual((yield* refused("config.schema.lookup", {})).code, "INVALID_REQUEST")
      yield* admin.call["config.schema"]({})
    })
  )
})
