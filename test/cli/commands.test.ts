import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { answered, gateway, home, run } from "./kit.ts"

const rig = (given: Parameters<typeof gateway>[0]) =>
  Effect.gen(function* () {
    const server = yield* gateway(given)
    const setting = { home: yield* home }
    return { server, setting, cli: (...args: ReadonlyArray<string>) => run(setting, ...args, ...server.flags) }
  })

describe("message send", () => {
  it.live("sends by the channel that the destination names", () =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig({
        send: () => ({ runId: "r", messageId: "130", channel: "telegram", chatId: "7" })
      })
      const flags = ["--account", "a", "--thread-id", "9", "--reply-to", "5", "--silent"]
      const ended = yield* cli("message", "send", "--to", "telegram:7", "-m", "hello", ...flags)
      assert.deepStrictEqual(ended, { stdout: "Sent via telegram. Message ID: 130", stderr: "", code: 0 })
      const { idempotencyKey: _, ...params } = server.requests[0]?.params ?? {}
      assert.deepStrictEqual(params, {
        to: "telegram:7",
        message: "hello",
        channel: "telegram",
        accountId: "a",
        threadId: "9",
        replyToId: "5",
        silent: true
      })
      const asJson = JSON.parse((yield* cli("gateway", "send", "-t", "7", "-m", "hello", "--json")).stdout)
      assert.deepStrictEqual([asJson.action, asJson.dryRun, asJson.messageId], ["send", false, "130"])
      assert.isUndefined(server.requests.at(-1)?.params["channel"])
    }).pipe(Effect.scoped)
  )

  it.live("takes files along, one message each, the text with the first; names what is wrong with one", () =>
    Effect.gen(function* () {
      let next = 1
      const { cli, server, setting } = yield* rig({
        send: () => ({ runId: "r", messageId: String(next++), channel: "telegram", chatId: "7" })
      })
      const file = (name: string, content: string) => {
        const path = Path.join(setting.home, name)
        Fs.writeFileSync(path, content)
        return path
      }
      const picture = ["--media", file("a.PNG", "pixel")]
      const to = ["message", "send", "-t", "telegram:7"]
      const ended = yield* cli(...to, "-m", "look", ...picture, "--media", file("b", "letter"), "--force-document")
      assert.deepStrictEqual(ended, { stdout: "Sent via telegram. Message IDs: 1, 2", stderr: "", code: 0 })
      const [first, second] = server.requests.map(({ params }) => params)
      const buffer = (text: string) => Buffer.from(text).toString("base64")
      assert.deepInclude(first, {
        message: "look",
        buffer: buffer("pixel"),
        filename: "a.PNG",
        contentType: "image/png"
      })
      assert.deepInclude(second, {
        buffer: buffer("letter"),
        filename: "b",
        contentType: "application/octet-stream",
        forceDocument: true
      })
      assert.isUndefined(second?.["message"])
      assert.strictEqual((yield* cli(...to, ...picture)).code, 0)
      const huge = file("huge", "")
      Fs.truncateSync(huge, 20 * 1024 * 1024)
      for (const [given, words] of [
        [file("empty", ""), /is empty/],
        [setting.home, /is no file/],
        [Path.join(setting.home, "none"), /NotFound/],
        ["https://e.org/a.png", /is a URL/],
        [huge, /has 20971520 bytes/]
      ] as const) {
        const { code, stderr } = yield* cli(...to, "--media", given)
        assert.strictEqual(code, 1)
        assert.match(stderr, words)
        assert.match(stderr, /Fix: /)
      }
    }).pipe(Effect.scoped)
  )

  it.live("a bot token that Telegram refuses is named, with where to get the right one", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig({
        send: () => {
          throw {
            code: "UNAVAILABLE",
            message: "Telegram refused sendMessage: 401 Unauthorized",
            retryable: true,
            details: { code: "OUTBOUND_DELIVERY_FAILED", outcome: "never-sent" }
          }
        }
      })
      const ended = yield* cli("message", "send", "-t", "telegram:7", "-m", "hello")
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /401 Unauthorized\nFix: the bot token is wrong.*channels\.telegram\.botToken/)
    }).pipe(Effect.scoped)
  )

  it.live("a dry run and a wrong flag connect to nobody", () =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig({})
      const dry = yield* cli("message", "send", "-t", "telegram:7", "-m", "hello", "--dry-run")
      assert.strictEqual(dry.code, 0)
      assert.match(dry.stdout, /Nothing was sent/)
      const asJson = yield* cli("message", "send", "-t", "7", "-m", "hello", "--dry-run", "--json")
      assert.deepStrictEqual(JSON.parse(asJson.stdout).payload.to, "7")
      for (const given of [
        ["-t", " ", "-m", "x"],
        ["-t", "7", "-m", " "]
      ]) {
        assert.match((yield* cli("message", "send", ...given)).stderr, /is empty[\s\S]*Fix: /)
      }
      assert.deepStrictEqual(server.connects, [])
    }).pipe(Effect.scoped)
  )
})

