import { existsSync, readFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChannelAccessLayer from "../../src/layers/channels/ChannelAccess.ts"
import * as StateDir from "../../src/layers/StateDir.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { ChannelAccess } from "../../src/services/ChannelRouter.ts"
import { type Ended, home, type Printed, run, start } from "./kit.ts"

const portIn = ({ stdout }: Printed): number | undefined => {
  const line = stdout.split("\n").find((text) => text.includes('"ready":true'))
  return line === undefined ? undefined : JSON.parse(line).port
}

/** A Gateway of its own home, started by `gateway run`, and the CLI beside it. */
const started = Effect.gen(function* () {
  const folder = yield* home
  const gateway = yield* start({ home: folder }, "gateway", "run", "--port", "0", "--allow-unconfigured", "--json")
  const port = yield* gateway.until(portIn)
  const setting = { home: folder, variables: { OPENCLAW_GATEWAY_PORT: String(port) } }
  const outputs: Array<Ended> = []
  const cli = (...given: ReadonlyArray<string>) =>
    Effect.tap(run(setting, ...given), (ended) => Effect.sync(() => void outputs.push(ended)))
  const file = JSON.parse(readFileSync(join(folder, ".openclaw", "openclaw.json"), "utf8"))
  const token: string = file.gateway.auth.token
  return { folder, gateway, port, setting, cli, outputs, token }
})

describe("gateway run", () => {
  it.live("answers every question of the CLI, shows its tree, and ends with 0 when told to stop", () =>
    Effect.gen(function* () {
      const { cli, folder, gateway, outputs, token } = yield* started
      const deep = yield* cli("status", "--deep")
      assert.strictEqual(deep.code, 0)
      assert.match(deep.stdout, /Config: +~\/\.openclaw\/openclaw\.json \(valid\)/)
      assert.match(deep.stdout, /Reachable: +yes/)
      assert.match(deep.stdout, /Gateway\n├─ [\s\S]*tick +running +since .* 0 restarts/)
      const asJson = JSON.parse((yield* cli("status", "--json")).stdout)
      assert.deepStrictEqual([asJson.gateway.reachable, asJson.config.valid], [true, true])
      assert.isArray(asJson.supervisor)

      for (const given of [
        ["status"],
        ["health"],
        ["gateway", "health"],
        ["gateway", "status", "--require-rpc"],
        ["gateway", "probe"],
        ["gateway", "call", "system-presence"],
        ["channels", "status"],
        ["sessions"],
        ["nodes", "list"],
        ["nodes", "status"],
        ["nodes", "pending"],
        ["devices", "list"],
        ["config", "get"],
        ["config", "validate"]
      ]) {
        for (const flags of [[], ["--json"]]) {
          const ended = yield* cli(...given, ...flags)
          assert.strictEqual(ended.code, 0, `${given.join(" ")}: ${ended.stderr}`)
          if (flags.length > 0) JSON.parse(ended.stdout)
        }
      }
      assert.strictEqual((yield* cli("gateway", "call", "nope")).code, 1)
      assert.match((yield* cli("health", "--token", "a-wrong-token")).stderr, /refused the connection[\s\S]*Fix: /)
      const probe = yield* cli("gateway", "probe", "--token", "a-wrong-token")
      assert.match(probe.stdout, /yes, but it refused/)
      const bare = (yield* cli("gateway", "probe")).stdout
      assert.match(bare, /connected-no-operator-scope \(a bare probe is given none; other commands may do more/)
      assert.match((yield* cli("gateway", "status")).stdout, /read-only \(all that this command asks for; others may/)
      assert.match(probe.stderr, /Fix: /)

      const stopped = yield* gateway.stop
      assert.strictEqual(stopped.code, 0)
      const log = readFileSync(join(folder, ".openclaw", "logs", "gateway.log"), "utf8")
      assert.match(log, /listening/)
      for (const text of [JSON.stringify(outputs), JSON.stringify(stopped), log]) {
        assert.notInclude(text, token)
        assert.notInclude(text, "a-wrong-token")
      }
    }).pipe(Effect.scoped)
  )

  it.live("one per state directory: the second names the first", () =>
    Effect.gen(function* () {
      const { setting } = yield* started
      const second = yield* run(setting, "gateway", "run", "--port", "0")
      assert.strictEqual(second.code, 1)
      assert.match(second.stderr, new RegExp(`pid ${process.pid}\\b.*already owns`))
      const other = yield* start(
        setting,
        "gateway",
        "--port",
        "0",
        "--allow-unconfigured",
        "--json",
        "--profile",
        "two"
      )
      assert.isNumber(yield* other.until(portIn))
      assert.strictEqual((yield* other.stop).code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("a token of one's own lets in, and nothing else does", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const flags = ["--port", "0", "--allow-unconfigured", "--auth", "token", "--token", "flag-token-canary"]
      const gateway = yield* start(setting, "gateway", ...flags, "--json", "--verbose")
      const url = `ws://127.0.0.1:${yield* gateway.until(portIn)}`
      assert.strictEqual((yield* run(setting, "health", "--url", url, "--token", "flag-token-canary")).code, 0)
      assert.strictEqual((yield* run(setting, "health", "--url", url, "--token", "another")).code, 1)
      assert.notInclude(JSON.stringify(yield* gateway.stop), "canary")
    }).pipe(Effect.scoped)
  )

  it.live("says what keeps it from starting", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const cli = (...given: ReadonlyArray<string>) => run({ home: folder }, "gateway", ...given)
      const missing = yield* cli("run")
      assert.strictEqual(missing.code, 78)
      assert.match(missing.stderr, /openclaw\.json is missing[\s\S]*Fix: .*config set gateway\.mode local/)
      assert.strictEqual(JSON.parse((yield* cli("--json")).stdout).ok, false)

      yield* run({ home: folder }, "config", "set", "gateway.mode", "remote")
      const remote = yield* cli("run")
      assert.strictEqual(remote.code, 78)
      assert.match(remote.stderr, /"remote"[\s\S]*Fix: /)
      yield* run({ home: folder }, "config", "set", "gateway.mode", "local")

      const refused = yield* cli("run", "--port", "0", "--bind", "lan", "--auth", "none")
      assert.strictEqual(refused.code, 1)
      assert.match(refused.stderr, /without authentication[\s\S]*Fix: /)

      const wrongEnv = yield* run({ home: folder, variables: { OPENCLAW_GATEWAY_PORT: "high" } }, "gateway", "run")
      assert.strictEqual(wrongEnv.code, 78)
      assert.match(wrongEnv.stderr, /^OPENCLAW_GATEWAY_PORT: got "high"[\s\S]*Fix: correct OPENCLAW_GATEWAY_PORT/)
      const client = yield* run({ home: folder, variables: { OPENCLAW_GATEWAY_PORT: "high" } }, "health")
      assert.match(client.stderr, /Fix: set OPENCLAW_GATEWAY_PORT to/)
      const noPassword = yield* cli("run", "--port", "0", "--auth", "password")
      assert.strictEqual(noPassword.code, 78)
      assert.match(noPassword.stderr, /^--auth password: got no password, expected one by --password/)

      const server = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const listener = createServer()
          listener.listen(0, "127.0.0.1", () => resume(Effect.succeed(listener)))
        }),
        (listener) => Effect.sync(() => listener.close())
      )
      const port = (server.address() as AddressInfo).port
      const taken = yield* cli("run", "--port", String(port))
      assert.strictEqual(taken.code, 1)
      assert.match(taken.stderr, new RegExp(`port ${port} .* is in use[\\s\\S]*Fix: `))
      const fresh = yield* home
      const first = yield* run({ home: fresh }, "gateway", "run", "--allow-unconfigured", "--port", String(port))
      assert.strictEqual(first.code, 1)
      assert.isFalse(existsSync(join(fresh, ".openclaw", "openclaw.json")))
    }).pipe(Effect.scoped)
  )

  it.live("--force ends the process that owns the directory; SIGINT and SIGTERM end a Gateway with 0", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const spawn = Effect.fnUntraced(function* (...flags: ReadonlyArray<string>) {
        const child = yield* ChildProcess.make(
          process.execPath,
          [join(import.meta.dirname, "../../src/main.ts"), "gateway", "run", "--port", "0", "--json", ...flags],
          { env: { HOME: folder, PATH: "/usr/bin:/bin" }, extendEnv: false }
        )
        const ready = child.stdout.pipe(
          Stream.decodeText(),
          Stream.splitLines,
          Stream.filter((line) => line.includes('"ready":true')),
          Stream.runHead
        )
        return { child, ready }
      })
      const first = yield* spawn("--allow-unconfigured")
      assert.strictEqual((yield* first.ready)._tag, "Some")
      const second = yield* spawn("--force")
      assert.strictEqual((yield* second.ready)._tag, "Some")
      assert.strictEqual(yield* first.child.exitCode, 0)
      yield* second.child.kill({ killSignal: "SIGINT" })
      assert.strictEqual(yield* second.child.exitCode, 0)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

describe("without a Gateway", () => {
  it.live("each command tells what it can, and the fix", () =>
    Effect.gen(function* () {
      // A port that was free a moment ago.
      const { cli, gateway } = yield* started
      yield* gateway.stop
      const status = yield* cli("status", "--deep")
      assert.strictEqual(status.code, 1)
      assert.match(status.stdout, /Config: .*valid[\s\S]*Model: +none configured[\s\S]*Reachable: +no/)
      assert.match(status.stderr, /Gateway not reachable[\s\S]*Fix: /)
      const asJson = JSON.parse((yield* cli("status", "--json")).stdout)
      assert.deepStrictEqual([asJson.gateway.reachable, asJson.gateway.error.name], [false, "GatewayUnreachable"])

      const gatewayStatus = yield* cli("gateway", "status")
      assert.strictEqual(gatewayStatus.code, 0)
      assert.match(gatewayStatus.stdout, /Connectivity probe: +failed/)
      assert.match(gatewayStatus.stderr, /Fix: /)
      assert.strictEqual((yield* cli("gateway", "status", "--require-rpc")).code, 1)
      assert.match((yield* cli("gateway", "status", "--no-probe")).stdout, /not asked/)
      const probe = yield* cli("gateway", "probe")
      assert.strictEqual(probe.code, 1)
      assert.match(probe.stdout, /Reachable: +no/)
      assert.match(probe.stderr, /Fix: /)
      for (const given of [["health"], ["nodes", "list"], ["agent", "-m", "x"], ["sessions"], ["channels", "status"]]) {
        const ended = yield* cli(...given)
        assert.strictEqual(ended.code, 1)
        assert.match(ended.stderr, /No Gateway answers at ws:\/\/127\.0\.0\.1:\d+[\s\S]*Fix: .*openclaw gateway/)
      }
    }).pipe(Effect.scoped)
  )

  it.live("pairing lists and lets in whoever waits", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const cli = (...given: ReadonlyArray<string>) => run({ home: folder }, "pairing", ...given)
      assert.match((yield* cli("list")).stdout, /Nobody waits/)
      const store = ChannelAccessLayer.layer.pipe(
        Layer.provide(Storage.layerStateDir),
        Layer.provide(StateDir.layer({ root: join(folder, ".openclaw") })),
        Layer.provide(NodeServices.layer)
      )
      const asked = yield* Effect.gen(function* () {
        const access = yield* ChannelAccess
        return yield* access.request({
          channel: "telegram",
          accountId: "default",
          senderId: "555",
          displayName: "Eve \u001b[2J"
        })
      }).pipe(Effect.provide(store))
      const code = asked?.request.code ?? ""

      const list = yield* cli("list", "telegram")
      assert.match(list.stdout, new RegExp(`Pairing requests \\(1\\)[\\s\\S]*${code}.*555.*Eve .*in \\d+m`))
      assert.notInclude(list.stdout, "\u001b")
      for (const given of [
        ["list", "telegarm"],
        ["approve", "telegarm", code]
      ]) {
        const unknown = yield* cli(...given)
        assert.strictEqual(unknown.code, 1)
        assert.match(unknown.stderr, /no channel called telegarm[\s\S]*Fix: name one of telegram/)
      }
      const wrong = yield* cli("approve", "telegram", "NOSUCH22")
      assert.strictEqual(wrong.code, 1)
      assert.match(wrong.stderr, /no pending access request has the code NOSUCH22/)
      const approved = yield* cli("approve", "Telegram", code.toLowerCase())
      assert.strictEqual(approved.code, 0)
      assert.match(approved.stdout, /Approved Eve .*\(555\) on telegram/)
      assert.deepStrictEqual(JSON.parse((yield* cli("list", "--json")).stdout).requests, [])
      assert.match((yield* cli("list", "telegram")).stdout, /Nobody waits on telegram/)
      const allowed = yield* Effect.flatMap(ChannelAccess, (access) => access.allowed("telegram", "default")).pipe(
        Effect.provide(store)
      )
      assert.deepStrictEqual(allowed, ["555"])
    }).pipe(Effect.scoped)
  )
})
