import { createServer, type AddressInfo } from "node:net"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { gateway, home, run } from "./kit.ts"

/** Counts who connects, and answers nobody. */
const listening = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly connections: () => number; readonly close: () => void }>(
    (resume) => {
      let connections = 0
      const server = createServer((socket) => {
        connections++
        socket.destroy()
      })
      server.listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            port: (server.address() as AddressInfo).port,
            connections: () => connections,
            close: () => server.close()
          })
        )
      )
    }
  ),
  ({ close }) => Effect.sync(close)
)

/** A home whose configuration holds secrets. */
const configured = Effect.map(home, (folder) => {
  mkdirSync(join(folder, ".openclaw"), { mode: 0o700 })
  writeFileSync(
    join(folder, ".openclaw", "openclaw.json"),
    JSON.stringify({ gateway: { auth: { token: "file-token-canary" }, remote: { token: "remote-token-canary" } } }),
    { mode: 0o600 }
  )
  return folder
})
const variables = { OPENCLAW_GATEWAY_TOKEN: "env-token-canary", OPENCLAW_GATEWAY_PASSWORD: "env-password-canary" }

const asking: ReadonlyArray<ReadonlyArray<string>> = [
  ["status"],
  ["health"],
  ["gateway", "status"],
  ["gateway", "health"],
  ["gateway", "probe"],
  ["gateway", "call", "health"],
  ["gateway", "send", "--target", "telegram:1", "-m", "hello"],
  ["gateway", "agent", "-m", "hello"],
  ["agent", "-m", "hello"],
  ["message", "send", "--target", "telegram:1", "-m", "hello"],
  ["node", "run"],
  ["nodes", "list"],
  ["nodes", "status"],
  ["nodes", "describe", "--node", "n"],
  ["nodes", "invoke", "--node", "n", "--command", "system.which"],
  ["nodes", "pending"],
  ["nodes", "approve", "r"],
  ["nodes", "reject", "r"],
  ["devices", "list"],
  ["devices", "approve", "r"],
  ["devices", "approve"],
  ["devices", "reject", "r"],
  ["channels", "status"],
  ["sessions"],
  ["sessions", "list"]
]

describe("--url", () => {
  for (const given of asking)
    it.live(`${given.join(" ")}: without --token or --password no connection is opened`, () =>
      Effect.gen(function* () {
        const server = yield* listening
        const setting = { home: yield* configured, variables }
        const url = `ws://127.0.0.1:${server.port}`
        const ended = yield* run(setting, ...given, "--url", url)
        const asJson = yield* run(setting, ...given, "--url", url, "--json")
        assert.strictEqual(ended.code, 1)
        assert.match(`${ended.stderr}${ended.stdout}`, /explicit credentials[\s\S]*Fix: pass --token or --password/)
        assert.match(`${asJson.stderr}${asJson.stdout}`, /MissingExplicitCredentials/)
        assert.notMatch(JSON.stringify([ended, asJson]), /canary/)
        assert.strictEqual(server.connections(), 0)
      }).pipe(Effect.scoped)
    )

  it.live("with --token sends that token and no other secret", () =>
    Effect.gen(function* () {
      const server = yield* gateway({ "sessions.list": () => ({ ts: 1, count: 0, sessions: [] }) })
      const setting = { home: yield* configured, variables }
      const ended = yield* run(setting, "sessions", "--url", server.url, "--token", "flag-token-canary")
      assert.strictEqual(ended.code, 0)
      assert.deepStrictEqual(server.connects[0]?.params["auth"], { token: "flag-token-canary" })
      assert.notMatch(JSON.stringify(server.connects), /(?:env|file|remote)-/)
      assert.notMatch(JSON.stringify(ended), /canary/)
    }).pipe(Effect.scoped)
  )

  it.live("works beside a configuration that is broken", () =>
    Effect.gen(function* () {
      const server = yield* gateway({ "sessions.list": () => ({ ts: 1, count: 0, sessions: [] }) })
      const folder = yield* configured
      writeFileSync(join(folder, ".openclaw", "openclaw.json"), "{ broken")
      assert.strictEqual((yield* run({ home: folder }, "sessions", ...server.flags)).code, 0)
      assert.strictEqual((yield* run({ home: folder }, "sessions")).code, 78)
    }).pipe(Effect.scoped)
  )

  it.live.each([
    ["http://127.0.0.1:1", /ws:\/\/ or wss:\/\//],
    ["ws://user:pass-canary@127.0.0.1:1", /user name or password/],
    ["ws://203.0.113.9:18789", /unencrypted/],
    ["nonsense", /not a URL/]
  ] as const)("%s is refused with the fix", ([url, says]) =>
    Effect.gen(function* () {
      const ended = yield* run({ home: yield* home }, "health", "--url", url, "--token", "flag-token-canary")
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, says)
      assert.match(ended.stderr, /Fix: /)
      assert.notMatch(JSON.stringify(ended), /canary/)
    }).pipe(Effect.scoped)
  )
})

