import * as Effect from "effect/Effect"
import { ask } from "../../gateway.ts"
import { plain, print, shortName } from "../../output.ts"
import { isUnknownRequest, unknownRequest } from "../../requests.ts"

/** Approves exactly one request; commands that run programs need `operator.admin` too. */
export const run = Effect.fn("cli.nodes.approve")(function* (flags: {
  readonly requestId: string
  readonly timeout: number
}) {
  const answer = yield* ask({ scopes: ["operator.pairing", "operator.admin"], timeoutMs: flags.timeout }, (client) =>
    client.call["node.pair.approve"]({ requestId: flags.requestId })
  ).pipe(Effect.catchIf(isUnknownRequest, () => Effect.fail(unknownRequest(flags.requestId, "openclaw nodes pending"))))
  const { commands = [], displayName, nodeId } = answer.node
  yield* print(
    answer,
    () => `Approved ${shortName(displayName ?? nodeId)}. It may run: ${commands.map(plain).join(", ") || "nothing"}`
  )
})
