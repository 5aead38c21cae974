/** A small page in a real Chromium: what the policy lets it run, its settings, its WebSocket. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Browser from "../interop/Browser.ts"
import * as Kit from "./kit.ts"

const chromium = Effect.runSync(Browser.find)

/** What a browser that was killed a moment ago still writes to is tried again. */
const profile = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "openclaw-chromium-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }))
)

// `test/packages.ts` installs it or says that it is missing.
describe.skipIf(chromium === undefined)("a page in Chromium", () => {
  for (const basePath of ["", "/claw"]) {
    it.live(`runs what it came with and nothing else, under "${basePath}/"`, () =>
      Effect.gen(function* () {
        const { root } = yield* Kit.page
        const { port, token } = yield* Kit.start({ gateway: { controlUi: { root, basePath } } })
        const page = yield* Browser.open(chromium ?? "", yield* profile)
        yield* page.command("Page.navigate", { url: `http://127.0.0.1:${port}${basePath}/chat/deep#token=${token}` })
        yield* page
          .evaluate("document.title")
          .pipe(
            Effect.repeat({ until: (title) => title === "done", schedule: Schedule.spaced("20 millis") }),
            Effect.timeout("20 seconds")
          )
        assert.strictEqual(
          yield* page.evaluate("document.getElementById('out').textContent"),
          `base=${basePath};inline=ran;evil=undefined;settings=main;challenge=connect.challenge;`
        )
        assert.deepStrictEqual(page.errors, [])
      }).pipe(Effect.scoped)
    )
  }
})
