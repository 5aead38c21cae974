/**
 * What Tailscale opens of this Gateway just now.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { StatusSummary } from "../../protocol/methods/system.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { type ClaimState, type Exposure, Tailscale } from "../../services/Tailscale.ts"
import type { GatewayOptions } from "./options.ts"

export class Exposed extends Context.Service<
  Exposed,
  {
    readonly mode: Exposure | undefined
    /** `undefined` where nothing is to be opened. */
    readonly stateUnsafe: () => ClaimState | undefined
    /** The same as `status` shows it. */
    readonly summaryUnsafe: () => StatusSummary["tailscale"]
    /** Opens this port of 127.0.0.1 until the scope closes. */
    readonly open: (mode: Exposure, port: number) => Effect.Effect<void, never, Scope.Scope>
  }
>()("openclaw/layers/gateway/Exposed") {}

export const layer = (options: GatewayOptions): Layer.Layer<Exposed, never, Supervisor | Tailscale> =>
  Layer.effect(
    Exposed,
    Effect.gen(function* () {
      const tailscale = yield* Tailscale
      const supervisor = yield* Supervisor
      const since = yield* Clock.currentTimeMillis
      let state: ClaimState | undefined =
        options.tailscale === undefined
          ? undefined
          : { _tag: "Waiting", reason: "it was not asked yet", fix: "wait a moment", since }
      return Exposed.of({
        mode: options.tailscale,
        stateUnsafe: () => state,
        summaryUnsafe: () => {
          const { tailscale: mode } = options
          if (state === undefined || mode === undefined) return undefined
          const { since } = state
          return state._tag === "Active"
            ? { mode, state: "active", since, url: state.url }
            : { mode, state: "waiting", since, reason: state.reason, fix: state.fix }
        },
        open: (mode, port) =>
          supervisor
            .supervise(
              "gateway/tailscale",
              tailscale.hold({ mode, port, changed: (next) => Effect.sync(() => void (state = next)) }),
              { restart: "always" }
            )
            .pipe(Effect.asVoid)
      })
    })
  )
