/** Brings about one fault in a world of its own. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import type { TunnelError } from "../../../src/services/TunnelManager.ts"
import type { Fault, Outcome } from "./cases.ts"
import * as World from "./world.ts"

/** An error's name, and its reason where it has one. */
export const nameOf = (error: TunnelError | undefined): string | undefined =>
  error === undefined ? undefined : error._tag === "SshUnreachable" ? `${error._tag} ${error.reason}` : error._tag

export const bringAbout = (fault: Fault): Effect.Effect<Outcome, unknown> =>
  World.make({ network: fault.network === true, hurried: fault.hurried === true }).pipe(
    Effect.flatMap(fault.run),
    Effect.scoped,
    Effect.provide(NodeServices.layer)
  )
