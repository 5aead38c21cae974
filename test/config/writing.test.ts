/** `config.set`, `config.patch` and `config.apply` over a real socket. */
import { mkdirSync, unlinkSync, writeFileSync } from "node:fs"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Restart, RestartRefused, type RestartRequest } from "../../src/services/Gateway.ts"
import { KEY, live, SENTINEL } from "./gatewayKit.ts"

const STALE = "config changed since last load; re-run config.get and retry"
const text = (value: unknown) => JSON.stringify(value)

describe("config.set", () => {
  live("puts the secrets back that were only shown to be there", ({ admin, get, kit, read }) =>
    Effect.gen(function* () {
      const event = yield* Effect.forkScoped(Stream.runHead(admin.on("config.changed")), { startImmediately: true })
      const before = yield* get
      const raw = text({ ...(before.parsed as object), logging: { level: "debug" } })
      const done = yield* admin.call["config.set"]({ raw, baseHash: before.hash! })
      const file = read()
      assert.strictEqual(file["gateway"].auth.token, kit.token)
      assert.strictEqual(file["models"].providers.mock.apiKey, KEY)
      assert.strictEqual(file["logging"].level, "debug")
      assert.notInclude(text(done), KEY)
      const after = yield* get
      assert.strictEqual(done.hash, after.hash)
      // `logging` is read at the start, and nobody restarts this one.
      assert.strictEqual(after.appliedConfigHash, before.configRevisionHash)
      assert.notStrictEqual(after.configRevisionHash, before.configRevisionHash)
      const told = Option.getOrThrow(yield* Fiber.join(event))
      assert.deepInclude(told, { path: after.path, hash: after.hash! })
    })
  )

  live("writes only what was made for the file as it is", ({ admin, file, hash, read, refused }) =>
    Effect.gen(function* () {
      const raw = text({ session: { mainKey: "x" } })
      const before = read()
      const required = yield* refused("config.set", { raw })
      assert.strictEqual(required.message, "config base hash required; re-run config.get and retry")
      assert.strictEqual((yield* refused("config.set", { raw, baseHash: "other" })).message, STALE)
      // Somebody with an editor.
      const old = yield* hash
      writeFileSync(file, text({ ...before, session: { mainKey: "mine" } }))
      assert.strictEqual((yield* refused("config.set", { raw, baseHash: old })).message, STALE)
      assert.strictEqual(read()["session"].mainKey, "mine")
      // A file that is not there yet needs no hash.
      unlinkSync(file)
      yield* admin.call["config.set"]({ raw })
      assert.deepStrictEqual(read(), { session: { mainKey: "x" } })
    })
  )

  live("of many at once lets one through", ({ admin, hash, read }) =>
    Effect.gen(function* () {
      const baseHash = yield* hash
      const results = yield* Effect.forEach(
        Array.from({ length: 10 }, (_, index) => text({ session: { mainKey: `k${index}` } })),
        (raw) => Effect.result(admin.call["config.set"]({ raw, baseHash })),
        { concurrency: "unbounded" }
      )
      const failed = results.flatMap((result) => (result._tag === "Failure" ? [result.failure] : []))
      assert.lengthOf(failed, 9)
      for (const error of failed) assert.strictEqual(error.message, STALE)
      const winner = results.findIndex((result) => result._tag === "Success")
      assert.strictEqual(read()["session"].mainKey, `k${winner}`)
    })
  )

  live("writes nothing that would not be good", ({ hash, kit, read, refused }) =>
    Effect.gen(function* () {
      const before = read()
      const baseHash = yield* hash
      const told = (raw: string) => Effect.map(refused("config.set", { raw, baseHash }), ({ message }) => message)
      assert.strictEqual(yield* told("{ a: "), "SyntaxError: JSON5: invalid end of input at 1:6")
      assert.match(yield* told("[]"), /^invalid config: <root>: got an array of 0|\[\], expected an object/)
      assert.match(yield* told("{ gateway: { port: 'x' } }"), /^invalid config: gateway\.port: got "x", expected /)
      assert.match(yield* told('{ "__proto__": { x: 1 } }'), /^invalid config: __proto__: /)
      assert.match(yield* told(`${'{"a":'.repeat(200)}1${"}".repeat(200)}`), /less nesting/)
      assert.strictEqual(
        yield* told(text({ gateway: { auth: { password: SENTINEL } } })),
        `Sentinel value "${SENTINEL}" in key gateway.auth.password is not valid as real data`
      )
      const { details } = yield* refused("config.set", { raw: "{ gateway: { port: 'x' } }", baseHash })
      assert.strictEqual((details as { issues: ReadonlyArray<{ path: string }> }).issues[0]?.path, "gateway.port")
      assert.strictEqual((yield* refused("config.set", { raw: "", baseHash })).code, "INVALID_REQUEST")
      assert.match((yield* refused("config.set", {})).message, /must have required property 'raw'/)
      const reader = yield* kit.connect({ scopes: ["operator.read", "operator.write", "operator.pairing"] })
      for (const method of ["config.set", "config.patch", "config.apply"]) {
        assert.strictEqual((yield* refused(method, { raw: "{}" }, reader)).message, "missing scope: operator.admin")
      }
      assert.deepStrictEqual(read(), before)
    })
  )
})

