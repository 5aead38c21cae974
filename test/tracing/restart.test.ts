/** A turn whose Gateway is killed in the middle of a node's command goes on in the same trace. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { parse } from "../../src/domain/TraceContext.ts"
import { startProcess } from "../e2e/gatewayProcess.ts"
import { attic, stateFor, withAttic } from "../e2e/kit.ts"
import { ada, paths } from "./kit.ts"

describe("kill -9 in the middle of a node's command", () => {
  it.live(
    "leaves the turn in its trace, with a span that says where it resumed",
    () =>
      Effect.gen(function* () {
        const { bot, dir, provider } = yield* stateFor(ada)
        const asNode = yield* attic
        const before = yield* startProcess(dir)
        const { asked, operator } = yield* withAttic(before, provider, asNode)
        yield* bot.sendText({ from: ada, text: "what is attic?" })
        const first = yield* Fiber.join(asked)
        assert(first._tag === "Some")
        const running = yield* operator.call["diagnostics.trace"]({}).pipe(
          Effect.repeat({
            until: ({ spans }) => spans.some(({ name, status }) => name === "invoke" && status === "running")
          })
        )
        assert.strictEqual(parse(first.value.traceparent)?.traceId, running.traceId)
        yield* before.signal("SIGKILL")
        yield* before.ended

        yield* provider.push({ text: ["an attic"] })
        const after = yield* startProcess(dir)
        const again = yield* after.connect(asNode)
        const second = yield* Stream.runHead(again.on("node.invoke.request"))
        assert(second._tag === "Some")
        const { id, nodeId, traceparent } = second.value
        assert.strictEqual(parse(traceparent)?.traceId, running.traceId)
        const payloadJSON = `{"deviceName":"Attic"}`
        const trace = { spanId: "00f067aa0ba902b7", tookMs: 1 }
        yield* again.call["node.invoke.result"]({ id, nodeId, ok: true, payloadJSON, trace })
        yield* bot.awaitReply({ chatId: ada.id })
        const operators = yield* after.connect()
        const whole = yield* operators.call["diagnostics.trace"]({ message: running.runId! }).pipe(
          Effect.repeat({ until: ({ spans }) => spans.some(({ name, status }) => name === "turn" && status === "ok") })
        )
        assert.strictEqual(whole.traceId, running.traceId)
        const turns = whole.spans.filter(({ name }) => name === "turn")
        assert.deepStrictEqual(
          turns.map(({ attributes, parentId, status }) => [status, attributes["resumed"] ?? false, parentId]),
          [
            ["cut", false, turns[0]!.parentId],
            ["ok", true, turns[0]!.parentId]
          ]
        )
        assert.include(paths(whole.spans), "receive > admit > turn > tool > invoke > node")
      }).pipe(Effect.scoped),
    // Two Gateways are started as processes.
    120_000
  )
})
