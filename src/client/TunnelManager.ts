/**
 * The tunnels of this process, made real with the system's `ssh`.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { StateDir } from "../services/StateDir.ts"
import { Supervisor } from "../services/Supervisor.ts"
import {
  isTerminal,
  type Tunnel,
  type TunnelError,
  TunnelManager,
  type TunnelSpec,
  type TunnelState
} from "../services/TunnelManager.ts"
import { awakened } from "./tunnel/awakened.ts"
import * as Forward from "./tunnel/forward.ts"
import * as KnownGateways from "./tunnel/knownGateways.ts"
import { probe } from "./tunnel/probe.ts"
import { broken, type Parts, run } from "./tunnel/run.ts"
import { type Own, shared, type Sharing } from "./tunnel/shared.ts"

export interface TunnelOptions {
  /** The program that is run; `ssh` of the PATH when left out. */
  readonly program?: string | undefined
  /**
   * True when left out: this process keeps its tunnels for others of the same state directory too. False for a program that
   * soon ends: it uses the tunnels that others keep, and none of its own is used by others.
   */
  readonly hold?: boolean | undefined
  /** Any other near end will do where another program has the spec's: who asks goes by `Up`. Always so without `hold`. */
  readonly elsewhere?: boolean | undefined
  /** What this process is, for whoever asks who holds a tunnel. */
  readonly holder?: string | undefined
}

type Up = Extract<TunnelState, { _tag: "Up" }>

type Settled = Extract<TunnelState, { _tag: "Stopped" | "Up" }>

const isSettled = (state: TunnelState): state is Settled => state._tag === "Up" || state._tag === "Stopped"

/** Made of parts, so that a test may play ssh and the clock. Without `sharing` no other process hears of the tunnels. */
export const make = Effect.fnUntraced(function* (parts: Parts, sharing?: Sharing) {
  const supervisor = yield* Effect.serviceOption(Supervisor)
  const live = new Set<Tunnel>()

  const begin = Effect.fnUntraced(function* (spec: TunnelSpec) {
    const state = yield* SubscriptionRef.make<TunnelState>({ _tag: "Connecting", generation: 0, error: undefined })
    const name = `tunnels/${spec.target}/${spec.localPort}`
    const own: Own = { spec, parts, state, generations: { last: 0 }, confirm: Effect.void }
    const life =
      sharing === undefined
        ? run(spec, parts, state, own.generations)
        : Effect.catchDefect(shared(own, sharing), broken(spec, state, own.generations))
    yield* Option.match(supervisor, {
      onSome: ({ supervise }) => supervise(name, life, { restart: "on-failure", terminal: isTerminal }),
      onNone: () =>
        Effect.forkScoped(
          Effect.tapCause(life, (cause) =>
            Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(`${name} ended`, cause)
          )
        )
    })
    const settled: Effect.Effect<Settled> = SubscriptionRef.changes(state).pipe(
      Stream.filter(isSettled),
      Stream.runHead,
      // The state outlives its readers, so its changes do not end.
      Effect.flatMap(Option.match({ onNone: () => Effect.never, onSome: Effect.succeed }))
    )
    const ready = Effect.gen(function* (): Effect.fn.Return<Up, TunnelError> {
      for (;;) {
        const before = yield* settled
        if (before._tag === "Stopped") return yield* before.error
        // What another process holds may be down without this one having heard of it yet.
        yield* Effect.suspend(() => own.confirm)
        const now = yield* SubscriptionRef.get(state)
        if (now._tag === "Up" && now.generation === before.generation) return now
      }
    })
    const tunnel: Tunnel = { spec, state, ready }
    yield* Effect.acquireRelease(
      Effect.sync(() => live.add(tunnel)),
      () => Effect.sync(() => live.delete(tunnel))
    )
    return tunnel
  })

  const tunnels = yield* RcMap.make({ lookup: begin })
  return TunnelManager.of({
    up: Effect.fn("TunnelManager.up")((spec: TunnelSpec) => RcMap.get(tunnels, spec)),
    tunnels: Effect.sync(() => [...live])
  })
})

/**
 * Every tunnel ends with the layer's scope, or goes to another process that wants it too. Supervised where there is a
 * `Supervisor`.
 */
export const layer = (
  options: TunnelOptions = {}
): Layer.Layer<TunnelManager, never, ChildProcessSpawner | FileSystem.FileSystem | StateDir> =>
  Layer.effect(
    TunnelManager,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const open = Forward.make({ spawner: yield* ChildProcessSpawner, fs, program: options.program })
      return yield* make(
        { open, probe, awakened: awakened(), known: yield* KnownGateways.make },
        {
          fs,
          state: yield* StateDir,
          program: options.holder ?? "another program",
          hold: options.hold ?? true,
          elsewhere: options.elsewhere
        }
      )
    })
  )
