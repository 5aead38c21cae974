/**
 * The way to a Gateway that is reached through SSH, for as long as the command talks to it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Target } from "../client/credentials.ts"
import { reach, type ReachOptions } from "../client/reach.ts"
import { type Tunnel, TunnelManager, type TunnelState } from "../services/TunnelManager.ts"
import { waiting } from "./progress.ts"
import * as State from "./state.ts"

/** With the tunnels that are there, else with this process's own. What opens them is loaded only when it is needed. */
const managed = Effect.fnUntraced(function* (holder: string | undefined) {
  const given = yield* Effect.serviceOption(TunnelManager)
  if (Option.isSome(given)) return given.value
  const { layer } = yield* Effect.promise(() => import("../client/TunnelManager.ts"))
  const built = yield* Layer.build(
    layer({ hold: holder !== undefined, holder, elsewhere: true }).pipe(Layer.provide(State.stateDir))
  )
  return yield* Effect.provide(TunnelManager, built)
})

/** Where a target's Gateway is, and which setting says so, for people. */
export const place = ({ endpoint, source, ssh }: Target): string =>
  ssh === undefined
    ? `${endpoint} (${source})`
    : `${ssh.target}, port ${ssh.remotePort} over there, through ssh (gateway.remote.sshTarget)`

/** The same for programs. */
export const placeDocument = ({ endpoint, source, ssh }: Target) => ({
  url: endpoint,
  urlSource: source,
  ...(ssh === undefined ? undefined : { sshTarget: ssh.target, remotePort: ssh.remotePort })
})

/** What a tunnel that does not stand is about, in one line. */
const inWords = ({ spec }: Tunnel, state: TunnelState): string => {
  const opening = `Opening the tunnel to ${spec.target}`
  if (state._tag === "Up" || state.error === undefined) return opening
  const [first = ""] = state.error.message.split("\n")
  return `${opening}: ${first}`
}

export interface ReachedOptions extends ReachOptions {
  /** The command, where it runs until it is stopped and so keeps the tunnel for other programs of this machine too. */
  readonly holder?: string | undefined
}

/**
 * Returns when the target may be dialled, which it may be until the scope closes. The gate is for dialling it, also again. A
 * terminal shows what it waits for.
 */
export const reached = Effect.fnUntraced(function* (to: Target, options: ReachedOptions = {}) {
  if (to.ssh === undefined) return yield* reach(to)
  let label = `Opening the tunnel to ${to.ssh.target}`
  const scope = yield* Effect.scope
  const onTunnel = (tunnel: Tunnel) =>
    SubscriptionRef.changes(tunnel.state).pipe(
      Stream.runForEach((state) => Effect.sync(() => (label = inWords(tunnel, state)))),
      Effect.forkIn(scope),
      Effect.andThen(options.onTunnel?.(tunnel) ?? Effect.void)
    )
  return yield* Effect.provideServiceEffect(
    reach(to, { ...options, onTunnel }),
    TunnelManager,
    managed(options.holder)
  ).pipe(waiting(() => label))
})
