import * as Effect from "effect/Effect"
import { start } from "../../service/lifecycle.ts"
import { serviceManager } from "../../service/manager.ts"

/** Starts the service, and waits until the Gateway listens. */
export const run = Effect.fn("cli.gateway.start")(function* (flags: { readonly timeout: number }) {
  yield* start("gateway", flags.timeout)
}, Effect.provide(serviceManager))