describe("config.patch", () => {
  live("merges, keeps the rest and tells what changed", ({ admin, get, hash, kit, read }) =>
    Effect.gen(function* () {
      const before = yield* get
      const done = yield* admin.call["config.patch"]({
        raw: "{ session: { dmScope: 'per-peer', maintenance: null }, models: { providers: { mock: { apiKey: '__OPENCLAW_REDACTED__' } } } }",
        baseHash: before.hash!,
        note: "because"
      })
      assert.deepStrictEqual(done.changedPaths, ["session.maintenance.maxEntries", "session.dmScope"])
      assert.deepInclude(done.sentinel?.payload, { kind: "config-patch", status: "ok", message: "because" })
      assert.isFalse(done.sentinel?.payload.stats?.requiresRestart)
      assert.deepStrictEqual(read()["session"], { dmScope: "per-peer" })
      assert.strictEqual(read()["models"].providers.mock.apiKey, KEY)
      assert.strictEqual(read()["gateway"].auth.token, kit.token)
      const after = yield* get
      assert.strictEqual(after.appliedConfigHash, after.configRevisionHash)
      const again = yield* admin.call["config.patch"]({
        raw: "{ session: { dmScope: 'per-peer' } }",
        baseHash: yield* hash
      })
      assert.isTrue(again.noop)
    })
  )

  live("refuses what it cannot do, and says why", ({ file, hash, kit, read, refused }) =>
    Effect.gen(function* () {
      const baseHash = yield* hash
      const told = (params: object) => Effect.map(refused("config.patch", params), ({ message }) => message)
      assert.match(
        yield* told({ raw: "{ session: { mainKey: 'x' } }" }),
        /^config base hash required for session\.mainKey; re-run config\.get/
      )
      assert.strictEqual(yield* told({ raw: "{}", baseHash: "zz" }), STALE)
      assert.strictEqual(yield* told({ raw: "[]", baseHash }), "config.patch raw must be an object")
      assert.match(
        yield* told({ raw: "{ models: null }", baseHash }),
        /^config\.patch would remove entries from array path\(s\): models\.providers\.mock\.models\. Pass replacePaths/
      )
      // What another file says goes beyond a patch of this one.
      mkdirSync(`${kit.stateDir}/parts`, { mode: 0o700 })
      writeFileSync(`${kit.stateDir}/parts/session.json5`, "{ dmScope: 'main', mainKey: 'k' }", { mode: 0o600 })
      writeFileSync(file, text({ ...read(), session: { $include: "./parts/session.json5" } }))
      const included = yield* hash
      assert.match(
        yield* told({ raw: "{ session: { mainKey: null } }", baseHash: included }),
        /session\.mainKey; edit that file$/
      )
    })
  )

  live(
    "shrinks an array that is named, and keeps what an included file says",
    ({ admin, file, get, hash, kit, read }) =>
      Effect.gen(function* () {
        writeFileSync(`${kit.stateDir}/session.json5`, "{ dmScope: 'main' }", { mode: 0o600 })
        writeFileSync(file, text({ ...read(), session: { $include: "./session.json5" } }))
        const done = yield* admin.call["config.patch"]({
          raw: "{ models: { providers: { mock: { models: [] } } }, session: { mainKey: 'k' } }",
          baseHash: yield* hash,
          replacePaths: ["models.providers.mock.models"]
        })
        assert.deepStrictEqual(done.changedPaths, ["models.providers.mock.models", "session.mainKey"])
        assert.deepStrictEqual(read()["session"], { $include: "./session.json5", mainKey: "k" })
        assert.deepInclude((yield* get).config, { session: { dmScope: "main", mainKey: "k" } })
        // An included file counts too.
        const before = yield* hash
        writeFileSync(`${kit.stateDir}/session.json5`, "{ dmScope: 'per-peer' }", { mode: 0o600 })
        assert.notStrictEqual(yield* hash, before)
      })
  )

  live("does not let the file grow beyond what is read", ({ admin, hash, read, refused }) =>
    Effect.gen(function* () {
      const grow = Effect.fnUntraced(function* (key: string) {
        return { raw: text({ meta: { [key]: "y".repeat(900_000) } }), baseHash: yield* hash }
      })
      yield* admin.call["config.patch"](yield* grow("a"))
      yield* admin.call["config.patch"](yield* grow("b"))
      assert.match((yield* refused("config.patch", yield* grow("c"))).message, /at most 2 MB/)
      assert.deepStrictEqual(Object.keys(read()["meta"]), ["a", "b"])
    })
  )

  live("is not called without end", ({ admin, refused }) =>
    Effect.gen(function* () {
      yield* Effect.forEach(Array.from({ length: 30 }), () => admin.call["config.patch"]({ raw: "{}" }))
      const error = yield* refused("config.patch", { raw: "{}" })
      assert.strictEqual(error.code, "UNAVAILABLE")
      assert.match(error.message, /^rate limit exceeded for config\.patch; retry after \d+s$/)
      assert.isTrue(error.retryable)
      assert.deepStrictEqual(error.details, { method: "config.patch", limit: "30 per 60s" })
    })
  )
})

