/** Commands at a Gateway that is not ours: answers as OpenClaw 2026.9.6 gives them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { gateway, home, run } from "./kit.ts"

const channels = {
  ts: 1,
  channelOrder: [],
  channelLabels: {},
  channels: {},
  channelAccounts: {},
  channelDefaultAccountId: {}
}

describe("a Gateway of another make", () => {
  it.live("has no fibers and no model that `status` could name", () =>
    Effect.gen(function* () {
      const { flags } = yield* gateway({
        status: () => ({ runtimeVersion: "2026.9.6", heartbeat: {}, channelSummary: [], queuedSystemEvents: [] }),
        "channels.status": () => channels
      })
      const setting = { home: yield* home }
      for (const deep of [[], ["--deep"]]) {
        const ended = yield* run(setting, "status", ...deep, ...flags)
        assert.strictEqual(ended.code, 0)
        assert.match(ended.stdout, /Version: +2026\.9\.6/)
        assert.notMatch(ended.stdout, /supervised|Model:/)
      }
    }).pipe(Effect.scoped)
  )

  it.live("answers a method that it does not have with a missing scope, which is explained", () =>
    Effect.gen(function* () {
      const missing = () => {
        throw {
          code: "FORBIDDEN",
          message: "missing scope: operator.admin",
          details: {
            code: "MISSING_SCOPE",
            missingScope: "operator.admin",
            requiredScopes: ["operator.admin"],
            method: "channels.deadLetters.list"
          }
        }
      }
      const { flags } = yield* gateway({ "channels.deadLetters.list": missing })
      const ended = yield* run({ home: yield* home }, "channels", "dead-letters", "list", ...flags)
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /operator\.admin: .*every method that it does not have.*version 2026\.9\.6\.\nFix: /)
      assert.strictEqual(ended.stderr.split("Fix: ").length, 2)
    }).pipe(Effect.scoped)
  )

  it.live("answers a changed session with what it keeps of it, which has no key", () =>
    Effect.gen(function* () {
      const key = "agent:main:spare"
      const entry = { sessionId: "s", updatedAt: 1, delivery: { kind: "internal" }, archivedAt: 1 }
      const { flags } = yield* gateway({
        "sessions.describe": () => ({ session: { key, kind: "direct", sessionId: "s" } }),
        "sessions.patch": () => ({ ok: true, path: "/x.sqlite", key, entry })
      })
      const ended = yield* run({ home: yield* home }, "sessions", "archive", key, "--json", ...flags)
      assert.strictEqual(ended.code, 0)
      assert.deepInclude(JSON.parse(ended.stdout).results[0], { key, ok: true })
    }).pipe(Effect.scoped)
  )
})