describe("without --url", () => {
  it.live("the local Gateway gets the configured token, and the environment's port decides", () =>
    Effect.gen(function* () {
      const server = yield* gateway({ health: () => ({ ok: true }) })
      const setting = { home: yield* configured, variables: { OPENCLAW_GATEWAY_PORT: new URL(server.url).port } }
      const ended = yield* run(setting, "health")
      assert.strictEqual(ended.code, 0)
      assert.deepStrictEqual(server.connects[0]?.params["auth"], { token: "file-token-canary" })
      assert.notMatch(JSON.stringify(ended), /canary/)
    }).pipe(Effect.scoped)
  )

  it.live("a Gateway's error that repeats the token is shown without it", () =>
    Effect.gen(function* () {
      const server = yield* gateway({
        health: () => {
          throw {
            code: "INVALID_REQUEST",
            message: "bad token file-token-canary \u001b[2J",
            details: "file-token-canary"
          }
        }
      })
      const setting = { home: yield* configured, variables: { OPENCLAW_GATEWAY_PORT: new URL(server.url).port } }
      for (const flags of [[], ["--json"], ["--log-level", "debug"]]) {
        const ended = yield* run(setting, "health", ...flags)
        assert.strictEqual(ended.code, 1)
        assert.include(flags[0] === "--json" ? ended.stdout : ended.stderr, "<redacted>")
        assert.notMatch(JSON.stringify(ended), /canary/)
        assert.notInclude(ended.stdout + ended.stderr, "\u001b")
      }
    }).pipe(Effect.scoped)
  )
})

/** A home that uses a Gateway elsewhere. */
const remote = (settings: object) =>
  Effect.map(home, (folder) => {
    mkdirSync(join(folder, ".openclaw"), { mode: 0o700 })
    const gateway = { mode: "remote", auth: { token: "own-canary" }, remote: { token: "remote-canary", ...settings } }
    writeFileSync(join(folder, ".openclaw", "openclaw.json"), JSON.stringify({ gateway }), { mode: 0o600 })
    return { home: folder, variables }
  })

describe("an address that somebody named outright", () => {
  it.live("is not dialled without a secret from there, whatever the configuration of a remote Gateway holds", () =>
    Effect.gen(function* () {
      const server = yield* listening
      const url = `ws://127.0.0.1:${server.port}`
      const { home: folder } = yield* remote({ sshTarget: "nobody@127.0.0.1:1", password: "remote-password-canary" })
      const byFlag = yield* run({ home: folder, variables }, "health", "--url", url)
      const byVariable = yield* run({ home: folder, variables: { OPENCLAW_GATEWAY_URL: url } }, "health")
      const asJson = yield* run({ home: folder, variables: { OPENCLAW_GATEWAY_URL: url } }, "health", "--json")
      assert.match(byFlag.stderr, /^--url .*explicit credentials[\s\S]*Fix: pass --token or --password/)
      assert.match(
        byVariable.stderr,
        /^OPENCLAW_GATEWAY_URL .*explicit credentials[\s\S]*Fix: set OPENCLAW_GATEWAY_TOKEN/
      )
      assert.strictEqual(JSON.parse(asJson.stdout).error.name, "MissingExplicitCredentials")
      assert.deepStrictEqual([byFlag.code, byVariable.code, asJson.code], [1, 1, 1])
      assert.strictEqual(server.connections(), 0)
      assert.notMatch(JSON.stringify([byFlag, byVariable, asJson]), /canary/)
    }).pipe(Effect.scoped)
  )

  it.live("is shown the secrets of the environment when a variable named it, and no others", () =>
    Effect.gen(function* () {
      const server = yield* gateway({ health: () => ({ ok: true }) })
      const { home: folder } = yield* remote({ sshTarget: "nobody@127.0.0.1:1" })
      const ended = yield* run(
        { home: folder, variables: { ...variables, OPENCLAW_GATEWAY_URL: server.url } },
        "health"
      )
      assert.strictEqual(ended.code, 0)
      assert.deepStrictEqual(server.connects[0]?.params["auth"], {
        token: "env-token-canary",
        password: "env-password-canary"
      })
    }).pipe(Effect.scoped)
  )
})

