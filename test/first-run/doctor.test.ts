import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as ProviderServer from "../../src/testing/ProviderServer.ts"
import { home, run, start } from "../cli/kit.ts"
import { freePort, listener, stored } from "./kit.ts"

interface Found {
  readonly area: string
  readonly id: string
  readonly status: string
  readonly detail: string
  readonly fix?: string
  readonly fixable?: boolean
}

interface Setting {
  readonly home: string
  readonly variables?: Readonly<Record<string, string>>
}

const servers = Layer.mergeAll(BotApi.layer(), ProviderServer.layer)

const write = ({ home }: Setting, config: unknown) => {
  mkdirSync(join(home, ".openclaw"), { recursive: true, mode: 0o700 })
  writeFileSync(join(home, ".openclaw", "openclaw.json"), JSON.stringify(config), { mode: 0o600 })
}

const doctor = Effect.fnUntraced(function* (setting: Setting, ...flags: ReadonlyArray<string>) {
  const ended = yield* run(setting, "doctor", "--json", ...flags)
  const report = JSON.parse(ended.stdout)
  const checks: ReadonlyArray<Found> = report.checks
  return {
    ...ended,
    report,
    checks,
    find: (area: string, id: string) => checks.find((check) => check.area === area && check.id === id)
  }
})

/** Nothing to mend: the assistant that needs no provider, on a port that is free. */
const well = Effect.map(freePort, (port) => ({
  gateway: { mode: "local", port },
  agents: { defaults: { model: "builtin/offline" } }
}))

