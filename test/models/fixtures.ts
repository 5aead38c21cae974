import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Models from "../../src/layers/models/Models.ts"
import type { RetryPolicy } from "../../src/layers/models/retry.ts"
import { Config } from "../../src/services/Config.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"

/** A configuration that never was a file. */
export const configLayer = (config: OpenClawConfig): Layer.Layer<Config> =>
  Layer.mock(Config)({ file: "openclaw.json", get: Effect.succeed(config), changes: Stream.empty })

/** No second call, so that every failure is seen at once. */
export const once: RetryPolicy = { attempts: 1, baseMs: 1, maxMs: 1 }

export const modelsLayer = (
  config: OpenClawConfig,
  options: { readonly env?: Readonly<Record<string, string>>; readonly policy?: RetryPolicy } = {}
) =>
  Models.layerWith(options.policy ?? once).pipe(
    Layer.provide(configLayer(config)),
    Layer.provide(FetchHttpClient.layer),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord(options.env ?? {})))
  )
