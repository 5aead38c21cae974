import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { ask } from "../../gateway.ts"
import { print } from "../../output.ts"
import { pendingTable } from "./shared.ts"

/** Prints the requests; as JSON a bare array. */
export const run = Effect.fn("cli.nodes.pending")(function* (flags: { readonly timeout: number }) {
  const { pending } = yield* ask({ scopes: ["operator.pairing"], timeoutMs: flags.timeout }, (client) =>
    client.call["node.pair.list"]({})
  )
  const now = yield* Clock.currentTimeMillis
  yield* print(pending, () =>
    pending.length === 0
      ? "No node waits for approval. A node that is not paired as a device yet is under `openclaw devices list`."
      : [pendingTable(pending, now), "", "Approve one with `openclaw nodes approve <request>`."].join("\n")
  )
})
