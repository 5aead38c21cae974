/** Export to a collector: what arrives, what never leaves, and a collector that is not there. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import { isSampled } from "../../src/layers/telemetry/otlp.ts"
import { settingsOf } from "../../src/layers/telemetry/settings.ts"
import { Config } from "../../src/services/Config.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { ada, collector, laptop, start } from "./kit.ts"

const Attribute = Schema.Struct({ key: Schema.String, value: Schema.Unknown })
const Traces = Schema.fromJsonString(
  Schema.Struct({
    resourceSpans: Schema.Array(
      Schema.Struct({
        resource: Schema.Struct({ attributes: Schema.Array(Attribute) }),
        scopeSpans: Schema.Array(
          Schema.Struct({
            spans: Schema.Array(
              Schema.Struct({
                traceId: Schema.String.pipe(Schema.check(Schema.isPattern(/^[\da-f]{32}$/))),
                spanId: Schema.String.pipe(Schema.check(Schema.isPattern(/^[\da-f]{16}$/))),
                parentSpanId: Schema.optional(Schema.String),
                name: Schema.String,
                startTimeUnixNano: Schema.String,
                endTimeUnixNano: Schema.String,
                attributes: Schema.Array(Attribute)
              })
            )
          })
        )
      })
    )
  })
)
const decodeTraces = Schema.decodeUnknownEffect(Traces)

const secret = "collector-secret-canary-0123456789"

/** One turn over a node, in a Gateway that has ended when this is done. */
const oneTurn = (otel: NonNullable<NonNullable<OpenClawConfig["diagnostics"]>["otel"]>) =>
  Effect.gen(function* () {
    const { bot, services } = yield* start({ config: { diagnostics: { otel: { enabled: true, ...otel } } } })
    yield* Effect.provideContext(MockNode.make(laptop), services)
    yield* bot.sendText({ from: ada, text: "what is the uptime of laptop?" })
    yield* bot.awaitReply({ chatId: ada.id })
    yield* bot.awaitConfirmed
  }).pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()))

describe("diagnostics.otel", () => {
  it.live("sends the turn's spans and the counts, and nothing that says whose they are", () =>
    Effect.gen(function* () {
      const { got, url } = yield* collector()
      yield* oneTurn({ endpoint: url, protocol: "http/json", serviceName: "attic", headers: { "x-token": secret } })
      const traces = got.filter(({ path }) => path === "/v1/traces")
      const metrics = got.filter(({ path }) => path === "/v1/metrics")
      assert.isAtLeast(traces.length, 1)
      assert.isAtLeast(metrics.length, 1)
      assert.isTrue(got.every(({ headers }) => headers["x-token"] === secret))
      const decoded = yield* Effect.forEach(traces, ({ body }) => decodeTraces(body))
      const resources = decoded.flatMap(({ resourceSpans }) => resourceSpans)
      const spans = resources.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans))
      const names = spans.map(({ name }) => name)
      for (const name of [
        "openclaw.message.received",
        "openclaw.message.processed",
        "openclaw.run",
        "openclaw.model.call",
        "openclaw.tool.execution",
        "openclaw.node.invoke",
        "openclaw.message.delivery"
      ]) {
        assert.include(names, name)
      }
      assert.strictEqual(new Set(spans.map(({ traceId }) => traceId)).size, 1)
      const model = spans.find(({ name }) => name === "openclaw.model.call")!
      assert.deepInclude(model.attributes, { key: "gen_ai.system", value: { stringValue: "builtin" } })
      assert.deepInclude(resources[0]!.resource.attributes, { key: "service.name", value: { stringValue: "attic" } })
      assert.include(metrics.map(({ body }) => body).join(""), "openclaw_message_received_total")
      const bodies = got.map(({ body }) => body).join("\n")
      for (const word of [secret, String(ada.id), "laptop", "agent:main", "uptime of"]) assert.notInclude(bodies, word)
    }).pipe(Effect.scoped)
  )

  it.live("begins and ends while the Gateway runs, as the configuration says at the time", () =>
    Effect.gen(function* () {
      const { got, url } = yield* collector()
      const { bot, services } = yield* start()
      const config = Context.get(services, Config)
      const otel = { enabled: true, endpoint: url, protocol: "http/json", flushIntervalMs: 1_000 }
      yield* config.set("diagnostics.otel", otel)
      const arrived = (path: string) =>
        Effect.sleep("20 millis").pipe(Effect.repeat({ until: () => got.some((each) => each.path === path) }))
      yield* arrived("/v1/metrics")
      yield* bot.sendText({ from: ada, text: "hello" })
      yield* bot.awaitReply({ chatId: ada.id })
      yield* config.set("diagnostics.otel.enabled", false)
      yield* arrived("/v1/traces")
    }).pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.live("says once that a collector takes nothing, without its headers, and turns go on", () =>
    Effect.gen(function* () {
      const { url } = yield* collector(503)
      const lines: Array<string> = []
      const keep = Logger.make(({ message }) => void lines.push(String(message)))
      yield* oneTurn({ endpoint: url, protocol: "http/json", headers: { "x-token": secret } }).pipe(
        Effect.provide(Logger.layer([keep]))
      )
      const told = lines.filter((line) => line.includes("takes nothing"))
      assert.lengthOf(told, 1)
      assert.match(told[0]!, /^the collector at http:\/\/127\.0\.0\.1:\d+ takes nothing \(HTTP 503\)/)
      assert.notInclude(lines.join("\n"), secret)
    }).pipe(Effect.scoped)
  )
})

describe("its settings", () => {
  const of = (otel: object, env = {}) => settingsOf({ diagnostics: { otel: { enabled: true, ...otel } } }, env)

  it("are off unless they are on", () => {
    assert.isUndefined(settingsOf({}, { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" }))
    assert.isUndefined(settingsOf({ diagnostics: { enabled: false, otel: { enabled: true } } }, {}))
    assert.isUndefined(of({}, { OTEL_SDK_DISABLED: "TRUE" }))
  })

  it("put a signal's path behind a shared address, and leave an own one alone", () => {
    assert.include(of({ endpoint: "http://c:4318/" }), {
      traces: "http://c:4318/v1/traces",
      metrics: "http://c:4318/v1/metrics"
    })
    assert.include(of({ endpoint: "http://c/otlp/v1/traces" }), {
      traces: "http://c/otlp/v1/traces",
      metrics: "http://c/otlp/v1/metrics"
    })
    assert.include(of({ tracesEndpoint: "http://t/x", metrics: false }), { traces: "http://t/x", metrics: undefined })
    assert.include(of({}, { OTEL_EXPORTER_OTLP_ENDPOINT: "http://e", OTEL_SERVICE_NAME: "attic" }), {
      traces: "http://e/v1/traces",
      serviceName: "attic"
    })
  })

  it("sample whole traces by their ids", () => {
    const ids = Array.from({ length: 1_000 }, (_, index) => (index * 4_294_967).toString(16).padStart(32, "0"))
    const share = (rate: number) => ids.filter((traceId) => isSampled({ traceId, sampled: true }, rate)).length
    assert.strictEqual(share(0), 0)
    assert.strictEqual(share(1), 1_000)
    assert.closeTo(share(0.2), 200, 10)
    assert.isFalse(isSampled({ traceId: ids[0]!, sampled: false }, 1))
  })
})
