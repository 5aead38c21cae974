/**
 * Sends what is traced and counted to a collector, as `diagnostics.otel` says at the time. A collector that is away, or a
 * configuration that is wrong, stops nothing else.
 */
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Config } from "../../services/Config.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import type { Spans } from "../tracing/Tracing.ts"
import type { Metrics } from "./Metrics.ts"
import { settingsOf } from "./settings.ts"

export const layer = (options: {
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}): Layer.Layer<never, never, Config | HttpClient.HttpClient | Metrics | Spans | Supervisor> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const config = yield* Config
      const supervisor = yield* Supervisor
      const env = options.env ?? {}
      const send = Effect.gen(function* () {
        const settings = yield* config.get.pipe(
          Effect.map((current) => settingsOf(current, env)),
          Effect.orElseSucceed(() => undefined)
        )
        const before = JSON.stringify(settings)
        const changed = config.changes.pipe(
          Stream.filter((next) => JSON.stringify(settingsOf(next, env)) !== before),
          Stream.runHead
        )
        if (settings === undefined) return yield* changed
        const exporter = Effect.promise(() => import("./otlp.ts"))
        // Whoever changes it while the exporter is loaded is heard too.
        return yield* Effect.raceFirst(Effect.scoped(Effect.flatMap(exporter, ({ run }) => run(settings))), changed)
      })
      yield* supervisor.supervise("telemetry/otlp", Effect.forever(send), { restart: "always" })
    })
  )
