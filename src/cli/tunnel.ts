/**
 * The way to a Gateway that is reached through SSH, for as long as the command talks to it.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Target } from "../client/credentials.ts"
import { reach } from "../client/reach.ts"
import { TunnelManager } from "../services/TunnelManager.ts"
import * as State from "./state.ts"

/** With the tunnels that are there, else with this process's own. What opens them is loaded only when it is needed. */
const managed = Effect.gen(function* () {
  const given = yield* Effect.serviceOption(TunnelManager)
  if (Option.isSome(given)) return given.value
  const { layer } = yield* Effect.promise(() => import("../client/TunnelManager.ts"))
  const built = yield* Layer.build(layer().pipe(Layer.provide(State.stateDir)))
  return yield* Effect.provide(TunnelManager, built)
})

/** Returns when the target may be dialled, which it may be until the scope closes. The gate is for dialling it again. */
export const reached = Effect.fnUntraced(function* (to: Target, timeout?: Duration.Input) {
  const reaching = reach(to, timeout)
  return yield* to.ssh === undefined ? reaching : Effect.provideServiceEffect(reaching, TunnelManager, managed)
})
