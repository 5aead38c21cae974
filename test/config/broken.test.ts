/**
 * A file that breaks while a Gateway runs on it.
 */
import { unlinkSync } from "node:fs"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { given, live, logged, problemsOf, using } from "./support.ts"

describe("Config: a broken file", () => {
  live("stops nobody who had a good one; it is told once, and so is that it is good again", (file) => {
    given(file, { gateway: { port: 1111 } })
    return using({ file }, (config) =>
      Effect.gen(function* () {
        const good = yield* config.get
        for (const broken of ["{ broken", '{ "gateway": { "port": "none" } }']) {
          logged.length = 0
          given(file, broken)
          assert.strictEqual(yield* config.get, good)
          assert.strictEqual(yield* config.get, good)
          assert.lengthOf(logged, 1)
          assert.include(logged[0], "the configuration as it was goes on")
          assert.include(logged[0], file)
        }
        logged.length = 0
        given(file, { gateway: { port: 2222 } })
        assert.strictEqual((yield* config.get).gateway?.port, 2222)
        yield* config.get
        assert.deepStrictEqual(logged, [`${file} can be used again`])
      })
    )
  })

  live("is also one that includes a file that is gone", (file) => {
    const part = file.replace("openclaw.json", "part.json")
    given(part, { port: 1111 })
    given(file, { gateway: { $include: "part.json" } })
    return using({ file }, (config) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* config.get).gateway?.port, 1111)
        unlinkSync(part)
        assert.strictEqual((yield* config.get).gateway?.port, 1111)
      })
    )
  })

  live("is also one that is taken away; a start without any is another matter", (file) => {
    given(file, { gateway: { port: 1111 } })
    return using({ file }, (config) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* config.get).gateway?.port, 1111)
        unlinkSync(file)
        logged.length = 0
        assert.strictEqual((yield* config.get).gateway?.port, 1111)
        assert.include(logged[0], `${file} is gone`)
        assert.isUndefined((yield* config.inspect).text)
        given(file, {})
        assert.deepStrictEqual(yield* config.get, {})
        unlinkSync(file)
        assert.deepStrictEqual(yield* using({ file }, (fresh) => fresh.get), {})
      })
    )
  })

  live("fails whoever never had a good one, and everybody who asks for the file itself", (file) => {
    given(file, '{ "gateway": { "port": "none" } }')
    return using({ file }, (config) =>
      Effect.gen(function* () {
        assert.lengthOf(yield* problemsOf(config.get), 1)
        given(file, {})
        yield* config.get
        given(file, "{ broken")
        assert.deepStrictEqual(yield* config.get, {})
        assert.lengthOf(yield* problemsOf(config.raw), 1)
        assert.lengthOf(yield* problemsOf(config.unusedKeys), 1)
        assert.lengthOf(yield* problemsOf(config.set("gateway.port", 1)), 1)
      })
    )
  })
})
