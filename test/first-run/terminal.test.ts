/** The real program at a real terminal: `script` of util-linux gives it one. */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { home } from "../cli/kit.ts"
import { stored } from "./kit.ts"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

/** Runs it until it ends; each text that is seen, in this order, gets its keys. */
const atTerminal = (folder: string, ...dialogue: ReadonlyArray<readonly [sees: string, keys: string]>) =>
  Effect.callback<{ readonly code: number | null; readonly out: string }>((resume) => {
    const command = `'${process.execPath}' '${main}' onboard`
    const env = { HOME: folder, PATH: "/usr/local/bin:/usr/bin:/bin", TERM: "xterm", NO_COLOR: "1" }
    const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], { env })
    let out = ""
    let seen = 0
    let next = 0
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString()
      for (let step = dialogue[next]; step !== undefined; step = dialogue[next]) {
        const at = out.indexOf(step[0], seen)
        if (at === -1) return
        seen = at + step[0].length
        next++
        child.stdin.write(step[1])
      }
    })
    child.once("close", (code) => resume(Effect.succeed({ code, out })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const DOWN = "\u001b[B"
const ESC = "\u001b"
const CTRL_C = "\u0003"

describe("onboarding at a terminal", () => {
  it.live("goes back with Esc, never shows a key, and leaves nothing behind after Ctrl-C", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const { code, out } = yield* atTerminal(
        setting.home,
        ["Which model shall answer?", "\r"],
        ["Key (shown as stars", `sk-typed-and-not-sent${ESC}`],
        ["Which model shall answer?", `${DOWN.repeat(5)}\r`],
        ["builtin/offline says:", ""],
        ["Telegram: talk to the agent", CTRL_C]
      )
      assert.strictEqual(code, 130, out)
      assert.include(out, "Stopped; nothing was changed.")
      assert.notInclude(out, "sk-typed-and-not-sent")
      assert.isUndefined(stored(setting))
    }).pipe(Effect.scoped)
  )
})
