/**
 * Everything that HTTP serves besides the probes: the page, OpenAI's API, single tools.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import type { Authenticator } from "../../../services/Authenticator.ts"
import type { Config } from "../../../services/Config.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import type { EventBus } from "../../../services/EventBus.ts"
import type { Sessions } from "../../../services/Sessions.ts"
import type { Tools } from "../../../services/Tools.ts"
import type { Turns } from "../../../services/Turns.ts"
import type { GatewayOptions } from "../options.ts"
import * as MetricsPage from "./metrics.ts"
import * as OpenAi from "./openai.ts"
import * as Page from "./page.ts"
import { type Exchange, failed, notFound } from "./respond.ts"
import * as ToolsInvoke from "./tools.ts"

export type HttpRequirements = Authenticator | Config | EventBus | FileSystem | Sessions | Tools | Turns

/** How long a client whose body was not read to its end may go on sending, so that it reads the answer first. */
const LINGER = "1 second"

/** Whether a path is one of the APIs, wherever they are served. */
export const isApi = (path: string): boolean =>
  path === OpenAi.MODELS_PATH ||
  path.startsWith(`${OpenAi.MODELS_PATH}/`) ||
  path === OpenAi.CHAT_PATH ||
  path === ToolsInvoke.PATH ||
  MetricsPage.PATHS.has(path)

/**
 * Whether an API is on that lives at a path beside routes of somebody else. `/metrics` is never: apps have one of their own, and
 * the Gateway's has another name too.
 */
export const isOn = (path: string, config: OpenClawConfig): boolean => {
  if (path === ToolsInvoke.PATH) return true
  return MetricsPage.PATHS.has(path) ? path !== MetricsPage.SHORT && MetricsPage.isOn(config) : OpenAi.isOn(config)
}

const route = (options: GatewayOptions, exchange: Exchange): Effect.Effect<void, PlatformError, HttpRequirements> => {
  const { path } = exchange
  if (path === OpenAi.MODELS_PATH || path.startsWith(`${OpenAi.MODELS_PATH}/`)) return OpenAi.models(exchange)
  if (path === OpenAi.CHAT_PATH) return OpenAi.chat(exchange)
  if (path === ToolsInvoke.PATH) return ToolsInvoke.handle(exchange)
  if (MetricsPage.PATHS.has(path)) return MetricsPage.handle(exchange)
  return options.controlUi === undefined
    ? Effect.sync(() => notFound(exchange))
    : Page.handle(exchange, options.controlUi, options.version)
}

/** Cuts what can no longer be answered. */
const broken = (exchange: Exchange, status: number, message: string) =>
  Effect.sync(() => {
    const { response } = exchange
    if (response.writableEnded || response.destroyed) return
    if (response.headersSent) response.destroy()
    else failed(exchange, status, "api_error", message)
  })

/** Answers one request. Never fails; interrupted, it says that the Gateway stops. */
export const handle = (options: GatewayOptions, exchange: Exchange): Effect.Effect<void, never, HttpRequirements> =>
  route(options, exchange).pipe(
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause as Cause.Cause<never>)
        : Effect.andThen(
            Effect.logError(`${exchange.request.method} ${exchange.path.slice(0, 100)} failed`, cause),
            broken(exchange, 500, "internal error")
          )
    ),
    Effect.onInterrupt(() => broken(exchange, 503, "the Gateway is stopping; try again")),
    Effect.andThen(
      Effect.suspend(() => {
        const { request } = exchange
        if (request.complete || request.destroyed) return Effect.void
        return Effect.andThen(
          Effect.sleep(LINGER),
          Effect.sync(() => {
            if (!request.complete) request.socket.destroy()
          })
        )
      })
    )
  )
