/** The real program at a real terminal: `script` of util-linux gives it one. */
import { spawn, spawnSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as BotApi from "../../src/testing/BotApi.ts"
import { home } from "../cli/kit.ts"
import { freePort, stored } from "./kit.ts"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

/** Runs it until it ends; each text that is seen, in this order, gets its keys. */
const atTerminal = (folder: string, given: string, ...dialogue: ReadonlyArray<readonly [sees: string, keys: string]>) =>
  Effect.callback<{ readonly code: number | null; readonly out: string }>((resume) => {
    const command = `'${process.execPath}' '${main}' ${given}`
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

/** Of util-linux; another one of the same name takes other flags. */
const has = spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux") === true
const reason = has ? "" : " (skipped: it needs util-linux's script)"

describe.skipIf(!has)(`onboarding at a terminal${reason}`, () => {
  it.live("goes back with Esc, never shows a key, and leaves nothing behind after Ctrl-C", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const { code, out } = yield* atTerminal(
        setting.home,
        "onboard",
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

  it.live("doctor --fix takes a webhook away after a yes, and after nothing else", () =>
    Effect.gen(function* () {
      const bots = yield* BotApi.BotApi
      const folder = yield* home
      const config = {
        gateway: { mode: "local", port: yield* freePort },
        agents: { defaults: { model: "builtin/offline" } },
        channels: { telegram: { apiRoot: bots.url, botToken: bots.token } }
      }
      mkdirSync(join(folder, ".openclaw"), { mode: 0o700 })
      writeFileSync(join(folder, ".openclaw", "openclaw.json"), JSON.stringify(config), { mode: 0o600 })
      yield* bots.setWebhook("https://elsewhere.example/secret-path")
      const question = "Take the webhook of account default away"
      const kept = yield* atTerminal(folder, "doctor --fix", [question, "\r"])
      assert.strictEqual(kept.code, 1, kept.out)
      assert.include(kept.out, "are sent to elsewhere.example instead of here")
      const taken = yield* atTerminal(folder, "doctor --fix", [question, "y"])
      assert.include(taken.out, "Done: the webhook of account default is gone")
      assert.notInclude(taken.out, "instead of here")
      assert.strictEqual(taken.code, 0, taken.out)
      for (const secret of [bots.token, "secret-path"]) assert.notInclude(kept.out + taken.out, secret)
    }).pipe(Effect.scoped, Effect.provide(BotApi.layer()))
  )
})
