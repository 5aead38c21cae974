import * as Effect from "effect/Effect"
import { ask } from "../../gateway.ts"
import { plain, print } from "../../output.ts"
import { isUnknownRequest, unknownRequest } from "../../requests.ts"

/** Refuses one request. The node stays connected, without those commands, and may ask again. */
export const run = Effect.fn("cli.nodes.reject")(function* (flags: {
  readonly requestId: string
  readonly timeout: number
}) {
  const answer = yield* ask({ scopes: ["operator.pairing"], timeoutMs: flags.timeout }, (client) =>
    client.call["node.pair.reject"]({ requestId: flags.requestId })
  ).pipe(Effect.catchIf(isUnknownRequest, () => Effect.fail(unknownRequest(flags.requestId, "openclaw nodes pending"))))
  yield* print(answer, () => `Rejected ${plain(answer.nodeId)}. It stays connected, without those commands.`)
})
