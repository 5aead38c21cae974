import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { ask } from "../../gateway.ts"
import { document } from "../../output.ts"

/** Prints `system-presence` as it is, with and without `--json`. */
export const run = Effect.fn("cli.system.presence")(function* (flags: { readonly timeout: number }) {
  const entries = yield* ask({ scopes: ["operator.read"], timeoutMs: flags.timeout }, (client) =>
    client.call["system-presence"]({})
  )
  yield* Console.log(document(entries))
})
