import { writeFileSync } from "node:fs"
import { join } from "node:path"
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
      // Who may only write does not choose the model, at OpenClaw's Gateway either.
      assert.deepStrictEqual(server.connects[0]?.params["scopes"], ["operator.admin"])
      assert.isString(idempotencyKey)
      assert.strictEqual(JSON.parse((yield* cli("agent", "-m", "hello", "--json")).stdout).summary, "completed")
      assert.deepStrictEqual(server.connects[1]?.params["scopes"], ["operator.write"])
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

  it.live("takes the message from a file, and sends the reply where it is told", () =>
    Effect.gen(function* () {
      const { cli, server, setting } = yield* rig({ agent: turn(ok) })
      const file = join(setting.home, "message.txt")
      writeFileSync(file, "line one\nline two\n")
      yield* cli(
        "agent",
        "--message-file",
        file,
        "--deliver",
        "--reply-to",
        "telegram:1",
        "--reply-channel",
        "telegram"
      )
      assert.deepInclude(server.requests[0]?.params, {
        message: "line one\nline two\n",
        deliver: true,
        replyTo: "telegram:1",
        replyChannel: "telegram"
      })
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
    [["-m", "  "], /the message is empty/],
    [["-m", "/compact the plan"], /openclaw sessions compact <key>/],
    [[], /pass --message or --message-file/],
    [["-m", "x", "--message-file", "y"], /comes from one place/],
    [["--message-file", "no-such-file"], /no-such-file cannot be read: NotFound/],
    [["-m", "x", "--session-key", "a", "--session-id", "b"], /both name a conversation/],
    [["-m", "x", "--deliver"], /does not know where to/],
    [["-m", "x", "--timeout", "86401"], /--timeout: "86401"\. Expected: a whole number from 0 to 86400/]
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
