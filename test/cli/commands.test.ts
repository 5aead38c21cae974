import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { answered, gateway, home, run, start } from "./kit.ts"

const rig = (given: Parameters<typeof gateway>[0]) =>
  Effect.gen(function* () {
    const server = yield* gateway(given)
    const setting = { home: yield* home }
    return { server, setting, cli: (...args: ReadonlyArray<string>) => run(setting, ...args, ...server.flags) }
  })

describe("agent", () => {
  const turn = (result: unknown) => (params: any, peer: any, frame: any) => {
    const runId = params.idempotencyKey
    Effect.runSync(peer.answer(frame.id, { runId, status: "accepted", acceptedAt: 1 }))
    Effect.runSync(
      peer.event("agent", { runId, seq: 1, stream: "tool", ts: 1, data: { phase: "start", name: "nodes" } }, 1)
    )
    return { runId, ...(result as object) }
  }
  const ok = {
    status: "ok",
    summary: "completed",
    result: { payloads: [{ text: "first\nline" }, { text: "\u001b[2Jsecond" }] }
  }

  it.live("prints the reply's text and nothing else", () =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig({ agent: turn(ok) })
      const ended = yield* cli("agent", "-m", "hello", "--agent", "main", "--model", "mock/m", "--timeout", "30")
      assert.deepStrictEqual(ended, { stdout: "first\nline\n\\u001b[2Jsecond", stderr: "", code: 0 })
      const { idempotencyKey, ...params } = server.requests[0]?.params ?? {}
      assert.deepStrictEqual(params, { message: "hello", timeout: 30, agentId: "main", model: "mock/m" })
      assert.isString(idempotencyKey)
      assert.strictEqual(JSON.parse((yield* cli("agent", "-m", "hello", "--json")).stdout).summary, "completed")
      assert.strictEqual((yield* cli("gateway", "agent", "-m", "hello")).stdout, ended.stdout)
    }).pipe(Effect.scoped)
  )

  it.live("finds a conversation by its session id", () =>
    Effect.gen(function* () {
      const sessions = [{ key: "agent:main:x", sessionId: "s-1", kind: "direct" }]
      const { cli, server } = yield* rig({
        agent: turn(ok),
        "sessions.list": () => ({ ts: 1, count: 1, sessions })
      })
      yield* cli("agent", "-m", "hello", "--session-id", "s-1")
      assert.strictEqual(server.requests.at(-1)?.params["sessionKey"], "agent:main:x")
      const ended = yield* cli("agent", "-m", "hello", "--session-id", "s-2")
      assert.match(ended.stderr, /no session has the id s-2[\s\S]*Fix: /)
    }).pipe(Effect.scoped)
  )

  it.live("a turn that failed is exit 1 with the Gateway's sentence", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig({
        agent: () => {
          throw { code: "UNAVAILABLE", message: "the model is away", retryable: true }
        }
      })
      const ended = yield* cli("agent", "-m", "hello")
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /the model is away[\s\S]*Fix: try again/)
      assert.strictEqual(ended.stdout, "")
    }).pipe(Effect.scoped)
  )

  it.live("an empty reply is said on stderr", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig({ agent: turn({ status: "ok", result: { payloads: [] } }) })
      assert.deepStrictEqual(yield* cli("agent", "-m", "x"), { stdout: "", stderr: "The agent sent no text.", code: 0 })
    }).pipe(Effect.scoped)
  )

  it.live.each([
    [["-m", "  "], /--message is empty/],
    [["-m", "x", "--session-key", "a", "--session-id", "b"], /both name a conversation/],
    [["-m", "x", "--deliver"], /does not know where to/],
    [["-m", "x", "--timeout", "86401"], /--timeout is 86401; give a whole number from 0 to 86400/]
  ] as const)("%j is refused before anything is sent", ([given, says]) =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig({})
      const ended = yield* cli("agent", ...given)
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, says)
      assert.match(ended.stderr, /Fix: /)
      assert.deepStrictEqual(server.connects, [])
    }).pipe(Effect.scoped)
  )

  it.live("broken off while it waits, it stops its turn and is 130", () =>
    Effect.gen(function* () {
      const { server, setting } = yield* rig({
        agent: () => answered,
        "chat.abort": ({ runId }) => ({ ok: true, aborted: true, runIds: [runId] })
      })
      const started = yield* start(setting, "agent", "-m", "hello", "--agent", "ops", ...server.flags)
      while (server.requests.length === 0) yield* Effect.yieldNow
      const ended = yield* started.stop
      assert.deepStrictEqual([ended.code, ended.stderr], [130, "The turn was stopped."])
      const [turn, abort] = server.requests
      assert.strictEqual(abort?.method, "chat.abort")
      assert.deepStrictEqual(abort?.params, {
        sessionKey: "main",
        agentId: "ops",
        runId: turn?.params["idempotencyKey"]
      })
    }).pipe(Effect.scoped)
  )
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
          channels: { telegram: { configured: true, running: false, lastError: "401 \u001b[2J" } },
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
