import * as Effect from "effect/Effect"
import { print } from "../../output.ts"
import { listed, type Target, visit } from "./shared.ts"

/** Shows a list of what runs unasked. */
export const run = Effect.fn("cli.approvals.get")(function* (target: Target) {
  const shown = yield* visit(target)
  yield* print(shown.answer, () => listed(shown))
})
