import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { home, run } from "./kit.ts"

const fileIn = (folder: string) => join(folder, ".openclaw", "openclaw.json")

const withFile = (text: string) =>
  Effect.map(home, (folder) => {
    mkdirSync(join(folder, ".openclaw"), { mode: 0o700 })
    writeFileSync(fileIn(folder), text, { mode: 0o600 })
    return folder
  })

const secrets = JSON.stringify({
  gateway: { port: 19_001, auth: { token: "token-canary-1" } },
  models: { providers: { mine: { apiKey: "key-canary-2", headers: { "x-secret": "header-canary-3" } } } },
  channels: { telegram: { botToken: "12345:bot-canary-4-aaaaaaaaaaaaaaaaaaaa" } },
  browser: { enabled: true }
})

describe("config", () => {
  it.live("file prints the path, whether or not it exists; flags and environment move it", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const path = (ended: { readonly stdout: string }) => ended.stdout
      assert.strictEqual(path(yield* run({ home: folder }, "config", "file")), fileIn(folder))
      assert.strictEqual(
        path(yield* run({ home: folder }, "config", "file", "--profile", "work")),
        join(folder, ".openclaw-work", "openclaw.json")
      )
      const variables = { OPENCLAW_CONFIG_PATH: join(folder, "own.json") }
      const asJson = yield* run({ home: folder, variables }, "config", "file", "--json")
      assert.deepStrictEqual(JSON.parse(asJson.stdout), { path: join(folder, "own.json") })
      assert.isFalse(existsSync(join(folder, ".openclaw")))
    }).pipe(Effect.scoped)
  )

  it.live("set makes a private file, reads values as JSON5, and does not repeat them", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const set = (...given: ReadonlyArray<string>) => run({ home: folder }, "config", "set", ...given)
      for (const [path, value] of [
        ["gateway.port", "19001"],
        ["gateway.auth.token", "token-canary-1"],
        ["agents.defaults.model", "mock/mock-1"],
        ["channels.telegram.allowFrom", "['7', 8]"]
      ] as const) {
        const ended = yield* set(path, value)
        assert.strictEqual(ended.code, 0)
        assert.include(ended.stdout, path)
        assert.notInclude(JSON.stringify(ended), "canary")
      }
      assert.deepStrictEqual(JSON.parse(readFileSync(fileIn(folder), "utf8")), {
        gateway: { port: 19_001, auth: { token: "token-canary-1" } },
        agents: { defaults: { model: "mock/mock-1" } },
        channels: { telegram: { allowFrom: ["7", 8] } }
      })
      assert.strictEqual(statSync(fileIn(folder)).mode & 0o777, 0o600)
      assert.strictEqual(statSync(join(folder, ".openclaw")).mode & 0o777, 0o700)
    }).pipe(Effect.scoped)
  )

  it.live("set refuses a wrong value with 78 and leaves the file alone", () =>
    Effect.gen(function* () {
      const folder = yield* withFile('{"gateway":{"port":19001}}')
      const ended = yield* run({ home: folder }, "config", "set", "gateway.port", "high")
      assert.strictEqual(ended.code, 78)
      assert.match(ended.stderr, /gateway\.port: got "high", expected[\s\S]*Fix: /)
      assert.strictEqual(readFileSync(fileIn(folder), "utf8"), '{"gateway":{"port":19001}}')
    }).pipe(Effect.scoped)
  )

  it.live("get shows values without secrets, and says so on stderr", () =>
    Effect.gen(function* () {
      const setting = { home: yield* withFile(secrets) }
      const port = yield* run(setting, "config", "get", "gateway.port")
      assert.deepStrictEqual(port, { stdout: "19001", stderr: "", code: 0 })
      for (const path of [
        [],
        ["gateway"],
        ["gateway.auth.token"],
        ["models.providers.mine.apiKey"],
        ["models.providers.mine.headers"],
        ["channels.telegram.botToken"]
      ]) {
        for (const flags of [[], ["--json"]]) {
          const ended = yield* run(setting, "config", "get", ...path, ...flags)
          assert.strictEqual(ended.code, 0)
          assert.include(ended.stdout, "<redacted>")
          assert.include(ended.stderr, "--show-secrets")
          assert.notInclude(JSON.stringify(ended), "canary")
        }
      }
      const shown = yield* run(setting, "config", "get", "gateway.auth.token", "--show-secrets")
      assert.deepStrictEqual(shown, { stdout: "token-canary-1", stderr: "", code: 0 })
    }).pipe(Effect.scoped)
  )

  it.live("get tells what is unset from what does not exist", () =>
    Effect.gen(function* () {
      const setting = { home: yield* withFile("{}") }
      const unset = yield* run(setting, "config", "get", "gateway.port")
      assert.strictEqual(unset.code, 1)
      assert.match(unset.stderr, /gateway\.port is not set[\s\S]*Fix: /)
      for (const path of ["nope.x", "gateway.bogus"]) {
        const unknown = yield* run(setting, "config", "get", path)
        assert.strictEqual(unknown.code, 1)
        assert.match(unknown.stderr, /Unknown config path[\s\S]*Fix: /)
      }
      const wrong = yield* run(setting, "config", "get", "a..b")
      assert.match(wrong.stderr, /is no path[\s\S]*Fix: /)
    }).pipe(Effect.scoped)
  )

  it.live("unset removes a value, and says when there is none", () =>
    Effect.gen(function* () {
      const folder = yield* withFile('{"gateway":{"port":19001}}')
      const removed = yield* run({ home: folder }, "config", "unset", "gateway.port")
      assert.strictEqual(removed.code, 0)
      assert.match(removed.stdout, /Removed gateway\.port/)
      assert.deepStrictEqual(JSON.parse(readFileSync(fileIn(folder), "utf8")), { gateway: {} })
      const absent = yield* run({ home: folder }, "config", "unset", "gateway.port")
      assert.strictEqual(absent.code, 1)
      assert.match(absent.stderr, /not found: gateway\.port[\s\S]*Fix: /)
    }).pipe(Effect.scoped)
  )

  it.live("validate lists the keys that are kept but not used", () =>
    Effect.gen(function* () {
      const setting = { home: yield* withFile(secrets) }
      const ended = yield* run(setting, "config", "validate")
      assert.strictEqual(ended.code, 0)
      assert.match(
        ended.stdout,
        /^Config valid: ~\/\.openclaw\/openclaw\.json\n1 key kept but not used here:\n {2}browser$/
      )
      const asJson = JSON.parse((yield* run(setting, "config", "validate", "--json")).stdout)
      assert.deepStrictEqual([asJson.valid, asJson.unusedKeys], [true, ["browser"]])
    }).pipe(Effect.scoped)
  )

  it.live("validate names every wrong value at once, exit 78; a missing file is 1", () =>
    Effect.gen(function* () {
      const setting = {
        home: yield* withFile('{"gateway":{"port":"x","bind":"world","auth":{"token":"token-canary"}}}')
      }
      const ended = yield* run(setting, "config", "validate")
      assert.strictEqual(ended.code, 78)
      assert.match(ended.stderr, /2 problems[\s\S]*gateway\.port[\s\S]*gateway\.bind[\s\S]*Fix: /)
      const asJson = yield* run(setting, "config", "validate", "--json")
      assert.strictEqual(asJson.code, 78)
      assert.strictEqual(asJson.stderr, "")
      const { error, issues, ok, path, valid } = JSON.parse(asJson.stdout)
      assert.deepStrictEqual([ok, valid, error.name], [false, false, "ConfigInvalid"])
      assert.isTrue(path.endsWith("/.openclaw/openclaw.json"))
      assert.deepStrictEqual(
        issues.map((issue: { path: string }) => issue.path),
        ["gateway.port", "gateway.bind"]
      )
      assert.match(issues[0].message, /got "x", expected/)
      assert.notInclude(JSON.stringify([ended, asJson]), "canary")

      const missing = yield* run({ home: yield* home }, "config", "validate")
      assert.strictEqual(missing.code, 1)
      assert.match(missing.stderr, /not found[\s\S]*Fix: /)
    }).pipe(Effect.scoped)
  )

  it.live("a file that is wrong in several places is mended path by path, and never made worse", () =>
    Effect.gen(function* () {
      const folder = yield* withFile(
        '{"gateway":{"port":"x","bind":"world"},"agents":{"list":[{"name":"n"},{"id":5}]}}'
      )
      const cli = (...given: ReadonlyArray<string>) => run({ home: folder }, "config", ...given)
      const before = readFileSync(fileIn(folder), "utf8")
      for (const [path, value] of [
        ["gateway.port", "99999"],
        ["gateway.auth.mode", "open"],
        ["agents.list[2]", "{}"],
        ["agents.list[0].id", ""]
      ] as const) {
        const worse = yield* cli("set", path, value)
        assert.strictEqual(worse.code, 78, path)
        assert.include(worse.stderr, `nothing was written to ${fileIn(folder)}:\n  ${path}`)
        assert.match(worse.stderr, /expected [\s\S]*Fix: /)
      }
      assert.strictEqual(readFileSync(fileIn(folder), "utf8"), before)

      const one = yield* cli("set", "gateway.port", "19001")
      assert.strictEqual(one.code, 0)
      assert.match(one.stderr, /still has 3 problems/)
      assert.strictEqual((yield* cli("unset", "gateway.bind")).code, 0)
      // The second item, wrong as well, moves up.
      assert.strictEqual((yield* cli("unset", "agents.list[0]")).code, 0)
      const last = yield* cli("set", "agents.list[0].id", "ops")
      assert.deepStrictEqual([last.code, last.stderr], [0, ""])
      assert.strictEqual((yield* cli("validate")).code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("what people add to over time loses nothing by mistake", () =>
    Effect.gen(function* () {
      const folder = yield* withFile(
        '{"models":{"providers":{"a":{"baseUrl":"http://a","models":[{"id":"m"}]}}},"channels":{"telegram":{"allowFrom":[1,2]}}}'
      )
      const set = (...given: ReadonlyArray<string>) => run({ home: folder }, "config", "set", ...given)
      const read = () => JSON.parse(readFileSync(fileIn(folder), "utf8"))
      const b = '{"b":{"baseUrl":"http://b","models":[{"id":"n"}]}}'
      const refusal = yield* set("models.providers", b)
      assert.strictEqual(refusal.code, 1)
      assert.match(refusal.stderr, /^models\.providers would lose a\. [\s\S]*Fix: pass --merge/)
      for (const path of ["models.providers.a.models", 'models.providers["a"].models']) {
        assert.strictEqual((yield* set(path, '[{"id":"z"}]')).code, 1)
      }
      assert.deepStrictEqual(Object.keys(read().models.providers), ["a"])
      assert.strictEqual((yield* set("models.providers", b, "--strict-json", "--merge")).code, 0)
      assert.strictEqual((yield* set("models.providers.a.models", '[{"id":"z"}]', "--merge")).code, 0)
      assert.deepStrictEqual(Object.keys(read().models.providers), ["a", "b"])
      assert.deepStrictEqual(read().models.providers.a.models, [{ id: "m" }, { id: "z" }])
      assert.match((yield* set("channels.telegram.allowFrom", "[3]", "--merge")).stderr, /have no ids/)
      assert.strictEqual((yield* set("channels.telegram.allowFrom", "[3]")).code, 0)
      assert.strictEqual((yield* set("models.providers", b, "--replace")).code, 0)
      assert.deepStrictEqual(Object.keys(read().models.providers), ["b"])
      for (const [given, says] of [
        [["gateway.port", "{a:1}", "--strict-json"], /is no JSON/],
        [["gateway.port", "1", "--merge"], /--merge takes an object or a list/],
        [["models.providers", b, "--merge", "--replace"], /exclude each other/]
      ] as const) {
        const ended = yield* set(...given)
        assert.strictEqual(ended.code, 1)
        assert.match(ended.stderr, says)
      }
    }).pipe(Effect.scoped)
  )

  it.live("a key that nothing reads is kept and said, with what was probably meant", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const cli = (...given: ReadonlyArray<string>) => run(setting, "config", "set", ...given)
      const typo = yield* cli("gatway.port", "5")
      assert.strictEqual(typo.code, 0)
      assert.strictEqual(typo.stderr, "gatway is not used by this Gateway; kept. Did you mean gateway.port?")
      for (const [path, meant] of [
        ["channels.telegram.bottoken", "channels.telegram.botToken"],
        ["channels.telegram.accounts.work.dmPolcy", "channels.telegram.accounts.work.dmPolicy"],
        ["agents.entries.a.modle", "agents.entries.a.model"]
      ] as const) {
        const ended = yield* cli(path, "pairing")
        assert.strictEqual(ended.code, 0, path)
        assert.include(ended.stderr, `Did you mean ${meant}?`, path)
      }
      const asJson = yield* cli("mcp.servers", "{}", "--json")
      assert.deepInclude(JSON.parse(asJson.stdout), {
        updated: "mcp.servers",
        needsRestart: false,
        warning: "mcp is not used by this Gateway; kept."
      })
      assert.strictEqual(asJson.stderr, "")
    }).pipe(Effect.scoped)
  )

  it.live("says what a running Gateway restarts for", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const cli = (...given: ReadonlyArray<string>) => run(setting, "config", ...given)
      assert.match((yield* cli("set", "gateway.port", "19001")).stdout, /A running Gateway restarts for it/)
      yield* cli("set", "gateway.reload.mode", "off")
      assert.match((yield* cli("unset", "gateway.port")).stdout, /A running Gateway needs a restart for it/)
      assert.match((yield* cli("set", "channels.telegram.dmPolicy", "open")).stdout, /needs no restart/)
      assert.strictEqual((yield* cli("set", "gateway.mode", "local")).stdout, "Updated gateway.mode.")
    }).pipe(Effect.scoped)
  )

  it.live("a text that is no JSON5, and a file that others can write, are 78", () =>
    Effect.gen(function* () {
      for (const command of [
        ["config", "validate"],
        ["config", "get"],
        ["config", "set", "gateway.port", "1"],
        ["health"]
      ]) {
        const ended = yield* run({ home: yield* withFile("{ nope") }, ...command)
        assert.strictEqual(ended.code, 78, command.join(" "))
        assert.match(
          ended.stderr,
          /JSON5[\s\S]*Fix: edit .*openclaw\.json at line 1, column 7; `openclaw config validate`/
        )
      }
      const folder = yield* home
      mkdirSync(fileIn(folder), { recursive: true })
      assert.strictEqual((yield* run({ home: folder }, "config", "get")).code, 78)
    }).pipe(Effect.scoped)
  )
})
