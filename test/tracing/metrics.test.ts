/** What `/metrics` tells, and whom. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Series from "../../src/layers/telemetry/series.ts"
import type { SpanRecord } from "../../src/layers/tracing/record.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { ada, laptop, start } from "./kit.ts"

/** Each of these tests counts for itself: tests of one process share a registry otherwise. */
const alone = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(effect).pipe((own) => Effect.provideService(own, Metric.MetricRegistry, new Map()))

const get = (url: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.promise(async () => {
    const response = await fetch(url, { headers })
    return { status: response.status, type: response.headers.get("content-type"), text: await response.text() }
  })

const valueOf = (text: string, name: string, labels: Readonly<Record<string, string>>): number | undefined => {
  const line = text
    .split("\n")
    .find(
      (each) =>
        each.startsWith(`${name}{`) &&
        Object.entries(labels).every(([key, value]) => each.includes(`${key}="${value}"`))
    )
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(" ") + 1))
}

describe("/metrics", () => {
  it.live("counts turns, tokens, nodes, deliveries, queues, memory and connections for whoever may read", () =>
    alone(
      Effect.gen(function* () {
        const { bot, kit, services } = yield* start()
        yield* Effect.provideContext(MockNode.make(laptop), services)
        yield* kit.connect()
        yield* bot.sendText({ from: ada, text: "what is the uptime of laptop?" })
        yield* bot.awaitReply({ chatId: ada.id })
        const url = `http://127.0.0.1:${kit.port}/metrics`
        const bearer = { authorization: `Bearer ${kit.token}` }
        const page = yield* get(url, bearer).pipe(
          Effect.repeat({ until: ({ text }) => /^openclaw_run_completed_total\{/m.test(text) })
        )
        assert.strictEqual(page.type, "text/plain; version=0.0.4; charset=utf-8")
        const of = (name: string, labels: Readonly<Record<string, string>>) => valueOf(page.text, name, labels)
        assert.strictEqual(of("openclaw_message_received_total", { channel: "telegram" }), 1)
        assert.strictEqual(of("openclaw_run_completed_total", { channel: "telegram", outcome: "ok" }), 1)
        assert.strictEqual(of("openclaw_node_invoke_total", { command: "device.status", outcome: "ok" }), 1)
        assert.strictEqual(of("openclaw_node_invoke_duration_seconds_count", { command: "device.status" }), 1)
        assert.strictEqual(of("openclaw_tool_execution_total", { tool: "nodes" }), 2)
        assert.strictEqual(of("openclaw_message_delivery_attempts_total", { channel: "telegram" }), 1)
        assert.isAbove(of("openclaw_model_call_total", { outcome: "ok" }) ?? 0, 1)
        assert.strictEqual(of("openclaw_gateway_connections", { role: "operator" }), 1)
        assert.strictEqual(of("openclaw_queue_lane_size", { lane: "inbox" }), 0)
        assert.isDefined(of("openclaw_queue_lane_size", { lane: "outbox" }))
        assert.isAbove(of("openclaw_memory_bytes", { kind: "rss" }) ?? 0, 1e6)
        const again = yield* get(`http://127.0.0.1:${kit.port}/api/diagnostics/prometheus`, bearer).pipe(
          Effect.repeat({ until: ({ text }) => text.includes('quantile="0.99"') })
        )
        assert.isDefined(valueOf(again.text, "openclaw_gateway_event_loop_delay_seconds", { quantile: "0.99" }))
        // No id, no name of a person or a device, no word of theirs.
        for (const word of [String(ada.id), "laptop", "agent:main"]) assert.notInclude(page.text, word)

        assert.strictEqual((yield* get(url)).status, 401)
        assert.strictEqual((yield* get(url, { authorization: "Bearer wrong" })).status, 401)
      })
    )
  )

  it.live("is not there where the configuration says so", () =>
    alone(
      Effect.gen(function* () {
        const { kit } = yield* start({
          config: { plugins: { entries: { "diagnostics-prometheus": { enabled: false } } } }
        })
        const page = yield* get(`http://127.0.0.1:${kit.port}/metrics`, { authorization: `Bearer ${kit.token}` })
        assert.strictEqual(page.status, 404)
      })
    )
  )
})

describe("labels", () => {
  it("take so many values and no more, and none that is no word", () => {
    const context = Context.make(Metric.MetricRegistry, new Map())
    const series = Series.make(context)
    const span = (command: string): SpanRecord => ({
      traceId: "1".repeat(32),
      spanId: "2".repeat(16),
      parentId: undefined,
      name: "invoke",
      runId: undefined,
      sampled: true,
      startedAt: 1,
      durationMs: 2,
      status: "ok",
      error: undefined,
      attributes: { command }
    })
    for (let index = 0; index < 1_000; index++) series.count(span(`command.${index}`))
    series.count(span('a"} 1\nforged 2'))
    const counted = Metric.snapshotUnsafe(context).filter(({ id }) => id === "openclaw_node_invoke_total")
    assert.isAtMost(counted.length, Series.MOST_VALUES + 1)
    const other = counted.find(({ attributes }) => attributes?.["command"] === "other")
    assert.deepStrictEqual(other?.state, { count: 1_000 - Series.MOST_VALUES + 1, incremental: true })
  })
})
