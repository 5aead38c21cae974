/**
 * What `diagnostics.otel` and OpenTelemetry's own variables say. Pure.
 */
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"

export interface OtelSettings {
  readonly traces: string | undefined
  readonly metrics: string | undefined
  readonly protocol: "http/protobuf" | "http/json"
  readonly serviceName: string
  /** They may hold a secret: nothing prints them. */
  readonly headers: Readonly<Record<string, string>>
  /** The share of traces that is sent, of those that begin here; 0 to 1. */
  readonly sampleRate: number
  readonly flushIntervalMs: number
  /** Logs were asked for, and are not sent. */
  readonly logs: boolean
}

const LOCAL = "http://127.0.0.1:4318"
const MINUTE_MS = 60_000

const given = (text: string | undefined): string | undefined => {
  const trimmed = text?.trim()
  return trimmed === undefined || trimmed === "" ? undefined : trimmed
}

/** The path of a signal below a shared address; one that ends in a signal's path already keeps what is before it. */
const below = (endpoint: string, signal: "traces" | "metrics"): string =>
  `${endpoint.replace(/\/+$/, "").replace(/\/v1\/(?:traces|metrics|logs)$/, "")}/v1/${signal}`

/** `undefined`: nothing is sent. */
export const settingsOf = (
  { diagnostics }: OpenClawConfig,
  env: Readonly<Record<string, string | undefined>>
): OtelSettings | undefined => {
  const otel = diagnostics?.otel
  if (diagnostics?.enabled === false || otel?.enabled !== true) return undefined
  if (given(env["OTEL_SDK_DISABLED"])?.toLowerCase() === "true") return undefined
  const shared = given(otel.endpoint) ?? given(env["OTEL_EXPORTER_OTLP_ENDPOINT"]) ?? LOCAL
  const traces = given(otel.tracesEndpoint) ?? given(env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
  const metrics = given(otel.metricsEndpoint) ?? given(env["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"])
  return {
    traces: otel.traces === false ? undefined : (traces ?? below(shared, "traces")),
    metrics: otel.metrics === false ? undefined : (metrics ?? below(shared, "metrics")),
    protocol: otel.protocol ?? "http/protobuf",
    serviceName: given(otel.serviceName) ?? given(env["OTEL_SERVICE_NAME"]) ?? "openclaw",
    headers: otel.headers ?? {},
    sampleRate: otel.sampleRate ?? 1,
    flushIntervalMs: otel.flushIntervalMs ?? MINUTE_MS,
    logs: otel.logs === true
  }
}
