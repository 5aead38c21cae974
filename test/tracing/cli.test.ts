/** `openclaw trace`, while the Gateway runs and when it is stopped, and what it draws. */
import { chmodSync, mkdirSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { waterfall } from "../../src/cli/commands/trace/waterfall.ts"
import { Trace } from "../../src/protocol/methods/diagnostics.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { home, run } from "../cli/kit.ts"
import { ada, laptop, start } from "./kit.ts"

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Trace))

describe("openclaw trace", () => {
  it.live("asks a Gateway that runs, and reads the disk of one that does not", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const stateDir = `${folder}/state-of-it`
      mkdirSync(stateDir)
      chmodSync(stateDir, 0o700)
      const variables = { OPENCLAW_STATE_DIR: stateDir }
      const cli = (...args: ReadonlyArray<string>) => run({ home: folder, variables }, ...args)
      const running = yield* Effect.gen(function* () {
        const { bot, services } = yield* start({ stateDir })
        yield* Effect.provideContext(MockNode.make(laptop), services)
        yield* bot.sendText({ from: ada, text: "what is the uptime of laptop?" })
        yield* bot.awaitReply({ chatId: ada.id })
        yield* bot.awaitConfirmed
        return yield* cli("trace", "--last", "--json").pipe(
          Effect.map(({ stdout }) => decode(stdout)),
          Effect.repeat({ until: ({ spans }) => spans.some(({ name, status }) => name === "turn" && status === "ok") })
        )
      }).pipe(Effect.scoped)

      const stopped = yield* cli("trace", running.runId!, "--json")
      assert.strictEqual(stopped.code, 0, stopped.stdout)
      assert.strictEqual(decode(stopped.stdout).traceId, running.traceId)
      const shown = yield* cli("trace")
      assert.match(shown.stdout, /^Trace [\da-f]{32}, run telegram:.* in agent:main:main\n/)
      assert.match(shown.stdout, /receive telegram .*█/)
      assert.match(shown.stdout, /└─ invoke device\.status on laptop .*│.*█/)
      const none = yield* cli("trace", "nobody-knows")
      assert.strictEqual(none.code, 1)
      assert.match(none.stderr, /no trace is kept of "nobody-knows"[\s\S]*\nFix: /)
      const both = yield* cli("trace", "--last", "one")
      assert.match(both.stderr, /--last is the newest message, and one is named/)
    }).pipe(Effect.scoped)
  )
})

describe("a waterfall", () => {
  const span = (name: string, spanId: string, parentId: string | undefined, from: number, more: object = {}) => ({
    name,
    spanId,
    ...(parentId === undefined ? undefined : { parentId }),
    startedAt: 1_000 + from,
    durationMs: 10,
    status: "ok" as const,
    attributes: {},
    ...more
  })

  it("draws what resumed, what was cut, what failed and what goes on, whatever their names", () => {
    const drawn = waterfall({
      traceId: "1".repeat(32),
      spans: [
        span("turn", "a", "elsewhere", 0, { status: "cut", durationMs: undefined }),
        span("turn", "b", "elsewhere", 50, { attributes: { resumed: true } }),
        span("model", "c", "b", 55, { status: "error", error: "ModelFailed", attributes: { model: "m\u001b[2J" } }),
        span("deliver", "d", "b", 60, { status: "running", durationMs: undefined })
      ]
    })
    assert.include(drawn, "✗ the process ended in it")
    assert.include(drawn, "turn resumed")
    assert.include(drawn, "├─ model")
    assert.include(drawn, "✗ ModelFailed")
    assert.include(drawn, "… still running")
    assert.notInclude(drawn, "\u001b")
  })

  it("ends also where spans name each other as their parents", () => {
    const drawn = waterfall({
      traceId: "1".repeat(32),
      spans: [span("turn", "a", "b", 0), span("turn", "b", "a", 0), span("receive", "c", undefined, 0)]
    })
    assert.include(drawn, "receive")
  })
})
