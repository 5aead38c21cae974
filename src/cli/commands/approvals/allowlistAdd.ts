import * as Effect from "effect/Effect"
import { CommandFailed } from "../../errors.ts"
import { plain, print } from "../../output.ts"
import { type Target, visit } from "./shared.ts"

/** Puts a program on a list. One that is there already changes nothing. */
export const run = Effect.fn("cli.approvals.allowlist.add")(function* (
  flags: Target & { readonly pattern: string; readonly agent: string | undefined }
) {
  const pattern = flags.pattern.trim()
  const agent = flags.agent ?? "*"
  if (pattern === "") return yield* new CommandFailed({ message: "the pattern is empty.\nFix: name a program." })
  let isNew = false
  const shown = yield* visit(flags, (file) => {
    const present = Object.hasOwn(file.agents ?? {}, agent) ? file.agents?.[agent] : undefined
    const allowlist = present?.allowlist ?? []
    isNew = !allowlist.some((entry) => entry.pattern === pattern && entry.argPattern === undefined)
    return Effect.succeed(
      isNew
        ? { ...file, agents: { ...file.agents, [agent]: { ...present, allowlist: [...allowlist, { pattern }] } } }
        : undefined
    )
  })
  yield* print(shown.answer, () =>
    isNew
      ? `${plain(pattern)} runs unasked for ${plain(agent)} on ${shown.target}.`
      : `${plain(pattern)} was on the list already.`
  )
})
