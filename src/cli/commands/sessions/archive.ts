import * as Effect from "effect/Effect"
import { ask } from "../../gateway.ts"
import { type Flags, report, toEach } from "./shared.ts"

/** Archives sessions by `sessions.patch`. */
export const run = Effect.fn("cli.sessions.archive")(function* (flags: Flags) {
  const results = yield* ask({ scopes: ["operator.write"], timeoutMs: flags.timeout }, (client) =>
    toEach(client, flags, "would_archive", ({ archived, key, sessionId }) =>
      archived === true
        ? Effect.succeed("already_archived")
        : Effect.as(client.call["sessions.patch"]({ key, archived: true, expectedSessionId: sessionId }), "archived")
    )
  )
  return yield* report("archive", flags, results)
})