describe("gateway call", () => {
  it.live("calls any method and prints its answer", () =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig({ "some.method": (params) => ({ echo: params }) })
      const ended = yield* cli("gateway", "call", "some.method", "--params", '{"a":1}')
      assert.strictEqual(ended.stdout, 'Gateway call: some.method\n{\n  "echo": {\n    "a": 1\n  }\n}')
      assert.deepStrictEqual(server.connects[0]?.params["scopes"], ["operator.admin"])
      const asJson = yield* cli("gateway", "call", "some.method", "--json")
      assert.deepStrictEqual(JSON.parse(asJson.stdout), { echo: {} })
    }).pipe(Effect.scoped)
  )

  it.live("--expect-final waits for the second answer", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig({
        agent: (params, peer, frame) => {
          const payload = { runId: params.idempotencyKey, status: "accepted", acceptedAt: 1 }
          peer.socket.send(JSON.stringify({ type: "res", id: frame.id, ok: true, payload }))
          return { runId: params.idempotencyKey, status: "ok", summary: "completed" }
        }
      })
      const params = ["--params", '{"message":"x","idempotencyKey":"k"}', "--json"]
      const first = yield* cli("gateway", "call", "agent", ...params)
      assert.strictEqual(JSON.parse(first.stdout).status, "accepted")
      const last = yield* cli("gateway", "call", "agent", ...params, "--expect-final")
      assert.strictEqual(JSON.parse(last.stdout).status, "ok")
    }).pipe(Effect.scoped)
  )

  it.live("gateway call asks as an admin where the params of a method need one", () =>
    Effect.gen(function* () {
      const details = { code: "MISSING_SCOPE", missingScope: "operator.admin" }
      let asked = 0
      const { cli, server } = yield* rig({
        "sessions.delete": () => {
          asked += 1
          if (asked === 1) throw { code: "FORBIDDEN", message: "missing scope: operator.admin", details }
          return { ok: true, key: "agent:main:x", deleted: true, archived: [] }
        }
      })
      const ended = yield* cli("gateway", "call", "sessions.delete", "--params", '{"key":"x"}', "--json")
      assert.isTrue(JSON.parse(ended.stdout).deleted)
      const scopes = server.connects.map(({ params }) => params["scopes"])
      assert.deepStrictEqual(scopes, [["operator.write"], ["operator.admin"]])
    }).pipe(Effect.scoped)
  )

  it.live("an error of the Gateway keeps its code and details", () =>
    Effect.gen(function* () {
      const details = { code: "MISSING_SCOPE", missingScope: "operator.admin" }
      const { cli } = yield* rig({
        secret: () => {
          throw { code: "FORBIDDEN", message: "missing scope: operator.admin", details }
        }
      })
      const ended = yield* cli("gateway", "call", "secret")
      assert.match(ended.stderr, /missing scope: operator\.admin[\s\S]*Fix: /)
      const { error, ok } = JSON.parse((yield* cli("gateway", "call", "secret", "--json")).stdout)
      assert.isFalse(ok)
      assert.deepStrictEqual([error.type, error.code, error.details], ["gateway_request_error", "FORBIDDEN", details])
      assert.match((yield* cli("gateway", "call", "foo.bar")).stderr, /unknown method: foo\.bar/)
    }).pipe(Effect.scoped)
  )

  it.live("a Gateway that takes this machine for another is explained, with the proxy that makes it so", () =>
    Effect.gen(function* () {
      const forbidden = () => {
        throw { code: "FORBIDDEN", message: "missing scope: operator.read" }
      }
      const server = yield* gateway({ health: forbidden }, { auth: { role: "operator", scopes: [] } })
      const ended = yield* run({ home: yield* home }, "health", ...server.flags)
      assert.match(ended.stderr, /missing scope: operator\.read: .*counts this connection as remote.*\nFix: .*own port/)
      assert.strictEqual(ended.stderr.split("Fix: ").length, 2)
    }).pipe(Effect.scoped)
  )

  it.live("a Gateway that goes away under a call is named", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig({
        "some.method": (_, peer) => {
          peer.socket.close(1012, "service restart")
          return answered
        }
      })
      const ended = yield* cli("gateway", "call", "some.method")
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /code 1012: service restart[\s\S]*Whether it was carried out is unknown[\s\S]*Fix: /)
    }).pipe(Effect.scoped)
  )

  it.live("a Gateway that does not answer in time is named", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig({ health: () => answered })
      const ended = yield* cli("gateway", "call", "health", "--timeout", "50")
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /`health` within 50 ms[\s\S]*Fix: .*--timeout/)
    }).pipe(Effect.scoped)
  )
})

