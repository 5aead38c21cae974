import * as Effect from "effect/Effect"
import * as Prompt from "effect/cli/Prompt"
import { Environment } from "../../../Environment.ts"
import { CommandFailed, NotWell, tell } from "../../../errors.ts"
import { ask } from "../../../gateway.ts"
import { Json } from "../../../globals.ts"
import { count, plain, print } from "../../../output.ts"
import { chosen, eachOf, number } from "./shared.ts"

/** On a terminal only: whoever runs it from a program has decided. */
const confirmed = Effect.fnUntraced(function* (number: number) {
  const { interactive } = yield* Environment
  if (!interactive || (yield* Json) || number === 0) return true
  return yield* Prompt.run(
    Prompt.Confirm({ message: `Forget ${count(number, "dead letter")}, text and all?`, initial: false })
  ).pipe(Effect.catchTag("QuitError", () => Effect.succeed(false)))
})

/** Calls `channels.deadLetters.drop` for one or all. Exit code 1 when one of all was refused. */
export const run = Effect.fn("cli.channels.deadLetters.drop")(function* (flags: {
  readonly id: string | undefined
  readonly all: boolean
  readonly yes: boolean
  readonly timeout: number
}) {
  const options = { scopes: ["operator.read", "operator.admin"], timeoutMs: flags.timeout } as const
  const total = yield* ask(options, (client) => Effect.andThen(chosen(client, flags, "drop"), number(client, flags)))
  if (!flags.yes && !(yield* confirmed(total))) {
    return yield* new CommandFailed({ message: "Nothing was dropped.\nFix: answer yes, or pass --yes." })
  }
  const { done, failed } = yield* ask(options, (client) =>
    eachOf(client, flags, "drop", (id) => client.call["channels.deadLetters.drop"]({ id }))
  )
  yield* print(flags.all ? { dropped: done, failed } : done[0], () =>
    done.length + failed.length === 0
      ? "No dead letters."
      : done.map(({ already, id }) => `${plain(id)}: dropped${already ? " before" : ""}`).join("\n")
  )
  for (const { error, id } of failed) yield* tell(`${id}: ${error.message}`)
  if (failed.length > 0) return yield* new NotWell({})
})