describe("gateway.mode remote", () => {
  it.live("a tunnel opened by hand is used as it is, with the remote's own token", () =>
    Effect.gen(function* () {
      const server = yield* gateway({ health: () => ({ ok: true }) })
      const setting = yield* remote({ url: server.url })
      const ended = yield* run(setting, "health")
      assert.strictEqual(ended.code, 0)
      assert.deepStrictEqual(server.connects[0]?.params["auth"], {
        token: "remote-canary",
        password: "env-password-canary"
      })
      assert.notMatch(JSON.stringify(ended), /canary/)
    }).pipe(Effect.scoped)
  )

  it.live("through ssh, nothing is sent to another process that has the tunnel's port", () =>
    Effect.gen(function* () {
      const server = yield* listening
      const sshTarget = "nobody@127.0.0.1:1"
      const setting = yield* remote({ transport: "ssh", sshTarget, url: `ws://127.0.0.1:${server.port}` })
      for (const given of [
        ["health", "--timeout", "1500"],
        ["gateway", "probe", "--timeout", "1500"]
      ]) {
        const ended = yield* run(setting, ...given, "--json")
        assert.strictEqual(ended.code, 1)
        assert.match(ended.stdout, /TunnelTimeout/)
        assert.notMatch(JSON.stringify(ended), /canary/)
      }
      assert.strictEqual(server.connections(), 0)
    }).pipe(Effect.scoped)
  )

  it.live.each([
    [{ transport: "ssh" }, 1, /InvalidEndpoint/],
    [{ sshTarget: "-oProxyCommand=canary" }, 1, /SshTargetInvalid/],
    [{ sshTarget: "me@host", sshIdentity: "canary-key" }, 78, /SettingInvalid/],
    [{ url: "ws://127.0.0.1:1", tlsFingerprint: "ab".repeat(32) }, 1, /TlsPinWithoutTls/]
  ] as const)("%j is refused with the fix", ([settings, code, says]) =>
    Effect.gen(function* () {
      const ended = yield* run(yield* remote(settings), "health", "--json")
      assert.strictEqual(ended.code, code)
      assert.match(ended.stdout, says)
      assert.match(ended.stdout, /Fix: /)
      assert.notMatch(JSON.stringify(ended), /own-canary|remote-canary|env-/)
    }).pipe(Effect.scoped)
  )

  it.live("--tls-fingerprint on ws:// is refused, and nothing is dialled", () =>
    Effect.gen(function* () {
      const server = yield* listening
      const url = `ws://127.0.0.1:${server.port}`
      const pin = ["--tls-fingerprint", "ab".repeat(32)]
      const given = ["health", "--url", url, "--token", "flag-token-canary", ...pin]
      const ended = yield* run({ home: yield* home }, ...given)
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /not encrypted[\s\S]*Fix: use wss/)
      const node = ["node", "run", "--host", "127.0.0.1", "--port", String(server.port), ...pin]
      assert.strictEqual((yield* run({ home: yield* home }, ...node)).code, 1)
      assert.strictEqual(server.connections(), 0)
    }).pipe(Effect.scoped)
  )
})
