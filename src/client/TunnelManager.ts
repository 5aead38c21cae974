/**
 * The tunnels of this process, made real with the system's `ssh`.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { StateDir } from "../services/StateDir.ts"
import { Supervisor } from "../services/Supervisor.ts"
import { isTerminal, type Tunnel, TunnelManager, type TunnelSpec, type TunnelState } from "../services/TunnelManager.ts"
import { awakened } from "./tunnel/awakened.ts"
import * as Forward from "./tunnel/forward.ts"
import * as KnownGateways from "./tunnel/knownGateways.ts"
import { probe } from "./tunnel/probe.ts"
import { type Parts, run } from "./tunnel/run.ts"

export interface TunnelOptions {
  /** The program that is run; `ssh` of the PATH when left out. */
  readonly program?: string | undefined
}

type Up = Extract<TunnelState, { _tag: "Up" }>

const isSettled = (state: TunnelState) => state._tag === "Up" || state._tag === "Stopped"

/** Made of parts, so that a test may play ssh and the clock. */
export const make = Effect.fnUntraced(function* (parts: Parts) {
  const supervisor = yield* Effect.serviceOption(Supervisor)
  const live = new Set<Tunnel>()

  const begin = Effect.fnUntraced(function* (spec: TunnelSpec) {
    const state = yield* SubscriptionRef.make<TunnelState>({ _tag: "Connecting", generation: 0, error: undefined })
    const name = `tunnels/${spec.target}/${spec.localPort}`
    const life = run(spec, parts, state, { last: 0 })
    yield* Option.match(supervisor, {
      onSome: ({ supervise }) => supervise(name, life, { restart: "on-failure", terminal: isTerminal }),
      onNone: () =>
        Effect.forkScoped(
          Effect.tapCause(life, (cause) =>
            Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(`${name} ended`, cause)
          )
        )
    })
    const settled: Effect.Effect<TunnelState> = SubscriptionRef.changes(state).pipe(
      Stream.filter(isSettled),
      Stream.runHead,
      // The state outlives its readers, so its changes do not end.
      Effect.flatMap(Option.match({ onNone: () => Effect.never, onSome: Effect.succeed }))
    )
    const ready = Effect.flatMap(settled, (now) =>
      now._tag === "Stopped" ? Effect.fail(now.error) : Effect.succeed(now as Up)
    )
    const tunnel: Tunnel = { spec, state, ready }
    yield* Effect.acquireRelease(
      Effect.sync(() => live.add(tunnel)),
      () => Effect.sync(() => live.delete(tunnel))
    )
    return tunnel
  })

  const shared = yield* RcMap.make({ lookup: begin })
  return TunnelManager.of({
    up: Effect.fn("TunnelManager.up")((spec: TunnelSpec) => RcMap.get(shared, spec)),
    tunnels: Effect.sync(() => [...live])
  })
})

/** Every tunnel ends with the layer's scope. Supervised where there is a `Supervisor`. */
export const layer = (options: TunnelOptions = {}): Layer.Layer<TunnelManager, never, ChildProcessSpawner | StateDir> =>
  Layer.effect(
    TunnelManager,
    Effect.gen(function* () {
      const open = Forward.make(yield* ChildProcessSpawner, options.program)
      return yield* make({ open, probe, awakened: awakened(), known: yield* KnownGateways.make })
    })
  )
