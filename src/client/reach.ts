/**
 * Makes a target's endpoint one that can be dialled.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { atPort } from "../domain/Endpoint.ts"
import { parts, SshTarget } from "../domain/SshTarget.ts"
import {
  SshUnreachable,
  type Tunnel,
  type TunnelError,
  TunnelManager,
  type TunnelSpec
} from "../services/TunnelManager.ts"
import type { Passage } from "./Connect.ts"
import type { Target } from "./credentials.ts"

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

/** What the tunnel failed with last, where it still tries. */
const lastError = ({ spec, state }: Tunnel): Effect.Effect<never, TunnelError> =>
  Effect.flatMap(SubscriptionRef.get(state), (now) =>
    Effect.fail(
      (now._tag === "Up" ? undefined : now.error) ??
        new SshUnreachable({ target: spec.target, reason: "timeout", detail: "" })
    )
  )

export interface Reached {
  /**
   * The `gate` of `ConnectOptions`: waits while the tunnel does not stand, fails when it stopped for good. Gives its near end,
   * which may be another than the configured one and from one time to the next, and who has to prove itself there.
   */
  readonly gate?: Effect.Effect<Passage, TunnelError> | undefined
}

/**
 * Brings up the tunnel that the target goes through, or shares the one that is there, and keeps it until the scope closes; a
 * target without one may be dialled as it is. Until this returns no credential leaves the process, and whoever connects more
 * than once passes the gate on: between two tunnels the near end is anybody's. A tunnel that may still come is given up
 * after `timeout`; without one it is waited for.
 */
export const reach: (
  target: Target,
  timeout?: Duration.Input
) => Effect.Effect<Reached, TunnelError | TunnelUnavailable, Scope.Scope> = Effect.fn("GatewayClient.reach")(function* (
  { endpoint, ssh },
  timeout = Duration.infinity
) {
  if (ssh === undefined) return {}
  const manager = yield* Effect.serviceOption(TunnelManager)
  if (Option.isNone(manager)) return yield* TunnelUnavailable.of(ssh)
  const tunnel = yield* manager.value.up(ssh)
  yield* Effect.timeoutOrElse(tunnel.ready, { duration: timeout, orElse: () => lastError(tunnel) })
  return {
    gate: Effect.map(tunnel.ready, ({ gateway, localPort, proven }) => ({
      endpoint: atPort(endpoint, localPort),
      gateway: proven === true ? gateway : undefined
    }))
  }
})
