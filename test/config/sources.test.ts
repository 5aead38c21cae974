import { existsSync, renameSync, symlinkSync, writeFileSync } from "node:fs"

import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

import { given, live, logged, problemsOf, using } from "./support.ts"

describe("Config: where values come from", () => {
  live("environment variables are put in; a secret without a value is absent, not the text of its name", (file) => {
    const author = {
      env: { vars: { BASE: "http://inline:1", PORT_NAME: "inline" } },
      models: { providers: { a: { baseUrl: "${BASE}/v1", apiKey: "${MISSING}", headers: { "x-key": "${KEY}" } } } },
      channels: { telegram: { botToken: { source: "env", provider: "default", id: "BOT" }, name: "$${BASE}" } },
      gateway: { auth: { token: { source: "file", provider: "f", id: "/x" } }, customBindHost: "${MISSING}" }
    }
    given(file, author)
    return using({ file, env: { KEY: "value-of-key", BOT: "12345:abc", PORT_NAME: "outer" } }, (config) =>
      Effect.gen(function* () {
        const decoded = yield* config.get
        assert.deepStrictEqual(decoded.models?.providers?.["a"], {
          baseUrl: "http://inline:1/v1",
          headers: { "x-key": "value-of-key" }
        })
        assert.deepStrictEqual(decoded.channels?.telegram, { botToken: "12345:abc", name: "${BASE}" })
        assert.deepStrictEqual(decoded.gateway, { auth: {}, customBindHost: "${MISSING}" })
        assert.deepStrictEqual(yield* config.raw, author)
        const warned = logged.join("\n")
        assert.include(warned, "models.providers.a.apiKey: the environment variable MISSING has no value")
        assert.include(warned, 'gateway.auth.token: secret references of source "file" are not supported')
        yield* config.set("gateway.port", 1234)
        assert.deepStrictEqual(yield* config.raw, { ...author, gateway: { ...author.gateway, port: 1234 } })
      })
    )
  })

  live("flags go over the file and are never written", (file) => {
    given(file, { gateway: { port: 1111, bind: "lan" } })
    return using({ file, overrides: { gateway: { port: 2222 } } }, (config) =>
      Effect.gen(function* () {
        assert.deepStrictEqual((yield* config.get).gateway, { port: 2222, bind: "lan" })
        yield* config.set("gateway.mode", "local")
        assert.deepStrictEqual(yield* config.raw, { gateway: { port: 1111, bind: "lan", mode: "local" } })
      })
    )
  })

  live("includes are merged, stay inside the directory, and end", (file) => {
    const folder = file.replace("/openclaw.json", "")
    given(`${folder}/agents.json5`, "{ defaults: { model: 'a/b' }, list: [{ id: 'x' }] }")
    given(`${folder}/one.json`, { bind: "lan", port: 1 })
    given(`${folder}/two.json`, { port: 2 })
    given(`${folder}/loop.json`, { $include: "./loop.json" })
    writeFileSync(`${folder}-outside.json`, "{}")
    symlinkSync(`${folder}-outside.json`, `${folder}/link.json`)
    given(file, {
      agents: { $include: "./agents.json5" },
      gateway: { $include: ["one.json", "two.json"], mode: "local" }
    })
    return using({ file }, (config) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* config.get, {
          agents: { defaults: { model: "a/b" }, list: [{ id: "x" }] },
          gateway: { bind: "lan", port: 2, mode: "local" }
        })
        yield* config.set("agents.defaults.model", "c/d")
        assert.strictEqual((yield* config.get).agents?.defaults?.model, "c/d")
        for (const [name, expected] of [
          ["../state-outside.json", "a file inside"],
          ["link.json", "a file inside"],
          ["none.json", "a file that exists"],
          ["loop.json", "includes inside each other"],
          [7, "the path of a file"]
        ] as const) {
          given(file, { gateway: { $include: name } })
          const problems = yield* using({ file }, (anew) => problemsOf(anew.get))
          assert.include(problems[0]?.expected, expected)
        }
      })
    )
  })

  live("changes: only valid ones, also after an atomic replacement", (file) => {
    given(file, { gateway: { port: 1 } })
    return using({ file }, (config) =>
      Effect.gen(function* () {
        const seen = yield* Queue.unbounded<number | undefined>()
        yield* Stream.runForEach(config.changes, (next) => Queue.offer(seen, next.gateway?.port)).pipe(
          Effect.forkScoped({ startImmediately: true })
        )
        // The watcher needs a moment before it sees anything; writing until it does is the condition to wait for.
        let port = 1
        const first = yield* Effect.raceFirst(
          Queue.take(seen),
          Effect.forever(
            Effect.andThen(
              Effect.suspend(() => config.set("gateway.port", ++port)),
              Effect.sleep("400 millis")
            )
          )
        )
        assert.strictEqual(first, port)
        writeFileSync(file, '{ "gateway": { "port": "broken" } }')
        yield* Effect.sleep("10 millis").pipe(
          Effect.repeat({ until: () => logged.some((line) => line.includes("the file cannot be used")) })
        )
        assert.strictEqual((yield* config.get).gateway?.port, port)
        writeFileSync(`${file}.new`, '{ "gateway": { "port": 777 } }', { mode: 0o600 })
        renameSync(`${file}.new`, file)
        assert.strictEqual(yield* Queue.take(seen), 777)
        assert.isFalse(existsSync(`${file}.new`))
      })
    )
  })
})
