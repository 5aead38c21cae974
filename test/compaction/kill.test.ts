/** A compaction whose Gateway is killed: before its summary is committed, and right after. */
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Readline from "node:readline"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const child = fileURLToPath(new URL("child.ts", import.meta.url))

/** Runs the child until it prints a line that starts with `until`, then kills it, and returns the lines. */
const runChild = (dir: string, mode: "hang" | "commit" | "finish", until: string) =>
  Effect.callback<ReadonlyArray<string>, string>((resume) => {
    const lines: Array<string> = []
    const running = ChildProcess.spawn(process.execPath, [child, dir, mode], {
      stdio: ["ignore", "pipe", "inherit"],
      env: {}
    })
    Readline.createInterface({ input: running.stdout }).on("line", (line) => {
      lines.push(line)
      if (line.startsWith(until)) running.kill("SIGKILL")
    })
    running.on("close", () =>
      resume(lines.some((line) => line.startsWith(until)) ? Effect.succeed(lines) : Effect.fail(lines.join("\n")))
    )
    return Effect.sync(() => running.kill("SIGKILL"))
  })

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-compaction-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

const outcomeOf = (lines: ReadonlyArray<string>) =>
  JSON.parse(lines.find((line) => line.startsWith("outcome"))!.slice("outcome ".length))

/** The whole of it, once. */
const whole = {
  status: "ok",
  compacted: true,
  summary: "the summary",
  since: ["user", "assistant", "system"],
  all: ["user", "assistant", "user", "assistant", "system"],
  total: true
}

describe("kill -9", () => {
  it.live("in the middle of the summary: nothing is changed, and it is made at the next start", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      yield* runChild(dir, "hang", "summarising")
      const lines = yield* runChild(dir, "finish", "outcome")
      assert.include(lines, "summarising")
      assert.deepStrictEqual(outcomeOf(lines), whole)
    })
  )

  it.live("right after the commit: it is not made again", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      yield* runChild(dir, "commit", "committed")
      const lines = yield* runChild(dir, "finish", "outcome")
      assert.notInclude(lines, "summarising")
      assert.deepStrictEqual(outcomeOf(lines), whole)
    })
  )
})
