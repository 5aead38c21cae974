import * as Effect from "effect/Effect"
import { plain, print } from "../../output.ts"
import { type Target, visit } from "./shared.ts"

/** Takes a program from a list. One that is not there changes nothing. */
export const run = Effect.fn("cli.approvals.allowlist.remove")(function* (
  flags: Target & { readonly pattern: string; readonly agent: string | undefined }
) {
  const pattern = flags.pattern.trim()
  const agent = flags.agent ?? "*"
  let was = false
  const shown = yield* visit(flags, (file) => {
    const present = Object.hasOwn(file.agents ?? {}, agent) ? file.agents?.[agent] : undefined
    const allowlist = (present?.allowlist ?? []).filter((entry) => entry.pattern !== pattern)
    was = allowlist.length < (present?.allowlist?.length ?? 0)
    return Effect.succeed(was ? { ...file, agents: { ...file.agents, [agent]: { ...present, allowlist } } } : undefined)
  })
  yield* print(shown.answer, () =>
    was
      ? `${plain(pattern)} is taken from the list of ${plain(agent)} on ${shown.target}.`
      : `${plain(pattern)} was not on the list.`
  )
})
