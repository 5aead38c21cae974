/**
 * Which Gateway this is: one state directory is one Gateway, whatever process runs it.
 */
import * as Context from "effect/Context"

export class GatewayIdentity extends Context.Service<
  GatewayIdentity,
  {
    /** Stays the same across restarts. */
    readonly id: string
    /** This run of it. */
    readonly process: string
  }
>()("openclaw/services/GatewayIdentity") {}
