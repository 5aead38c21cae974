import * as Effect from "effect/Effect"
import { CommandFailed } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { plain, print } from "../../output.ts"
import { resolveNode } from "./shared.ts"

export const run = Effect.fn("cli.nodes.rename")(function* (flags: {
  readonly node: string
  readonly name: string
  readonly timeout: number
}) {
  const displayName = flags.name.trim()
  if (displayName === "")
    return yield* new CommandFailed({ message: "the name is empty.\nFix: give --name at least one character." })
  const answer = yield* ask({ scopes: ["operator.read", "operator.pairing"], timeoutMs: flags.timeout }, (client) =>
    Effect.flatMap(resolveNode(client, flags.node), ({ nodeId }) => client.call["node.rename"]({ nodeId, displayName }))
  )
  return yield* print(answer, () => `Renamed ${plain(answer.nodeId)} → ${plain(answer.displayName)}`)
})