describe("a change that needs a restart", () => {
  const asked: Array<RestartRequest> = []
  const restart: Restart = (request) => Effect.sync(() => void asked.push(request))
  const port = (value: number) => `{ gateway: { port: ${value} } }`

  live(
    "restarts the Gateway, unless nobody wants it to",
    ({ admin, get, hash, read }) =>
      Effect.gen(function* () {
        const hot = yield* admin.call["config.apply"]({
          raw: text({ ...((yield* get).parsed as object), session: { mainKey: "k" } }),
          baseHash: yield* hash
        })
        assert.isFalse(hot.sentinel?.payload.stats?.requiresRestart)
        assert.deepStrictEqual(asked, [])
        const done = yield* admin.call["config.patch"]({ raw: port(28_001), baseHash: yield* hash })
        assert.isTrue(done.sentinel?.payload.stats?.requiresRestart)
        assert.deepStrictEqual(asked.splice(0), [{ reason: "config.patch" }])
        const later = yield* admin.call["config.apply"]({
          raw: text({ ...((yield* get).parsed as object), logging: { level: "debug" } }),
          baseHash: yield* hash,
          restartDelayMs: 3_600_000
        })
        assert.isTrue(later.sentinel?.payload.stats?.requiresRestart)
        assert.deepStrictEqual(asked, [])
        yield* admin.call["config.patch"]({ raw: "{ gateway: { reload: { mode: 'off' } } }", baseHash: yield* hash })
        const off = yield* admin.call["config.patch"]({ raw: port(28_002), baseHash: yield* hash })
        assert.isTrue(off.sentinel?.payload.stats?.requiresRestart)
        assert.deepStrictEqual(asked, [])
        assert.strictEqual(read()["gateway"].port, 28_002)
      }),
    { restart, config: {} }
  )

  live(
    "restarts it too when somebody else wrote it, or only that it is written was asked for",
    ({ admin, file, get, hash, read }) =>
      Effect.gen(function* () {
        asked.length = 0
        const restarted = Effect.repeat(
          Effect.delay(
            Effect.sync(() => asked.length),
            10
          ),
          { until: (count) => count > 0 }
        )
        writeFileSync(file, text({ ...read(), session: { mainKey: "k" } }))
        writeFileSync(file, text({ ...read(), gateway: { ...read()["gateway"], port: 28_004 } }))
        yield* restarted
        assert.deepStrictEqual(asked.splice(0), [{ reason: "config changed: gateway.port" }])
        const raw = text({ ...((yield* get).parsed as object), logging: { level: "debug" } })
        yield* admin.call["config.set"]({ raw, baseHash: yield* hash })
        yield* restarted
        assert.deepStrictEqual(asked.splice(0), [{ reason: "config changed: logging.level" }])
      }),
    { restart, config: {} }
  )

  live(
    "is written and not hidden when the Gateway would not come up again",
    ({ hash, read, refused }) =>
      Effect.gen(function* () {
        const error = yield* refused("config.patch", { raw: port(28_003), baseHash: yield* hash })
        assert.strictEqual(error.code, "UNAVAILABLE")
        assert.match(error.message, /is written, and does not hold yet: no$/)
        assert.deepStrictEqual(error.details, { code: "RESTART_REFUSED", hash: yield* hash })
        assert.strictEqual(read()["gateway"].port, 28_003)
      }),
    { restart: () => Effect.fail(new RestartRefused({ message: "no" })) }
  )

  live(
    "later, and says so when it could not, whatever the reason",
    ({ admin, hash }) =>
      Effect.gen(function* () {
        yield* admin.call["config.patch"]({ raw: port(28_005), baseHash: yield* hash, restartDelayMs: 1 })
        const failed = admin.call["status"]({}).pipe(
          Effect.map(({ supervisor }) =>
            supervisor?.find(({ name, state }) => name === "gateway/restart" && state === "failed")
          ),
          Effect.repeat({ until: (row) => row !== undefined })
        )
        assert.strictEqual((yield* failed)?.lastCause, "defect: nobody foresaw this")
      }),
    { restart: () => Effect.die(new Error("nobody foresaw this")) }
  )
})
