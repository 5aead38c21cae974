/** `openclaw agents`, `models`, `logs` and `system`: what they ask, what they print, how they end. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { answered, gateway, home, run, start } from "../cli/kit.ts"
import { parseLine, showLine } from "../../src/cli/commands/logs/lines.ts"

const rig = (given: Parameters<typeof gateway>[0]) =>
  Effect.gen(function* () {
    const server = yield* gateway(given)
    const setting = { home: yield* home }
    return { server, setting, cli: (...args: ReadonlyArray<string>) => run(setting, ...args, ...server.flags) }
  })

describe("openclaw agents list", () => {
  it.live("prints the agents, and OpenClaw's document with --json", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig({
        "agents.list": () => ({
          defaultId: "main",
          mainKey: "main",
          scope: "per-sender",
          agents: [
            {
              id: "main",
              name: "Molty",
              identity: { name: "Molty", emoji: "🦞" },
              model: { primary: "a/b", fallbacks: ["c/d"] }
            },
            { id: "ops\u001b[2J" }
          ]
        })
      })
      const { code, stderr, stdout } = yield* cli("agents", "list")
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
      assert.deepStrictEqual(
        stdout.split("\n").map((line) => line.trim()),
        [
          "Agents:",
          "- main (Molty) (default)",
          "Identity:   🦞 Molty",
          "Model:      a/b",
          "Fallbacks:  c/d",
          "- ops\\u001b[2J"
        ]
      )
      assert.deepStrictEqual(JSON.parse((yield* cli("agents", "list", "--json")).stdout), [
        { id: "main", name: "Molty", identityName: "Molty", identityEmoji: "🦞", model: "a/b", isDefault: true },
        { id: "ops\u001b[2J", isDefault: false }
      ])
    }).pipe(Effect.scoped)
  )
})

describe("openclaw models list", () => {
  it.live("prints the models as a table, as references, as a document", () =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig({
        "models.list": () => ({
          models: [
            { id: "one", name: "One", provider: "a", contextWindow: 1000, tags: ["default"], available: true },
            { id: "x/y", name: "y", provider: "b", available: false, unavailableReason: "missing-auth" }
          ]
        })
      })
      const table = yield* cli("models", "list", "--agent", "ops", "--all")
      assert.deepStrictEqual(server.requests[0]?.params, { view: "all", agentId: "ops" })
      assert.match(
        table.stdout,
        /^Model\s+Name\s+Context\s+Usable\s+Tags\na\/one\s+One\s+1000\s+yes\s+default\nb\/x\/y\s+y\s+no key$/
      )
      assert.strictEqual((yield* cli("models", "list", "--plain")).stdout, "a/one\nb/x/y")
      assert.deepStrictEqual(JSON.parse((yield* cli("models", "list", "--provider", "b", "--json")).stdout), {
        count: 1,
        models: [
          {
            key: "b/x/y",
            name: "y",
            contextWindow: null,
            available: false,
            tags: [],
            unavailableReason: "missing-auth"
          }
        ]
      })
      assert.include((yield* cli("models", "list", "--provider", "nobody")).stdout, "No models of the provider nobody.")
    }).pipe(Effect.scoped)
  )

  it.live("says what the Gateway refuses", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig({
        "models.list": () => {
          throw { code: "INVALID_REQUEST", message: 'unknown agent id "nope"' }
        }
      })
      const ended = yield* cli("models", "list", "--agent", "nope")
      assert.deepStrictEqual([ended.code, ended.stdout], [1, ""])
      assert.match(ended.stderr, /^unknown agent id "nope"\nFix: \S/)
      const asJson = yield* cli("models", "list", "--agent", "nope", "--json")
      assert.strictEqual(asJson.code, 1)
      assert.deepInclude(JSON.parse(asJson.stdout).error, { type: "gateway_request_error", code: "INVALID_REQUEST" })
    }).pipe(Effect.scoped)
  )
})

describe("openclaw system", () => {
  it.live("event tells the agent, presence prints who is there", () =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig({
        wake: () => ({ ok: true }),
        "system-presence": () => [{ ts: 1, host: "a" }]
      })
      assert.deepStrictEqual(yield* cli("system", "event", "--text", " hi "), { code: 0, stdout: "ok", stderr: "" })
      assert.deepStrictEqual(server.requests[0]?.params, { mode: "next-heartbeat", text: "hi" })
      const now = yield* cli("system", "event", "--text", "hi", "--mode", "now", "--session-key", "k", "--json")
      assert.deepStrictEqual(JSON.parse(now.stdout), { ok: true })
      assert.deepStrictEqual(server.requests[1]?.params, { mode: "now", text: "hi", sessionKey: "k" })
      const none = yield* cli("system", "event", "--text", "")
      assert.strictEqual(none.code, 1)
      assert.include(none.stderr, "--text is required")
      assert.strictEqual((yield* cli("system", "event", "--text", "x", "--mode", "later")).code, 1)
      assert.strictEqual(server.requests.length, 2)
      assert.deepStrictEqual(JSON.parse((yield* cli("system", "presence")).stdout), [{ ts: 1, host: "a" }])
    }).pipe(Effect.scoped)
  )
})

const line = (n: number) => JSON.stringify({ time: "2026-01-01T00:00:00.000Z", level: "info", message: `line ${n}` })

describe("openclaw logs", () => {
  it.live("prints the end of the log, for people and for programs", () =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig({
        "logs.tail": () => ({
          file: "/f.log",
          cursor: 9,
          size: 9,
          lines: [line(1), "odd"],
          truncated: true,
          reset: false
        })
      })
      const flags = ["--limit", "2", "--max-bytes", "50", "--utc"]
      const ended = yield* cli("logs", ...flags)
      assert.deepStrictEqual(ended, {
        code: 0,
        stdout: "Log file: /f.log\n2026-01-01T00:00:00.000Z info line 1\nodd",
        stderr: "Log tail truncated (increase --limit or --max-bytes)."
      })
      assert.deepStrictEqual(server.requests[0]?.params, { limit: 2, maxBytes: 50 })
      const documents = (yield* cli("logs", "--json")).stdout.split("\n").map((text) => JSON.parse(text))
      assert.deepStrictEqual(documents, [
        { type: "meta", file: "/f.log", sourceKind: "file", cursor: 9, size: 9 },
        { type: "log", time: "2026-01-01T00:00:00.000Z", level: "info", message: "line 1", raw: line(1) },
        { type: "log", message: "odd", raw: "odd" },
        { type: "notice", message: "Log tail truncated (increase --limit or --max-bytes)." }
      ])
      assert.strictEqual((yield* cli("logs", "--limit", "0")).code, 1)
    }).pipe(Effect.scoped)
  )

  it.live("goes on from its cursor, over a lost connection, until it is stopped", () =>
    Effect.gen(function* () {
      let calls = 0
      const { server, setting } = yield* rig({
        "logs.tail": (params, peer) => {
          calls++
          if (calls === 2) {
            peer.socket.terminate()
            return answered
          }
          const reset = calls === 4
          return { file: "/f.log", cursor: calls * 10, size: 99, lines: [line(calls)], truncated: false, reset }
        }
      })
      const following = yield* start(setting, "logs", "--follow", "--interval", "5", "--plain", ...server.flags)
      yield* following.until(({ stdout }) => (stdout.includes("line 5") ? true : undefined))
      const ended = yield* following.stop
      assert.strictEqual(ended.code, 0)
      assert.include(ended.stderr, "It is tried again.")
      assert.include(ended.stderr, "The Gateway is back.")
      assert.include(ended.stderr, "Log cursor reset")
      assert.deepStrictEqual(
        server.requests.slice(0, 4).map(({ params }) => params["cursor"]),
        [undefined, 10, 10, 30]
      )
    }).pipe(Effect.scoped)
  )

  it("reads the lines of either Gateway", () => {
    const theirs = JSON.stringify({
      0: '{"subsystem":"gateway/ws"}',
      1: "res ok",
      _meta: { date: "2026-01-01T00:00:00.000Z", logLevelName: "WARN" },
      message: "res ok"
    })
    assert.deepStrictEqual(parseLine(theirs), {
      time: "2026-01-01T00:00:00.000Z",
      level: "warn",
      message: "gateway/ws res ok",
      raw: theirs
    })
    const cause = JSON.stringify({
      time: "never",
      level: "error",
      message: "it\u001b[2J failed",
      cause: "Boom\n  at x"
    })
    assert.strictEqual(
      showLine(parseLine(cause), { color: false, utc: true }),
      "never error it\\u001b[2J failed\n    Boom\n      at x"
    )
    for (const odd of ["", "null", "[1]", "{}", '{"0":{}}'])
      assert.isString(showLine(parseLine(odd), { color: true, utc: false }))
  })
})
