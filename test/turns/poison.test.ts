import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Storage from "../../src/layers/storage/Storage.ts"

const child = fileURLToPath(new URL("poisonChild.ts", import.meta.url))
const innocents = 20

type How = "abort" | "memory" | "delivery"

/** Runs the child until it ends by itself. Whether it died. */
const runLife = (dir: string, how: How, life: number) =>
  Effect.callback<boolean>((resume) => {
    const process_ = ChildProcess.spawn(
      process.execPath,
      ["--max-old-space-size=64", child, dir, String(innocents), how, String(life)],
      { stdio: "ignore", env: {}, cwd: dir }
    )
    process_.on("close", (code) => resume(Effect.succeed(code !== 0)))
    return Effect.sync(() => process_.kill("SIGKILL"))
  })

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-poison-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

describe("a message whose turn kills the process", () => {
  for (const how of ["abort", "memory", "delivery"] as const) {
    it.live(`alone is set aside, among ${innocents} that ran beside it (${how})`, () =>
      Effect.gen(function* () {
        const dir = yield* folder
        const died: Array<boolean> = []
        for (let life = 1; died.at(-1) !== false && life < 8; life++) died.push(yield* runLife(dir, how, life))
        // Three deaths, and not one more: two that all shared, and one that was its own.
        assert.deepStrictEqual(died, [true, true, true, false])
        const lines = Fs.readFileSync(Path.join(dir, "done.log"), "utf8").trim().split("\n")
        const sent = lines.flatMap((line) => (/ sent (.*)/.exec(line)?.[1] ?? "").split("\n").filter(Boolean))
        assert.deepStrictEqual(
          sent.toSorted(),
          [
            ...Array.from({ length: innocents }, (_, index) => `answer to innocent${index}`),
            "I gave up on this message: the",
            "answer to behind"
          ].toSorted()
        )
        const begins = (life: number) => lines.filter((line) => line.startsWith(`${life} begins`)).length
        assert.strictEqual(begins(1), innocents + 1)
        assert.strictEqual(begins(2), innocents + 1 - (how === "delivery" ? 1 : 0))
        const letters = yield* Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          return yield* sql<{ run_id: string; attempts: number; error: string }>`SELECT * FROM dead_letters`
        }).pipe(Effect.provide(Storage.layer({ filename: Path.join(dir, "state.sqlite") })))
        assert.deepStrictEqual(
          letters.map(({ attempts, run_id }) => [run_id, attempts]),
          [["poison", 3]]
        )
        if (how !== "delivery") assert.include(letters[0]?.error, 'begun and not finished: "deadly"')
      })
    )
  }
})
