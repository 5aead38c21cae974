/** A tunnel with ssh, the Gateway and the clock played by the test. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as TunnelManager from "../../src/client/TunnelManager.ts"
import type { Standing } from "../../src/client/gatewayProof.ts"
import type { Heard, ProbeFailed, ProbeRefused } from "../../src/client/tunnel/probe.ts"
import type { Known, Parts } from "../../src/client/tunnel/run.ts"
import type { Sharing } from "../../src/client/tunnel/shared.ts"
import { token } from "../../src/domain/Credential.ts"
import * as SshTarget from "../../src/domain/SshTarget.ts"
import type { Tunnel, TunnelError, TunnelSpec, TunnelState } from "../../src/services/TunnelManager.ts"

export const target = Result.getOrThrow(SshTarget.parse("me@box", "--ssh"))
export const spec: TunnelSpec = {
  target,
  localPort: 18_789,
  remotePort: 18_789,
  hostKeyPolicy: "strict",
  credentials: [token("sesame")]
}

export const heard = (standing: Standing, roundTripMs = 7): Heard => ({ roundTripMs, standing, closed: Effect.never })
export const silent = heard({ _tag: "Silent" })
export const proves = (deviceId: string) => heard({ _tag: "Proven", deviceId })

interface Ssh {
  readonly open: Effect.Effect<unknown>
  readonly bind: Effect.Effect<unknown>
  readonly end: (error: TunnelError) => Effect.Effect<unknown>
  readonly over: () => boolean
}

/** `sharing`: with other programs too. */
export const stageWith = Effect.fnUntraced(function* (sharing?: Sharing) {
  const started = yield* Queue.unbounded<Ssh>()
  const waking = yield* Queue.unbounded<void>()
  const known = new Map<string, Known>()
  const world = {
    challenge: Effect.succeed(silent) as Effect.Effect<Heard, ProbeFailed>,
    identity: Effect.succeed("gateway-a") as Effect.Effect<string, ProbeFailed | ProbeRefused>,
    asked: 0,
    shown: 0,
    seconds: [] as Array<number>
  }
  const parts: Parts = {
    open: Effect.fnUntraced(function* (_, seconds) {
      world.seconds.push(seconds)
      const opened = yield* Deferred.make<void>()
      const bound = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<never, TunnelError>()
      let over = false
      yield* Effect.addFinalizer(() => Effect.sync(() => (over = true)))
      yield* Queue.offer(started, {
        open: Deferred.succeed(opened, undefined),
        bind: Effect.andThen(Deferred.succeed(opened, undefined), Deferred.succeed(bound, undefined)),
        end: (error) => Deferred.fail(ended, error),
        over: () => over
      })
      return { opened: Deferred.await(opened), bound: Deferred.await(bound), ended: Deferred.await(ended) }
    }),
    probe: {
      challenge: () => Effect.suspend(() => (world.asked++, world.challenge)),
      identity: () => Effect.suspend(() => (world.shown++, world.identity))
    },
    awakened: Queue.take(waking),
    known: {
      get: () => Effect.sync(() => known.get(target)),
      put: (_, gateway) => Effect.sync(() => void known.set(target, gateway))
    }
  }
  const manager = yield* TunnelManager.make(parts, sharing)
  return { manager, started, waking, known, world }
})

export const stage = stageWith()

/** The next state of this kind, of a generation later than `after`. */
export const until = <Tag extends TunnelState["_tag"]>(tunnel: Tunnel, tag: Tag, after = 0) =>
  SubscriptionRef.changes(tunnel.state).pipe(
    Stream.filter(
      (state): state is Extract<TunnelState, { _tag: Tag }> => state._tag === tag && state.generation > after
    ),
    Stream.take(1),
    Stream.runCollect,
    Effect.map((states) => states[0] as Extract<TunnelState, { _tag: Tag }>)
  )
