import * as Effect from "effect/Effect"
import * as Prompt from "effect/cli/Prompt"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { Json } from "../../globals.ts"
import { count } from "../../output.ts"
import { type Flags, report, toEach } from "./shared.ts"

/** What is deleted does not come back: a program has to say `--yes`. */
const confirmed = Effect.fnUntraced(function* (number: number) {
  const { interactive } = yield* Environment
  if (!interactive || (yield* Json)) return false
  return yield* Prompt.run(
    Prompt.Confirm({ message: `Delete ${count(number, "session")} with all that was said?`, initial: false })
  ).pipe(Effect.catchTag("QuitError", () => Effect.succeed(false)))
})

/** Calls `sessions.delete` for each. */
export const run = Effect.fn("cli.sessions.delete")(function* (flags: Flags & { readonly yes: boolean }) {
  if (!flags.yes && !flags.dryRun && !(yield* confirmed(flags.keys.length))) {
    return yield* new CommandFailed({ message: "Nothing was deleted.\nFix: answer yes, or pass --yes." })
  }
  const results = yield* ask({ scopes: ["operator.read", "operator.admin"], timeoutMs: flags.timeout }, (client) =>
    toEach(client, flags, "would_delete", ({ key, sessionId }) =>
      Effect.map(client.call["sessions.delete"]({ key, expectedSessionId: sessionId }), ({ deleted }) =>
        deleted ? "deleted" : "already_gone"
      )
    )
  )
  return yield* report("delete", flags, results)
})
