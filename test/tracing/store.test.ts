/** What is kept of the spans: which ones, for how long, and what is said of those that came to no end. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import { format } from "../../src/domain/TraceContext.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import type { SpanRecord } from "../../src/layers/tracing/record.ts"
import * as Store from "../../src/layers/tracing/Store.ts"
import * as TracingLayer from "../../src/layers/tracing/Tracing.ts"
import { Config } from "../../src/services/Config.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { Traces } from "../../src/services/Traces.ts"
import { CurrentFlow, Tracing } from "../../src/services/Tracing.ts"

const storage = Layer.unwrap(
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "openclaw-traces-"))),
      (dir) => Effect.sync(() => rmSync(dir, { recursive: true }))
    ),
    (dir) => Storage.layer({ filename: join(dir, "state.sqlite") })
  )
)

const tracing = (settings: { config: OpenClawConfig }) =>
  TracingLayer.layer.pipe(
    Layer.provide([
      Layer.mock(Config, { file: "openclaw.json", get: Effect.sync(() => settings.config) }),
      SupervisorLive.layer
    ]),
    Layer.provideMerge(storage)
  )
const on = () => tracing({ config: {} })

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const spanOf = (index: number, more: Partial<SpanRecord> = {}): SpanRecord => ({
  traceId,
  spanId: index.toString(16).padStart(16, "0"),
  parentId: undefined,
  name: "invoke",
  runId: undefined,
  sampled: true,
  startedAt: index,
  durationMs: 1,
  status: "ok",
  error: undefined,
  attributes: {},
  ...more
})
const spans = (count: number, more: Partial<SpanRecord> = {}, from = 1) =>
  Array.from({ length: count }, (_, index) => spanOf(from + index, more))

const asked = (message: string) => Traces.use(({ find }) => find(message))
const rows = SqlClient.SqlClient.use(
  (sql) => sql<{ readonly started_at: number }>`SELECT started_at FROM trace_spans ORDER BY seq`
)

describe("the ring", () => {
  it.live("keeps the newest by count and by age, however many came at once", () =>
    Effect.gen(function* () {
      const { prune, write } = yield* Store.makeWrite
      yield* write(spans(3_000))
      yield* prune(3_000, 1_100, 10_000)
      const kept = yield* rows
      assert.strictEqual(kept.length, 1_100)
      assert.strictEqual(kept[0]?.started_at, 1_901)
      yield* prune(3_000, 1_100, 100)
      assert.strictEqual((yield* rows)[0]?.started_at, 2_900)
    }).pipe(Effect.provide(storage))
  )

  it.effect("forgets what is old also where nothing new comes", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("10 seconds")
      const { write } = yield* Store.makeWrite
      yield* write([spanOf(1, { startedAt: -Store.KEEP_MS }), spanOf(2)])
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(yield* rows, [{ started_at: 2 }])
    }).pipe(Effect.provide(on()))
  )
})

describe("a span that is kept", () => {
  it.live("changes no more once it ended", () =>
    Effect.gen(function* () {
      const { write } = yield* Store.makeWrite
      yield* write([spanOf(1, { status: "open", durationMs: undefined }), spanOf(2)])
      const forged: Partial<SpanRecord> = { status: "error", durationMs: 99, error: "FORGED" }
      yield* write([spanOf(1), spanOf(1, forged), spanOf(2, forged)])
      const trace = yield* Effect.flatMap(Store.makeRead, (read) => read(traceId, () => false))
      assert.deepStrictEqual(
        trace.spans.map(({ durationMs, error, status }) => [status, durationMs, error]),
        [
          ["ok", 1, undefined],
          ["ok", 1, undefined]
        ]
      )
    }).pipe(Effect.provide(storage))
  )

  it.effect("says nothing of what another program wrote, and is no other's", () =>
    Effect.gen(function* () {
      const { span } = yield* Tracing
      const own = yield* span("invoke", { attributes: { inputTokens: Number.NaN } }, ({ child, context }) =>
        Effect.sync(() => {
          const told = { name: "node", beforeEndMs: 1, durationMs: 1, attributes: {} } as const
          child({ ...told, spanId: context!.spanId })
          child({ ...told, spanId: "1".repeat(16), error: `what a program printed: ${"x".repeat(10_000)}` })
          child({ ...told, spanId: "2".repeat(16), error: "NODE_BUSY" })
          return context!.traceId
        })
      )
      const trace = yield* asked(own)
      assert.deepStrictEqual(trace.spans.map(({ error, name }) => [name, error]).toSorted(), [
        ["invoke", undefined],
        ["node", "Failure"],
        ["node", "NODE_BUSY"]
      ])
      assert.isTrue(trace.spans.every(({ attributes }) => Object.keys(attributes).length === 0))
    }).pipe(Effect.provide(on()))
  )

  it.effect("goes on while it goes on, is gone when it was dropped, and was cut where nobody ended it", () =>
    Effect.gen(function* () {
      const { span } = yield* Tracing
      const statusOf = (id: string) => Effect.map(asked(id), (trace) => trace.spans.map(({ status }) => status))
      const id = yield* span("receive", { root: true }, ({ context, drop }) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* statusOf(context!.traceId), ["running"])
          drop()
          return context!.traceId
        })
      )
      const none = yield* Effect.flip(asked(id))
      assert.strictEqual(none._tag, "TraceNotFound")
      const { write } = yield* Store.makeWrite
      yield* write([spanOf(1, { status: "open", durationMs: undefined })])
      assert.deepStrictEqual(yield* statusOf(traceId), ["cut"])
    }).pipe(Effect.provide(on()))
  )

  it.effect("is not lost to somebody who asked and went away", () =>
    Effect.gen(function* () {
      const { span } = yield* Tracing
      const sql = yield* SqlClient.SqlClient
      const id = yield* span("request", { root: true }, ({ context }) => Effect.succeed(context!.traceId))
      const held = yield* Deferred.make<void>()
      const holds = yield* Effect.forkChild(sql.withTransaction(Deferred.await(held)), { startImmediately: true })
      const asks = yield* Effect.forkChild(asked(id), { startImmediately: true })
      yield* Effect.yieldNow
      const gone = yield* Effect.forkChild(Fiber.interrupt(asks), { startImmediately: true })
      yield* Deferred.succeed(held, undefined)
      yield* Fiber.join(holds)
      yield* Fiber.join(gone)
      assert.lengthOf((yield* asked(id)).spans, 1)
    }).pipe(Effect.provide(on()))
  )
})

describe("a trace that a client puts everything in", () => {
  it.live("shows the turn that was asked for", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const trace = format({ traceId, spanId: "1".repeat(16), sampled: true })
      yield* sql`
        INSERT INTO turns (run_id, session_key, request, submitted_at, trace)
        VALUES ('wanted', 'agent:main:main', '{}', 1, ${trace})`
      const { write } = yield* Store.makeWrite
      yield* write([...spans(2_500), ...spans(3, { runId: "wanted" }, 2_501), ...spans(2_500, {}, 2_504)])
      const found = yield* Effect.flatMap(Store.makeRead, (read) => read("wanted", () => false))
      assert.strictEqual(found.spans.length, 2_000)
      assert.lengthOf(
        found.spans.filter(({ startedAt }) => startedAt > 2_500 && startedAt < 2_504),
        3
      )
    }).pipe(Effect.provide(storage))
  )
})

describe("diagnostics.enabled", () => {
  it.effect("switches it off and on while the Gateway runs", () => {
    const settings: { config: OpenClawConfig } = { config: { diagnostics: { enabled: false } } }
    return Effect.gen(function* () {
      const { span } = yield* Tracing
      const traced = span("request", {}, ({ context }) => Effect.succeed(context !== undefined))
      assert.isFalse(yield* traced)
      settings.config = {}
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(yield* traced)
      settings.config = { diagnostics: { enabled: false } }
      yield* TestClock.adjust("10 seconds")
      assert.isFalse(yield* traced)
    }).pipe(Effect.provide(tracing(settings)))
  })
})

describe("an app's tracer", () => {
  it.effect("has the same spans, by the same ids, among its own", () =>
    Effect.gen(function* () {
      const { span } = yield* Tracing
      const seen: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const made = new Tracer.NativeSpan(options)
          seen.push(made)
          return made
        }
      })
      const stored = { traceId, spanId: "2".repeat(16), sampled: true }
      const flow = yield* span("turn", { parent: stored, attributes: { agentId: "main" } }, () =>
        TestClock.adjust("1 second").pipe(
          Effect.andThen(span("model", {}, () => Effect.service(CurrentFlow))),
          Effect.withSpan("between")
        )
      ).pipe(Effect.withTracer(tracer), Effect.withSpan("app"))
      assert.deepStrictEqual(
        seen.map(({ name }) => name),
        ["openclaw.turn", "between", "openclaw.model"]
      )
      assert.isTrue(seen.every((each) => each.traceId === traceId))
      assert.strictEqual(flow?.spanId, seen[2]?.spanId)
      assert.strictEqual(seen[0]?.attributes.get("agentId"), "main")
      const { spans } = yield* asked(traceId)
      assert.deepStrictEqual(
        spans.map(({ name, parentId, spanId }) => [name, spanId, parentId]),
        [
          ["turn", seen[0]?.spanId, stored.spanId],
          ["model", seen[2]?.spanId, seen[0]?.spanId]
        ]
      )
    }).pipe(Effect.provide(on()))
  )
})

describe("storage without traces", () => {
  it.live("is said to be it, with what to do", () =>
    Effect.gen(function* () {
      yield* SqlClient.SqlClient.use((sql) => sql`DROP TABLE trace_spans`)
      const read = yield* Store.makeRead
      const error = yield* Effect.flip(read(traceId, () => false))
      assert.strictEqual(error._tag, "TracesUnavailable")
      assert.match(error.message, /^the traces cannot be read: [^]*\nFix: /)
    }).pipe(Effect.provide(storage))
  )
})
