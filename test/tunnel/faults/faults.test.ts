/** What comes of each fault. Their times are in `RESULTS.md`, which `main.ts` writes. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Sshd from "../sshd.ts"
import { faults, skipped } from "./cases.ts"
import { bringAbout, nameOf } from "./run.ts"

describe.skipIf(Sshd.findSync() === undefined).concurrent("a tunnel's fault", () => {
  for (const fault of faults) {
    const reason = skipped(fault)
    it.live.skipIf(reason !== undefined)(
      reason === undefined ? fault.name : `${fault.name}: ${reason}`,
      () =>
        Effect.gen(function* () {
          const { credentials, error } = yield* bringAbout(fault)
          assert.strictEqual(nameOf(error), fault.expect)
          assert.strictEqual(credentials, 0)
          if (error !== undefined) assert.notInclude(error.message, "\n\n")
        }),
      120_000
    )
  }
})