describe("health, sessions, channels", () => {
  it.live("health shows channels, agents and sessions", () =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig({
        health: () => ({
          ok: true,
          durationMs: 6,
          channels: {
            telegram: {
              configured: true,
              running: false,
              lastError: "401 \u001b[2J",
              accounts: { default: { configured: true, running: false }, spare: { configured: true, running: true } }
            }
          },
          channelOrder: ["telegram"],
          channelLabels: { telegram: "Telegram" },
          defaultAgentId: "main",
          agents: [{ agentId: "main" }],
          sessions: { path: "/x", count: 1, recent: [{ key: "agent:main:main", updatedAt: 1, age: 65_000 }] }
        })
      })
      assert.strictEqual(
        (yield* cli("health", "--probe")).stdout,
        [
          "Gateway: OK (6ms)",
          "Telegram: configured, stopped, 401 \\u001b[2J",
          "Agents: main (default)",
          "Sessions: 1",
          "- agent:main:main (1m ago)"
        ].join("\n")
      )
      assert.deepStrictEqual(server.requests[0]?.params, { probe: true })
      const shown = (yield* cli("health", "--verbose")).stdout.split("\n")
      assert.match(shown[0] ?? "", /^URL: ws:\/\/127\.0\.0\.1:\d+ \(--url\)$/)
      assert.includeMembers(shown, ["  default: configured, stopped", "  spare: configured, running"])
      assert.deepStrictEqual(server.requests[1]?.params, { probe: true })
    }).pipe(Effect.scoped)
  )

  it.live("health of a Gateway that can store nothing says so first, and fails", () =>
    Effect.gen(function* () {
      const storage = { condition: "full", since: 1, failures: 3, message: "database or disk is full" }
      const { cli } = yield* rig({ health: () => ({ ok: true, durationMs: 6, storage }) })
      const ended = yield* cli("health")
      assert.strictEqual(ended.code, 1)
      const [first, second] = ended.stdout.split("\n")
      assert.strictEqual(first, "Gateway: NOT OK, its storage has trouble (6ms)")
      assert.include(second, "full; nothing new is taken in")
      const asJson = yield* cli("health", "--json")
      assert.strictEqual(asJson.code, 1)
      assert.deepInclude(JSON.parse(asJson.stdout), { ok: false, storage })
    }).pipe(Effect.scoped)
  )

  it.live("sessions lists, filters, and says when there are more", () =>
    Effect.gen(function* () {
      const rows = [
        { key: "agent:main:main", kind: "direct", updatedAt: 1, model: "m", modelProvider: "mock", totalTokens: 7 }
      ]
      const { cli, server } = yield* rig({
        "sessions.list": () => ({ ts: 1, count: 1, totalCount: 5, sessions: rows })
      })
      const ended = yield* cli("sessions", "--agent", "main", "--active", "30", "--limit", "1")
      assert.match(ended.stdout, /direct +agent:main:main .* mock\/m +7\n\n1 of 5; --limit/)
      assert.deepStrictEqual(server.requests[0]?.params, { limit: 1, agentId: "main", activeMinutes: 30 })
      const asJson = JSON.parse((yield* cli("sessions", "list", "--json")).stdout)
      assert.deepStrictEqual([asJson.totalCount, asJson.sessions[0].key], [5, "agent:main:main"])
      assert.isNumber(asJson.sessions[0].ageMs)
      const none = yield* rig({ "sessions.list": () => ({ ts: 1, count: 0, sessions: [] }) })
      assert.match((yield* none.cli("sessions")).stdout, /No sessions yet.*openclaw agent/)
      assert.match((yield* none.cli("sessions", "--agent", "x")).stdout, /No sessions match/)
    }).pipe(Effect.scoped)
  )

  it.live("channels status shows each account, and what the probe found", () =>
    Effect.gen(function* () {
      const account = { accountId: "default", enabled: true, configured: true, running: true, connected: true }
      const result = (accounts: ReadonlyArray<object>) => ({
        ts: 1,
        channelOrder: ["telegram"],
        channelLabels: { telegram: "Telegram" },
        channels: {},
        channelAccounts: { telegram: accounts },
        channelDefaultAccountId: { telegram: "default" },
        warnings: ["one \u001b[2J warning"]
      })
      const { cli, server } = yield* rig({
        "channels.status": ({ probe }) =>
          result([
            { ...account, ...(probe ? { probe: { ok: true, bot: { username: "bot" } } } : {}), lastInboundAt: 1 }
          ])
      })
      const ended = yield* cli("channels", "status", "--channel", "telegram")
      assert.match(ended.stdout, /- Telegram default: enabled, configured, running, connected, in: .* ago/)
      assert.include(ended.stdout, "Warning: one \\u001b[2J warning")
      assert.deepStrictEqual(server.requests[0]?.params, { channel: "telegram" })
      assert.match((yield* cli("channels", "status", "--probe")).stdout, /works \(@bot\)/)
      const bad = yield* rig({
        "channels.status": () =>
          result([{ ...account, running: false, probe: { ok: false, error: "401" }, lastError: "401" }])
      })
      assert.match((yield* bad.cli("channels", "status")).stdout, /stopped.*probe failed: 401, error: 401/)
    }).pipe(Effect.scoped)
  )
})
