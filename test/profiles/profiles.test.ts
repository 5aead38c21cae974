/** Two Gateways on one machine, one a profile: each has its own configuration, state and port, and nobody meets. */
import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isName, portOf } from "../../src/domain/Profile.ts"
import { home as temporaryHome, run, start } from "../cli/kit.ts"

/** Its port follows from it, so that two runs of the tests have others. */
const anyProfile = Effect.sync(() => `t${randomBytes(6).toString("hex")}`)

const configure = (home: string, profile: string) => {
  const folder = join(home, `.openclaw-${profile}`)
  mkdirSync(folder, { mode: 0o700 })
  writeFileSync(
    join(folder, "openclaw.json"),
    JSON.stringify({ gateway: { mode: "local", auth: { mode: "token", token: `the token of ${profile}` } } }),
    { mode: 0o600 }
  )
}

describe("the port of a profile", () => {
  it("is the one that OpenClaw derives", () => {
    assert.strictEqual(portOf(undefined), 18_789)
    assert.strictEqual(portOf("dev"), 19_001)
    assert.deepStrictEqual(["a", "b", "ops", "rescue", "work"].map(portOf), [22_220, 35_077, 55_291, 23_532, 41_984])
  })

  it.prop("is one that can be listened on", [Schema.String], ([name]) => {
    const port = portOf(name)
    assert.isTrue(Number.isInteger(port) && port >= 19_001 && port < 60_000)
  })

  it.prop("of a name that is safe in a path", [Schema.String], ([name]) => {
    if (isName(name)) assert.match(name, /^[A-Za-z0-9][A-Za-z0-9_-]*$/)
  })
})

describe("names that are none", () => {
  const bad = ["../x", "a/b", "..", ".", "a b", "", " ", "-x", "ä", "a\0b", "a\nb", "x".repeat(10_240), "$(id)", "a.b"]
  for (const name of bad) {
    it.live(`${JSON.stringify(name.slice(0, 12))} is refused, and nothing is made`, () =>
      Effect.gen(function* () {
        const home = yield* temporaryHome
        const ended = yield* run({ home }, `--profile=${name}`, "config", "set", "gateway.mode", "local")
        assert.strictEqual(ended.code, 1)
        assert.include(ended.stderr, "--profile")
        assert.isBelow(ended.stderr.length, 1_000)
        assert.deepStrictEqual(readdirSync(home), [])
        const byVariable = yield* run({ home, variables: { OPENCLAW_PROFILE: name } }, "config", "file")
        assert.strictEqual(byVariable.code, name.trim() === "" ? 0 : 1)
      }).pipe(Effect.scoped)
    )
  }
})

describe("two profiles at once", () => {
  it.live("each command goes to its own Gateway", () =>
    Effect.gen(function* () {
      const home = yield* temporaryHome
      const [a, b] = [yield* anyProfile, yield* anyProfile]
      for (const profile of [a, b]) configure(home, profile)
      const begin = Effect.fnUntraced(function* (profile: string) {
        const gateway = yield* start({ home }, "--profile", profile, "gateway", "run", "--json")
        return yield* gateway.until(({ stdout }) => (stdout === "" ? undefined : JSON.parse(stdout)))
      })
      assert.include(yield* begin(a), { ready: true, port: portOf(a) })
      assert.include(yield* begin(b), { ready: true, port: portOf(b) })

      const hello = Effect.fnUntraced(function* (profile: string) {
        const ended = yield* run({ home }, "--profile", profile, "gateway", "status", "--json")
        const status = JSON.parse(ended.stdout)
        assert.include(status.rpc, { ok: true, url: `ws://127.0.0.1:${portOf(profile)}` })
        assert.strictEqual(status.config.path, join(home, `.openclaw-${profile}`, "openclaw.json"))
        return status.rpc.server.bootId
      })
      assert.notStrictEqual(yield* hello(a), yield* hello(b))
      // The variable names a profile too, and the flag goes before it.
      const byVariable = yield* run({ home, variables: { OPENCLAW_PROFILE: a } }, "health", "--json")
      assert.strictEqual(byVariable.code, 0, byVariable.stdout)
      // The one does not open the other.
      const strange = yield* run(
        { home },
        "--profile",
        a,
        "--url",
        `ws://127.0.0.1:${portOf(b)}`,
        "--token",
        `the token of ${a}`,
        "health",
        "--json"
      )
      assert.strictEqual(strange.code, 1)
      // Where there is none, there is none.
      const none = yield* run({ home }, "--profile", yield* anyProfile, "health", "--json")
      assert.strictEqual(JSON.parse(none.stdout).error.name, "GatewayUnreachable")
      assert.deepStrictEqual(readdirSync(home).sort(), [`.openclaw-${a}`, `.openclaw-${b}`].sort())

      const second = yield* run({ home }, "--profile", a, "gateway", "run", "--port", "0", "--json")
      assert.strictEqual(JSON.parse(second.stdout).error.name, "GatewayAlreadyRunning")
    }).pipe(Effect.scoped)
  )

  it.live("the same names by another path: a port that is taken is said, and how to choose another", () =>
    Effect.gen(function* () {
      const home = yield* temporaryHome
      const [a, b] = [yield* anyProfile, yield* anyProfile]
      for (const profile of [a, b]) configure(home, profile)
      const gateway = yield* start({ home }, "--profile", a, "gateway", "run", "--json")
      yield* gateway.until(({ stdout }) => (stdout === "" ? undefined : stdout))
      const taken = yield* run({ home }, "--profile", b, "gateway", "run", "--port", String(portOf(a)), "--json")
      const { error } = JSON.parse(taken.stdout)
      assert.strictEqual(error.name, "PortInUse")
      assert.include(error.message, "gateway.port")
    }).pipe(Effect.scoped)
  )
})

describe("--dev", () => {
  it.live("is the profile dev, and makes what a Gateway needs", () =>
    Effect.gen(function* () {
      const home = yield* temporaryHome
      const file = join(home, ".openclaw-dev", "openclaw.json")
      const gateway = yield* start({ home }, "--dev", "gateway", "run", "--port", "0", "--json")
      yield* gateway.until(({ stdout }) => (stdout === "" ? undefined : stdout))
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      const status = yield* run({ home }, "--dev", "gateway", "status", "--json")
      assert.strictEqual(JSON.parse(status.stdout).rpc.ok, true)
      const same = yield* run({ home }, "--profile", "dev", "--dev", "config", "file")
      assert.include(same.stdout, ".openclaw-dev")
      yield* gateway.stop
      const idle = yield* run({ home }, "--dev", "gateway", "status", "--no-probe", "--json")
      assert.strictEqual(JSON.parse(idle.stdout).gateway.port, 19_001)
    }).pipe(Effect.scoped)
  )

  it.live("and another profile exclude each other; nothing else makes a configuration", () =>
    Effect.gen(function* () {
      const home = yield* temporaryHome
      const both = yield* run({ home }, "--dev", "--profile", "work", "config", "file")
      assert.strictEqual(both.code, 1)
      assert.include(both.stderr, "Fix:")
      const unmade = yield* run({ home }, "--profile", "work", "gateway", "run", "--json")
      assert.strictEqual(unmade.code, 78)
      assert.include(JSON.parse(unmade.stdout).error.message, "`openclaw --profile work config set gateway.mode local`")
      assert.isFalse(existsSync(join(home, ".openclaw-work", "openclaw.json")))
    }).pipe(Effect.scoped)
  )
})
