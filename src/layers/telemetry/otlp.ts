/**
 * The exporter to an OpenTelemetry collector, loaded only where the configuration names one.
 *
 * Nothing waits for it: spans go into a buffer that is dropped while the collector is away. What is sent are the spans of the
 * flow with what says nothing of anybody: no message, no id of a chat, a session or a run.
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as Layer from "effect/Layer"
import * as OtlpExporter from "effect/observability/OtlpExporter"
import * as OtlpMetrics from "effect/observability/OtlpMetrics"
import * as OtlpResource from "effect/observability/OtlpResource"
import { layerJson, layerProtobuf, OtlpSerialization } from "effect/observability/OtlpSerialization"
import type * as OtlpTracer from "effect/observability/OtlpTracer"
import { VERSION } from "../../domain/Version.ts"
import { Spans } from "../tracing/Tracing.ts"
import type { SpanRecord } from "../tracing/record.ts"
import { Metrics } from "./Metrics.ts"
import type { OtelSettings } from "./settings.ts"

type OtlpSpan = OtlpTracer.ScopeSpan["spans"][number]

const REQUEST_TIMEOUT = "10 seconds"
const SHUTDOWN = "1 second"
const TRACES_EVERY = "5 seconds"
/** Spans of one request. */
const BATCH = 512

/** OpenClaw's names for the same things. */
const names: Readonly<Record<SpanRecord["name"], string>> = {
  receive: "openclaw.message.received",
  admit: "openclaw.message.processed",
  request: "openclaw.gateway.rpc.handler",
  turn: "openclaw.run",
  model: "openclaw.model.call",
  tool: "openclaw.tool.execution",
  invoke: "openclaw.node.invoke",
  node: "openclaw.node.command",
  deliver: "openclaw.message.delivery"
}

/** Of somebody, or of one thing only: they stay on this machine. */
const own: ReadonlySet<string> = new Set([
  "accountId",
  "agentId",
  "asked",
  "callId",
  "connId",
  "messageId",
  "node",
  "nodeId",
  "runId",
  "sessionKey",
  "updateId"
])

/** By the conventions for generative AI where they have a name for it. */
const conventions: Readonly<Record<string, string>> = {
  provider: "gen_ai.system",
  model: "gen_ai.request.model",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  tool: "gen_ai.tool.name"
}

const nanos = (millis: number): string => String(BigInt(Math.round(millis * 1e3)) * 1_000n)

const kinds = { internal: 1, server: 2, client: 3 } as const
const kindOf = (name: SpanRecord["name"]): number =>
  name === "request" || name === "node"
    ? kinds.server
    : name === "model" || name === "invoke"
      ? kinds.client
      : kinds.internal

export const toOtlp = (span: SpanRecord): OtlpSpan => ({
  traceId: span.traceId,
  spanId: span.spanId,
  parentSpanId: span.parentId,
  name: names[span.name],
  kind: kindOf(span.name),
  startTimeUnixNano: nanos(span.startedAt),
  endTimeUnixNano: nanos(span.startedAt + (span.durationMs ?? 0)),
  attributes: OtlpResource.entriesToAttributes([
    ...Object.entries(span.attributes)
      .filter(([key]) => !own.has(key))
      .map(([key, value]): [string, unknown] => [conventions[key] ?? `openclaw.${key}`, value]),
    ...(span.error === undefined ? [] : [["error.type", span.error] as [string, unknown]])
  ]),
  droppedAttributesCount: 0,
  events: [],
  droppedEventsCount: 0,
  status:
    span.status === "error" ? { code: 2, message: span.error ?? "error" } : { code: span.status === "ok" ? 1 : 0 },
  links: [],
  droppedLinksCount: 0
})

/** Whole traces or nothing of them: the id decides, as OpenTelemetry's ratio sampler does it. */
export const isSampled = ({ sampled, traceId }: Pick<SpanRecord, "sampled" | "traceId">, rate: number): boolean =>
  sampled && Number.parseInt(traceId.slice(-8), 16) / 0x1_0000_0000 < rate

const originOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : "the address that is configured")

/** Says once that the collector takes nothing, and once that it does again. */
const watched = Effect.map(HttpClient.HttpClient, (client) => {
  let isAway = false
  const failed = (where: string, why: string) =>
    Effect.suspend(() => {
      if (isAway) return Effect.void
      isAway = true
      return Effect.logWarning(
        `the collector at ${where} takes nothing (${why}); what is traced meanwhile is not sent. It is tried again.\nFix: check \`diagnostics.otel\`.`
      )
    })
  const took = (where: string) =>
    Effect.suspend(() => {
      if (!isAway) return Effect.void
      isAway = false
      return Effect.logInfo(`the collector at ${where} takes telemetry again`)
    })
  return HttpClient.transform(client, (effect, request) => {
    const where = originOf(request.url)
    return effect.pipe(
      Effect.timeoutOrElse({
        duration: REQUEST_TIMEOUT,
        orElse: () =>
          Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({ request, description: "no answer in time" })
            })
          )
      }),
      Effect.tap(({ status }) => (status < 400 ? took(where) : failed(where, `HTTP ${status}`))),
      Effect.tapError(({ reason }) => failed(where, reason._tag))
    )
  })
})

const exportTraces = Effect.fnUntraced(function* (url: string, settings: OtelSettings) {
  const serialization = yield* OtlpSerialization
  const spans = yield* Spans
  const resource = OtlpResource.make({ serviceName: settings.serviceName, serviceVersion: VERSION })
  const scope = { name: "openclaw", version: VERSION }
  const exporter = yield* OtlpExporter.make({
    url,
    headers: settings.headers,
    label: "traces",
    exportInterval: TRACES_EVERY,
    maxBatchSize: BATCH,
    shutdownTimeout: SHUTDOWN,
    body: (batch: Array<OtlpSpan>) => [
      serialization.traces({ resourceSpans: [{ resource, scopeSpans: [{ scope, spans: batch }] }] }),
      Effect.void
    ]
  })
  const stop = spans.listen((span) => {
    if (isSampled(span, settings.sampleRate)) exporter.push(toOtlp(span))
  })
  yield* Effect.addFinalizer(() => Effect.sync(stop))
})

const exportMetrics = Effect.fnUntraced(function* (url: string, settings: OtelSettings) {
  const { look } = yield* Metrics
  yield* look
  yield* OtlpMetrics.make({
    url,
    headers: settings.headers,
    resource: { serviceName: settings.serviceName, serviceVersion: VERSION },
    exportInterval: settings.flushIntervalMs,
    shutdownTimeout: SHUTDOWN
  })
  const every = Math.min(settings.flushIntervalMs, 10_000)
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(every), look)))
})

/** Sends until the scope closes. */
export const run = Effect.fn("Otlp.run")(function* (settings: OtelSettings) {
  const client = yield* watched
  const needs = Layer.mergeAll(
    OtlpExporter.layerFlusher,
    settings.protocol === "http/json" ? layerJson : layerProtobuf,
    Layer.succeed(HttpClient.HttpClient, client)
  )
  const services = yield* Layer.build(needs)
  yield* Effect.all([
    settings.traces === undefined ? Effect.void : exportTraces(settings.traces, settings),
    settings.metrics === undefined ? Effect.void : exportMetrics(settings.metrics, settings)
  ]).pipe(Effect.provideContext(services))
  if (settings.logs) {
    yield* Effect.logWarning(
      "diagnostics.otel.logs asks for logs, and this Gateway sends none; `openclaw logs` and its file have them, with the trace's id"
    )
  }
  return yield* Effect.never
})
