/**
 * `openclaw demo`: the whole way of a message on this machine, every hop real, nothing left behind.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { CommandFailed } from "../errors.ts"
import { Json } from "../globals.ts"

const DEFAULT_MESSAGE = "How is the machine called demo-node doing? Tell me its uptime and memory."

export const demo = Command.make(
  "demo",
  {
    message: Flag.String("message").pipe(
      Flag.withAlias("m"),
      Flag.withDescription("What the Telegram user writes first"),
      Flag.withDefault(DEFAULT_MESSAGE)
    )
  },
  Effect.fnUntraced(function* ({ message }) {
    if (yield* Json) {
      return yield* new CommandFailed({
        message: "the demo is a story for people and has no --json.\nFix: run it without --json."
      })
    }
    const { run } = yield* Effect.promise(() => import("./demo/run.ts"))
    yield* run(message)
  })
).pipe(
  Command.withDescription(
    "Start a Gateway, a node and a Bot API server on this machine and send a message all the way through"
  )
)
