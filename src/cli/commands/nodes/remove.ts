import * as Effect from "effect/Effect"
import { ask } from "../../gateway.ts"
import { plain, print } from "../../output.ts"
import { resolveNode } from "./shared.ts"

export const run = Effect.fn("cli.nodes.remove")(function* (flags: {
  readonly node: string
  readonly timeout: number
}) {
  const answer = yield* ask({ scopes: ["operator.read", "operator.pairing"], timeoutMs: flags.timeout }, (client) =>
    Effect.flatMap(resolveNode(client, flags.node), ({ nodeId }) => client.call["node.pair.remove"]({ nodeId }))
  )
  yield* print(answer, () => `Removed ${plain(answer.nodeId)}`)
})
