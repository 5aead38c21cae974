/** `sessions archive` and `sessions delete`: a result for each key, and nothing without being told so. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { gateway, home, run } from "./kit.ts"

const rows: Readonly<Record<string, object>> = {
  a: { key: "agent:main:a", kind: "direct", sessionId: "s-a", archived: false },
  "agent:main:b": { key: "agent:main:b", kind: "direct", sessionId: "s-b", archived: true },
  "agent:work:c": { key: "agent:work:c", kind: "direct", sessionId: "s-c" }
}
const refuse = () => {
  throw { code: "INVALID_REQUEST", message: "Cannot archive an agent's main session." }
}
const answers = {
  "sessions.describe": ({ key }: { readonly key: string }) => ({ session: rows[key] ?? null }),
  "sessions.patch": ({ key }: { readonly key: string }) =>
    key === "agent:work:c" ? refuse() : { ok: true, key, entry: rows["a"] },
  "sessions.delete": ({ key }: { readonly key: string }) => ({ ok: true, key, deleted: true, archived: [] })
}

const rig = Effect.gen(function* () {
  const server = yield* gateway(answers)
  const setting = { home: yield* home }
  const cli = (...args: ReadonlyArray<string>) => run(setting, "sessions", ...args, ...server.flags)
  const changes = () => server.requests.filter(({ method }) => method !== "sessions.describe")
  return { cli, changes }
})

describe("sessions archive", () => {
  it.live("archives what is not, says what is not there, and goes on after a failure", () =>
    Effect.gen(function* () {
      const { changes, cli } = yield* rig
      const one = yield* cli("archive", "a")
      assert.deepInclude(one, { code: 0, stdout: "agent:main:a: archived" })
      assert.deepStrictEqual(changes()[0]?.params, { key: "agent:main:a", archived: true, expectedSessionId: "s-a" })
      const many = yield* cli("archive", "c", "agent:main:b", "nobody", "--agent", "work", "--json")
      assert.strictEqual(many.code, 1)
      const { error, ok, results } = JSON.parse(many.stdout)
      assert.isFalse(ok)
      assert.strictEqual(error.type, "cli_error")
      assert.deepStrictEqual(
        results.map(({ key, status }: any) => [key, status]),
        [
          ["c", "error"],
          ["agent:main:b", "already_archived"],
          ["nobody", "not_found"]
        ]
      )
      const failed = yield* cli("archive", "c", "--agent", "work")
      assert.strictEqual(failed.code, 1)
      assert.include(failed.stderr, "Cannot archive an agent's main session.")
    }).pipe(Effect.scoped)
  )

  it.live("with --dry-run nothing is changed", () =>
    Effect.gen(function* () {
      const { changes, cli } = yield* rig
      assert.include((yield* cli("archive", "a", "--dry-run")).stdout, "would archive")
      assert.include((yield* cli("delete", "a", "--dry-run")).stdout, "would delete")
      assert.deepStrictEqual(changes(), [])
    }).pipe(Effect.scoped)
  )
})

describe("sessions compact", () => {
  const compacting = (answer: () => object) =>
    Effect.gen(function* () {
      const server = yield* gateway({ "sessions.compact": answer })
      const setting = { home: yield* home }
      const cli = (...args: ReadonlyArray<string>) =>
        run(setting, "sessions", "compact", "main", ...args, ...server.flags)
      return { cli, requests: server.requests }
    })
  const key = "agent:main:main"

  it.live("says what it came to", () =>
    Effect.gen(function* () {
      const result = { tokensBefore: 900, tokensAfter: 100 }
      const { cli, requests } = yield* compacting(() => ({ ok: true, key, compacted: true, result }))
      const done = yield* cli("--agent", "work")
      assert.deepInclude(done, { code: 0, stdout: `Compacted session ${key} (about 900 → 100 tokens).` })
      assert.deepStrictEqual(requests[0]?.params, { key: "main", agentId: "work" })
      assert.deepStrictEqual(JSON.parse((yield* cli("--json")).stdout), { ok: true, key, compacted: true, result })

      const cut = yield* compacting(() => ({ ok: true, key, compacted: true, kept: 20 }))
      assert.include((yield* cut.cli("--max-lines", "20")).stdout, "(20 messages kept)")
      assert.deepStrictEqual(cut.requests[0]?.params, { key: "main", maxLines: 20 })
      assert.strictEqual((yield* cut.cli("--max-lines", "0")).code, 1)
    }).pipe(Effect.scoped)
  )

  it.live("fails when the Gateway did not do it, and not when there was nothing to do", () =>
    Effect.gen(function* () {
      const none = yield* compacting(() => ({ ok: true, key, compacted: false, reason: "no transcript" }))
      const nothing = yield* none.cli()
      assert.deepInclude(nothing, { code: 0, stdout: `No compaction needed for session ${key} (no transcript).` })

      const answer = { ok: false, key, compacted: false, reason: "Already compacted" }
      const { cli } = yield* compacting(() => answer)
      const failed = yield* cli()
      assert.strictEqual(failed.code, 1)
      assert.include(failed.stderr, `Compaction failed for session ${key}: Already compacted.`)
      const json = yield* cli("--json")
      assert.strictEqual(json.code, 1)
      assert.deepStrictEqual(JSON.parse(json.stdout), answer)

      const busy = yield* compacting(() => {
        throw { code: "INVALID_REQUEST", message: "Session main has an active run; retry after it finishes." }
      })
      const refused = yield* busy.cli()
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, "has an active run")
    }).pipe(Effect.scoped)
  )
})

describe("sessions delete", () => {
  it.live("deletes with --yes, and not without", () =>
    Effect.gen(function* () {
      const { changes, cli } = yield* rig
      const unsure = yield* cli("delete", "a")
      assert.strictEqual(unsure.code, 1)
      assert.include(unsure.stderr, "--yes")
      assert.deepStrictEqual(changes(), [])
      const done = yield* cli("delete", "a", "--yes")
      assert.deepInclude(done, { code: 0, stdout: "agent:main:a: deleted" })
      assert.deepStrictEqual(changes()[0]?.params, { key: "agent:main:a", expectedSessionId: "s-a" })
      assert.strictEqual((yield* cli("delete", "--yes")).code, 1)
    }).pipe(Effect.scoped)
  )
})
