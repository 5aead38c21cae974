/** `openclaw config patch` and `config schema`. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { home, run } from "./kit.ts"

const rig = Effect.fnUntraced(function* (text: string, patch: string) {
  const folder = yield* home
  const file = join(folder, ".openclaw", "openclaw.json")
  mkdirSync(join(folder, ".openclaw"), { mode: 0o700 })
  writeFileSync(file, text, { mode: 0o600 })
  writeFileSync(join(folder, "patch.json5"), patch)
  const from = ["--file", join(folder, "patch.json5")]
  return {
    read: () => readFileSync(file, "utf8"),
    patch: (...args: ReadonlyArray<string>) => run({ home: folder }, "config", "patch", ...from, ...args),
    bare: (...args: ReadonlyArray<string>) => run({ home: folder }, "config", ...args)
  }
})

const before = JSON.stringify({
  gateway: { port: 1, auth: { token: "token-canary" } },
  channels: { telegram: { allowFrom: ["1", "2"], groups: { a: {}, b: {} } } }
})

describe("config patch", () => {
  it.live("merges objects, replaces the rest, and tells what changed", () =>
    Effect.gen(function* () {
      const { patch, read } = yield* rig(
        before,
        "{ gateway: { port: null, bind: 'loopback' }, channels: { telegram: { allowFrom: ['2'], groups: { c: {} } } } }"
      )
      const tried = yield* patch("--dry-run")
      assert.strictEqual(tried.code, 0)
      assert.match(tried.stdout, /^Would update 4 values: gateway\.port, /)
      assert.strictEqual(read(), before)
      const done = yield* patch()
      assert.strictEqual(done.code, 0)
      assert.match(done.stdout, /^Updated 4 values: [\s\S]*A running Gateway restarts for it\./)
      assert.notInclude(JSON.stringify(done), "canary")
      assert.deepStrictEqual(JSON.parse(read()), {
        gateway: { auth: { token: "token-canary" }, bind: "loopback" },
        channels: { telegram: { allowFrom: ["2"], groups: { a: {}, b: {}, c: {} } } }
      })
      assert.strictEqual((yield* patch()).stdout, "Nothing to change.")
      const replaced = yield* patch("--replace-path", "channels.telegram.groups", "--json")
      assert.deepInclude(JSON.parse(replaced.stdout), {
        ok: true,
        changedPaths: ["channels.telegram.groups.a", "channels.telegram.groups.b"],
        needsRestart: false
      })
    }).pipe(Effect.scoped)
  )

  it.live("writes nothing that would not be good, or over what it cannot read", () =>
    Effect.gen(function* () {
      const wrong = yield* rig(before, "{ gateway: { port: 'high' }, session: { mainKey: 'x' } }")
      const ended = yield* wrong.patch()
      assert.strictEqual(ended.code, 78)
      assert.match(ended.stderr, /gateway\.port: got "high"/)
      assert.strictEqual((yield* wrong.patch("--dry-run")).code, 78)
      assert.strictEqual(wrong.read(), before)
      const broken = yield* rig("{ gateway: ", "{ session: { mainKey: 'x' } }")
      assert.strictEqual((yield* broken.patch()).code, 78)
      assert.strictEqual(broken.read(), "{ gateway: ")
      for (const text of ["[]", "{ a:", '{ "__proto__": {} }']) {
        const none = yield* rig(before, text)
        assert.match((yield* none.patch()).stderr, /no JSON5 object/)
      }
      const { bare, patch } = yield* rig(before, "{}")
      assert.match((yield* bare("patch")).stderr, /either --file <path> or --stdin/)
      assert.match((yield* patch("--stdin")).stderr, /either --file <path> or --stdin/)
      assert.match((yield* bare("patch", "--file", "nowhere.json")).stderr, /nowhere\.json cannot be read/)
      assert.match((yield* patch("--replace-path", "a[")).stderr, /is no path/)
    }).pipe(Effect.scoped)
  )
})

describe("config schema", () => {
  it.live("prints JSON Schema", () =>
    Effect.gen(function* () {
      const { bare } = yield* rig(before, "{}")
      const schema = JSON.parse((yield* bare("schema")).stdout)
      assert.strictEqual(schema.type, "object")
      assert.strictEqual(schema.properties.gateway.properties.port.maximum, 65_535)
    }).pipe(Effect.scoped)
  )
})
