/**
 * `/metrics`, and OpenClaw's path for the same: what the Gateway counts, for a program that collects it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Config } from "../../../services/Config.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { Metrics } from "../../telemetry/Metrics.ts"
import { allowed, authorize } from "./auth.ts"
import { type Exchange, methodNotAllowed, notFound, text } from "./respond.ts"

/** As every program has it. */
export const SHORT = "/metrics"
export const PATHS: ReadonlySet<string> = new Set([SHORT, "/api/diagnostics/prometheus"])

export const isOn = ({ diagnostics, plugins }: OpenClawConfig): boolean =>
  diagnostics?.enabled !== false && plugins?.entries?.["diagnostics-prometheus"]?.enabled !== false

const enabled = Effect.flatMap(Config, ({ get }) => Effect.map(Effect.orDie(get), isOn))

/** Whoever may look at how the Gateway does may read it; it is not for everybody. */
export const handle = Effect.fn("Http.metrics")(function* (exchange: Exchange) {
  const metrics = yield* Effect.serviceOption(Metrics)
  if (Option.isNone(metrics) || !(yield* enabled)) return notFound(exchange)
  const { method } = exchange.request
  if (method !== "GET" && method !== "HEAD") return methodNotAllowed(exchange, "GET")
  const scopes = yield* authorize(exchange, { deviceTokens: true })
  if (scopes === undefined || !allowed(exchange, scopes, "operator.read")) return undefined
  return text(exchange.response, 200, yield* metrics.value.text, {
    "content-type": "text/plain; version=0.0.4; charset=utf-8"
  })
})
