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
const runChild = (dir: string, mode: "hang" | "finish", until: string) =>
  Effect.callback<ReadonlyArray<string>, string>((resume) => {
    const lines: Array<string> = []
    const process_ = ChildProcess.spawn(process.execPath, [child, dir, mode], {
      stdio: ["ignore", "pipe", "inherit"],
      env: {}
    })
    Readline.createInterface({ input: process_.stdout }).on("line", (line) => {
      lines.push(line)
      if (line.startsWith(until)) process_.kill("SIGKILL")
    })
    process_.on("close", () =>
      resume(lines.some((line) => line.startsWith(until)) ? Effect.succeed(lines) : Effect.fail(lines.join("\n")))
    )
    return Effect.sync(() => process_.kill("SIGKILL"))
  })

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-kill-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

describe("kill -9", () => {
  it.live("a turn that was killed three times is given up, and the user is told", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      for (let kills = 0; kills < 3; kills++) yield* runChild(dir, "hang", "two")
      const lines = yield* runChild(dir, "finish", "outcome")
      assert.match(lines.at(-1) ?? "", /^outcome error I gave up .* stopped 3 times/)
      const done = Fs.readFileSync(Path.join(dir, "done.log"), "utf8").trim().split("\n")
      assert.match(done.at(-1) ?? "", /^sent I gave up/)
      assert.lengthOf(
        done.filter((line) => line === "two"),
        3
      )
    })
  )

  it.live("a turn resumes where it was: the finished step is not run again, the reply is sent once", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      assert.include(yield* runChild(dir, "hang", "two"), "submitted true")
      const lines = yield* runChild(dir, "finish", "outcome")
      assert.include(lines, "submitted false")
      assert.include(lines, "outcome ok answer to hello")
      const done = Fs.readFileSync(Path.join(dir, "done.log"), "utf8").trim().split("\n")
      assert.deepStrictEqual(
        done.filter((line) => !line.startsWith("typing")),
        ["one", "two", "two", "sent answer to hello"]
      )
    })
  )
})
