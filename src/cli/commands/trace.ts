/**
 * `openclaw trace`: what became of one message, step by step.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Option from "effect/Option"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

export const trace = Command.make(
  "trace",
  {
    message: Argument.String("message").pipe(
      Argument.withDescription("A run id, a session key, a message's id in its chat, or a trace id"),
      Argument.optional,
      Argument.map(Option.getOrUndefined)
    ),
    last: flags.on("last", "The newest message; so it is without one, too"),
    timeout: flags.timeout()
  },
  lazily(() => import("./trace/run.ts"))
).pipe(Command.withDescription("Show one turn's steps with their times: model, tools, nodes, delivery"))
