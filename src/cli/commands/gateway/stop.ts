import * as Effect from "effect/Effect"
import { fields, print } from "../../output.ts"
import { nameOf } from "../../service/definition.ts"
import { stopService } from "../../service/lifecycle.ts"
import { unmanagedPid } from "../../service/managed.ts"
import { serviceManager } from "../../service/manager.ts"
import { ServiceManager } from "../../../services/ServiceManager.ts"
import { endOwner } from "./endOwner.ts"

const service = Effect.gen(function* () {
  const manager = yield* ServiceManager
  const stopped = yield* stopService("gateway")
  return stopped ? manager.id(yield* nameOf("gateway")) : undefined
}).pipe(
  Effect.provide(serviceManager),
  // Where nothing manages services there is none to be stopped.
  Effect.catchTag("ServiceManagerUnavailable", () => Effect.undefined)
)

/** Ends the Gateway of this profile, whoever started it. That none runs is no failure. */
export const run = Effect.fn("cli.gateway.stop")(function* () {
  const id = yield* service
  const pid = yield* unmanagedPid(undefined)
  if (pid !== undefined) yield* endOwner
  const result = id === undefined && pid === undefined ? "not-running" : "stopped"
  yield* print({ action: "stop", ok: true, result, service: id, pid }, () =>
    fields([
      ["Gateway", result === "stopped" ? "stopped" : "does not run"],
      ["Service", id],
      ["Process", pid === undefined ? undefined : `pid ${pid}`]
    ])
  )
})
