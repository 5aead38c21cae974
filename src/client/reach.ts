/**
 * Makes a target's endpoint one that can be dialled.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { atPort, type Endpoint } from "../domain/Endpoint.ts"
import { parts, SshTarget } from "../domain/SshTarget.ts"
import {
  type Tunnel,
  type TunnelError,
  TunnelManager,
  type TunnelSpec,
  type TunnelState
} from "../services/TunnelManager.ts"
import type { Passage } from "./Connect.ts"
import type { Target } from "./credentials.ts"
import { TunnelTimeout } from "./errors.ts"

/** The Gateway is to be reached through SSH, and nobody gave this program a `TunnelManager`. Nothing was dialled. */
export class TunnelUnavailable extends Schema.TaggedError<TunnelUnavailable>()("TunnelUnavailable", {
  target: SshTarget,
  localPort: Schema.Int,
  remotePort: Schema.Int
}) {
  static readonly of = ({ localPort, remotePort, target }: TunnelSpec) =>
    new TunnelUnavailable({ localPort, remotePort, target })

  override get message() {
    const { host, port, user } = parts(this.target)
    const login = user === undefined ? host : `${user}@${host}`
    const command = `ssh -N -L ${this.localPort}:127.0.0.1:${this.remotePort}${port === undefined ? "" : ` -p ${port}`} ${login}`
    return `The Gateway is to be reached through SSH, and this program opens no tunnels itself; nothing was sent.\nFix: open it by hand with \`${command}\`, and say so with \`openclaw config set gateway.remote.transport direct\`.`
  }
}

/** What came of it in time. */
const inTime = ({ ready, spec, state }: Tunnel, timeout: Duration.Input) =>
  Effect.timeoutOrElse(ready, {
    duration: timeout,
    orElse: () =>
      Effect.flatMap(SubscriptionRef.get(state), (now) => {
        const timeoutMs = Duration.toMillis(timeout)
        return Effect.fail(
          new TunnelTimeout({ target: spec.target, timeoutMs, last: now._tag === "Up" ? undefined : now.error })
        )
      })
  })

export interface Reached {
  /**
   * The `gate` of `ConnectOptions`: waits while the tunnel does not stand, fails when it stopped for good. Gives its near end,
   * which may be another than the configured one and from one time to the next, and who has to prove itself there.
   */
  readonly gate?: Effect.Effect<Passage, TunnelError | TunnelTimeout> | undefined
}

/** The near end as it is now, for as long as it is this tunnel's. */
const passage = (endpoint: Endpoint, { state }: Tunnel, up: Extract<TunnelState, { _tag: "Up" }>): Passage => {
  const isSame = (now: TunnelState) =>
    now._tag === "Up" && now.generation === up.generation && now.localPort === up.localPort
  return {
    endpoint: atPort(endpoint, up.localPort),
    gateway: up.proven === true ? up.gateway : undefined,
    stands: Effect.map(SubscriptionRef.get(state), isSame),
    lost: SubscriptionRef.changes(state).pipe(
      Stream.filter((now) => !isSame(now)),
      Stream.runHead,
      Effect.asVoid
    )
  }
}

export interface ReachOptions {
  /** A tunnel that may still come is given up after this, each time that it is waited for; left out: never. */
  readonly timeout?: Duration.Input | undefined
  /** Told of the tunnel as soon as there is one to look at. */
  readonly onTunnel?: ((tunnel: Tunnel) => Effect.Effect<void>) | undefined
}

/**
 * Brings up the tunnel that the target goes through, or shares the one that is there, and keeps it until the scope closes; a
 * target without one may be dialled as it is. Nothing is to be dialled before this returns, and whoever connects passes the gate
 * on: between two tunnels the near end is anybody's.
 */
export const reach: (
  target: Pick<Target, "endpoint" | "ssh">,
  options?: ReachOptions
) => Effect.Effect<Reached, TunnelError | TunnelTimeout | TunnelUnavailable, Scope.Scope> = Effect.fn(
  "GatewayClient.reach"
)(function* ({ endpoint, ssh }, { onTunnel, timeout } = {}) {
  if (ssh === undefined) return {}
  const manager = yield* Effect.serviceOption(TunnelManager)
  if (Option.isNone(manager)) return yield* TunnelUnavailable.of(ssh)
  const tunnel = yield* manager.value.up(ssh)
  if (onTunnel !== undefined) yield* onTunnel(tunnel)
  const ready = timeout === undefined ? tunnel.ready : inTime(tunnel, timeout)
  yield* ready
  return { gate: Effect.map(ready, (up) => passage(endpoint, tunnel, up)) }
})
