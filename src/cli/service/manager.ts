/**
 * The service manager of this machine.
 */
import { userInfo } from "node:os"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Launchd from "../../layers/service/launchd.ts"
import * as Systemd from "../../layers/service/systemd.ts"
import { ServiceManagerUnavailable } from "../../services/ServiceManager.ts"
import { Environment } from "../Environment.ts"

/** A container may run programs as a number without a name. */
const user = Effect.orElseSucceed(
  Effect.try(() => userInfo()),
  () => ({ uid: process.getuid?.() ?? -1, username: String(process.getuid?.() ?? "nobody") })
)

export const serviceManager = Layer.unwrap(
  Effect.gen(function* () {
    const { home, variables } = yield* Environment
    const { uid, username } = yield* user
    if (process.platform === "darwin") return Launchd.layer({ home, env: variables, user: { id: uid } })
    if (process.platform === "win32") {
      return yield* new ServiceManagerUnavailable({
        message:
          "services are managed by systemd and launchd only, and Windows has neither.\nFix: run it in WSL, or start `openclaw gateway run` by the Task Scheduler."
      })
    }
    return Systemd.layer({ home, env: variables, user: { id: uid === -1 ? undefined : uid, name: username } })
  })
)
