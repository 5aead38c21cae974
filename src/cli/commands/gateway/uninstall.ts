import * as Effect from "effect/Effect"
import { uninstall } from "../../service/lifecycle.ts"
import { serviceManager } from "../../service/manager.ts"

/** Ends the service and takes it away. Configuration and state stay. */
export const run = Effect.fn("cli.gateway.uninstall")(function* () {
  yield* uninstall("gateway")
}, Effect.provide(serviceManager))
