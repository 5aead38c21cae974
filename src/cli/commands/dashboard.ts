/**
 * `openclaw dashboard`: the Gateway's page.
 */
import * as Command from "effect/cli/Command"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

export const dashboard = Command.make(
  "dashboard",
  {
    noOpen: flags.on("no-open", "Only print the address"),
    timeout: flags.timeout()
  },
  lazily(() => import("./dashboard/run.ts"))
).pipe(Command.withDescription("Open the Gateway's page in the browser; behind ssh, through a tunnel that is kept"))