describe("openclaw doctor", () => {
  it.live("finds an empty home: what is missing, each with its fix, and nothing is made", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const seen = yield* doctor(setting)
      assert.strictEqual(seen.code, 1)
      assert.isFalse(seen.report.ok)
      assert.deepInclude(seen.find("config", "file"), { status: "warn", fix: "`openclaw onboard` makes one" })
      assert.strictEqual(seen.find("model", "not-configured")?.status, "warn")
      for (const { fix, status } of seen.checks)
        assert.isTrue(status === "ok" || status === "info" || fix !== undefined)
      assert.isFalse(existsSync(join(setting.home, ".openclaw")))
    }).pipe(Effect.scoped)
  )

  it.live("exits with 0 when all is well, and shows every area", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      write(setting, yield* well)
      const ended = yield* run(setting, "doctor")
      assert.include(ended.stdout, "All is well.")
      assert.strictEqual(ended.code, 0)
      const areas = [
        "program",
        "config",
        "state",
        "gateway",
        "service",
        "model",
        "telegram",
        "nodes",
        "ssh",
        "tailscale",
        "clock",
        "security"
      ]
      const shown = ended.stdout.split("\n").flatMap((line) => /^(?:ok|note) +(\S+)/.exec(line)?.[1] ?? [])
      assert.deepStrictEqual([...new Set(shown)], areas)
    }).pipe(Effect.scoped)
  )

  it.live("works with a configuration that cannot be read", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      write(setting, {})
      writeFileSync(join(setting.home, ".openclaw", "openclaw.json"), "{ gateway: ", { mode: 0o600 })
      const seen = yield* doctor(setting)
      assert.strictEqual(seen.code, 1)
      assert.match(seen.find("config", "file")?.detail ?? "", /line 1/)
      assert.match(seen.find("config", "file")?.fix ?? "", /openclaw config validate/)
      assert.match(seen.find("model", "answer")?.detail ?? "", /cannot be read/)
    }).pipe(Effect.scoped)
  )

  it.live("--fix takes rights of others away, removes a dead lock, and renames older keys; then all is well", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      write(setting, { ...(yield* well), tools: { exec: { timeoutSec: 9 } } })
      const root = join(setting.home, ".openclaw")
      const lock = join(root, "gateway.lock")
      writeFileSync(lock, JSON.stringify({ pid: 2 ** 30, started: "1", nonce: "0".repeat(32) }), { mode: 0o600 })
      mkdirSync(join(root, "logs"))
      chmodSync(join(root, "logs"), 0o755)
      chmodSync(root, 0o750)
      const before = yield* doctor(setting)
      assert.deepStrictEqual(
        before.checks.filter(({ fixable }) => fixable === true).map(({ area, id }) => `${area} ${id}`),
        ["config names", "state rights", "state lock"]
      )
      assert.isTrue(existsSync(lock), "without --fix it stays")
      chmodSync(root, 0o750)
      const after = yield* doctor(setting, "--fix")
      assert.strictEqual(after.code, 0, after.stdout)
      assert.deepStrictEqual(
        after.report.repairs.map(({ result }: { result: string }) => result),
        ["done", "done", "done"]
      )
      assert.isFalse(existsSync(lock))
      assert.strictEqual(statSync(root).mode & 0o777, 0o700)
      assert.strictEqual(statSync(join(root, "logs")).mode & 0o777, 0o700)
      assert.deepStrictEqual(stored(setting).tools, { exec: { timeoutSeconds: 9 } })
    }).pipe(Effect.scoped)
  )

  it.live("tells a damaged database, a variable without a value, and who has the port", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const { port } = yield* listener
      write(setting, { ...(yield* well), gateway: { mode: "local", port, auth: { token: "${NOT_THERE}" } } })
      const folder = join(setting.home, ".openclaw", "state")
      mkdirSync(folder, { mode: 0o700 })
      writeFileSync(join(folder, "openclaw.sqlite"), "this is no database at all".repeat(100), { mode: 0o600 })
      const seen = yield* doctor(setting)
      assert.deepInclude(seen.find("state", "database"), { status: "error" })
      assert.match(seen.find("state", "database")?.fix ?? "", /backup restore/)
      assert.match(seen.find("config", "secret")?.detail ?? "", /NOT_THERE has no value/)
      assert.match(
        seen.find("gateway", "port")?.detail ?? "",
        new RegExp(`port ${port} is held by pid ${process.pid} `)
      )
    }).pipe(Effect.scoped)
  )

  it.live("tells of Telegram: a token that is refused, a webhook, messages that wait", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const bots = yield* BotApi.BotApi
      const wrong = "123456789:AAwrong-token_wrong-token_wrong-to"
      const account = { botToken: bots.token }
      write(setting, {
        ...(yield* well),
        channels: { telegram: { apiRoot: bots.url, accounts: { good: account, bad: { botToken: wrong }, none: {} } } }
      })
      yield* bots.setWebhook("https://elsewhere.example/secret-path")
      yield* bots.sendText({ from: { id: 1 }, text: "hello" })
      const seen = yield* doctor(setting)
      const said = seen.checks.filter(({ area }) => area === "telegram").map(({ detail }) => detail)
      assert.include(said, "good: the token is that of @test_claw_bot")
      assert.include(said, "good: messages to @test_claw_bot are sent to elsewhere.example instead of here")
      assert.include(said, "good: 1 message waiting for a Gateway to run")
      assert.include(said, "bad: Telegram does not know this bot token (401)")
      assert.isTrue(said.some((detail) => detail.startsWith("none: the Telegram bot token of account none is missing")))
      for (const secret of [bots.token, wrong, "secret-path"]) assert.notInclude(seen.stdout, secret)
      const fixed = yield* doctor(setting, "--fix")
      assert.deepInclude(fixed.report.repairs, {
        kind: "webhook",
        result: "skipped",
        detail:
          "not done without a yes on a terminal: Take the webhook of account good away, so that its messages come here?"
      })
    }).pipe(Effect.scoped, Effect.provide(servers))
  )

  it.live("has the model answer with --deep, and says what is wrong with key, name and address", () =>
    Effect.gen(function* () {
      const key = "sk-a-key-that-nobody-sees"
      const setting = { home: yield* home, variables: { CUSTOM_API_KEY: key } }
      const provider = yield* ProviderServer.ProviderServer
      const at = (baseUrl: string) =>
        Effect.map(well, (config) =>
          write(setting, {
            ...config,
            agents: { defaults: { model: "custom/m" } },
            models: { providers: { custom: { baseUrl } } }
          })
        )
      yield* at(`${provider.url}/v1`)
      yield* provider.push({ text: ["ready"] })
      const good = yield* doctor(setting, "--deep")
      assert.match(good.find("model", "answer")?.detail ?? "", /^custom\/m answered in \d+ ms$/)
      yield* provider.push({ status: 401, errorMessage: `bad key ${key}` })
      const refused = yield* doctor(setting, "--deep")
      assert.match(refused.find("model", "key")?.detail ?? "", /custom refused the key/)
      yield* provider.push({ status: 404, errorMessage: "no such model" })
      const unknown = yield* doctor(setting, "--deep")
      assert.match(unknown.find("model", "model")?.detail ?? "", /does not know the model m/)
      const cheap = yield* doctor(setting)
      assert.match(cheap.find("model", "answer")?.detail ?? "", /does not list its models/)
      yield* at(`http://127.0.0.1:${yield* freePort}/v1`)
      for (const flags of [[], ["--deep"]]) {
        const away = yield* doctor(setting, ...flags)
        assert.match(away.find("model", "unreachable")?.detail ?? "", /connection refused/)
      }
      for (const { stdout } of [good, refused, unknown, cheap]) assert.notInclude(stdout, key)
    }).pipe(Effect.scoped, Effect.provide(servers))
  )

  it.live("asks the Gateway that runs: its answer, its nodes, its port being its own", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      write(setting, yield* well)
      const gateway = yield* start(setting, "gateway", "run")
      yield* gateway.until(({ stdout }) => (stdout.includes("listens on") ? true : undefined))
      const seen = yield* doctor(setting)
      assert.match(
        seen.find("gateway", "answer")?.detail ?? "",
        /^answers at ws:\/\/127\.0\.0\.1:\d+ in \d+ ms, pid \d+$/
      )
      assert.isUndefined(seen.find("gateway", "port"))
      assert.isUndefined(seen.find("state", "lock"))
      assert.strictEqual(seen.find("nodes", "list")?.detail, "no node is paired")
      assert.strictEqual(seen.find("state", "database")?.status, "ok")
      assert.strictEqual(seen.code, 0, seen.stdout)
      yield* gateway.stop
    }).pipe(Effect.scoped)
  )

  it.live("reads a database whole beside somebody who writes to it", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      write(setting, yield* well)
      const folder = join(setting.home, ".openclaw", "state")
      mkdirSync(folder, { mode: 0o700 })
      const db = yield* Effect.acquireRelease(
        Effect.sync(() => new DatabaseSync(join(folder, "openclaw.sqlite"))),
        (open) => Effect.sync(() => open.close())
      )
      db.exec("PRAGMA journal_mode = WAL; CREATE TABLE a (b); BEGIN; INSERT INTO a VALUES (1)")
      const seen = yield* doctor(setting, "--deep")
      assert.strictEqual(seen.find("state", "database")?.status, "ok")
    }).pipe(Effect.scoped)
  )
})
