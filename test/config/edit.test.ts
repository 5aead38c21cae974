/** The whole file edited at once. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { given, live, problemsOf, using } from "./support.ts"

const mainKey = (key: string) => ({ session: { mainKey: key } })

describe("edit", () => {
  live("makes a file where there is none, and leaves one alone that needs no change", (file) =>
    using({ file }, (config) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* config.inspect, {
          text: undefined,
          raw: {},
          composed: {},
          problems: [],
          unusedKeys: []
        })
        yield* config.edit(() => Effect.undefined)
        assert.isFalse(existsSync(file))
        const after = yield* config.edit((before) => {
          assert.deepStrictEqual(before.raw, {})
          return Effect.succeed(mainKey("k"))
        })
        assert.deepStrictEqual(after.raw, mainKey("k"))
        assert.deepStrictEqual(JSON.parse(readFileSync(file, "utf8")), mainKey("k"))
      })
    )
  )

  live("checks and writes nothing on a dry run", (file) =>
    using({ file }, (config) =>
      Effect.gen(function* () {
        given(file, mainKey("k"))
        const dry = { dryRun: true }
        assert.deepStrictEqual((yield* config.edit(() => Effect.succeed(mainKey("x")), dry)).raw, mainKey("k"))
        const wrong = config.edit(() => Effect.succeed({ gateway: { port: "x" } }), dry)
        assert.strictEqual((yield* problemsOf(wrong))[0]?.path, "gateway.port")
        assert.deepStrictEqual(JSON.parse(readFileSync(file, "utf8")), mainKey("k"))
      })
    )
  )

  live("does not write over what another program wrote meanwhile", (file) =>
    using({ file }, (config) =>
      Effect.gen(function* () {
        given(file, mainKey("k"))
        const error = yield* Effect.flip(
          config.edit(() =>
            Effect.sync(() => (writeFileSync(file, JSON.stringify(mainKey("theirs"))), mainKey("ours")))
          )
        )
        assert.strictEqual(error._tag, "ConfigChanged")
        assert.include(error.message, file)
        assert.deepStrictEqual(JSON.parse(readFileSync(file, "utf8")), mainKey("theirs"))
      })
    )
  )

  live("loses no change of many at once", (file) =>
    using({ file }, (config) =>
      Effect.gen(function* () {
        const keys = Array.from({ length: 20 }, (_, index) => `v${index}`)
        yield* Effect.forEach(
          keys,
          (key) =>
            config.edit(({ raw }) =>
              Effect.as(Effect.yieldNow, {
                env: { vars: { ...(raw as { env?: { vars?: object } }).env?.vars, [key]: "1" } }
              })
            ),
          { concurrency: "unbounded" }
        )
        const { env } = yield* config.get
        assert.deepStrictEqual(Object.keys(env?.vars ?? {}).toSorted(), keys.toSorted())
      })
    )
  )

  live("refuses a change whose result would be too large", (file) =>
    using({ file }, (config) =>
      Effect.gen(function* () {
        const [problem] = yield* problemsOf(config.edit(() => Effect.succeed({ meta: "y".repeat(2_000_000) })))
        assert.strictEqual(problem?.expected, "at most 2 MB")
        assert.isFalse(existsSync(file))
      })
    )
  )
})
