/**
 * The operating system refuses to let files grow (`ulimit -f`), as a full disk does, under a Gateway in a process of its own: it
 * lives, says so, confirms nothing that it could not store; and once it may write, everything is answered once.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as BotApi from "../../src/testing/BotApi.ts"
import { makeState } from "./gatewayProcess.ts"

const ada = { id: 4711, firstName: "Ada" }
const program = fileURLToPath(new URL("../../src/main.ts", import.meta.url))
const often = Schedule.spaced("20 millis")

const ended = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })

/** Runs a Gateway whose files may grow to so many blocks of the shell. */
const start = Effect.fnUntraced(function* (dir: string, blocks: number | "unlimited") {
  const command = `trap '' XFSZ; ulimit -S -f ${blocks}; exec "$0" "$@"`
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn("sh", ["-c", command, process.execPath, program, "gateway", "run", "--port", "0", "--json"], {
        stdio: ["ignore", "pipe", "ignore"],
        env: { HOME: dir, OPENCLAW_STATE_DIR: dir }
      })
    ),
    (spawned) =>
      Effect.andThen(
        Effect.sync(() => spawned.kill("SIGKILL")),
        ended(spawned)
      )
  )
  const port = yield* Effect.callback<number>((resume) => {
    let out = ""
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString()
      if (out.includes("\n")) resume(Effect.sync(() => Number(JSON.parse(out.split("\n", 1)[0] ?? "").port)))
    })
    child.once("exit", (code) => resume(Effect.die(`the Gateway ended with ${code}: ${out}`)))
  })
  const ready = Effect.promise(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200)
  return { child, ready }
})

describe("a file system that takes no more", () => {
  it.live(
    "leaves the Gateway alive, and nothing is lost or doubled",
    () =>
      Effect.gen(function* () {
        const bot = yield* BotApi.serve()
        const dir = yield* makeState({
          agents: { defaults: { model: "builtin/offline" } },
          channels: {
            telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [ada.id] }
          }
        })
        let written = 0
        const write = Effect.suspend(() => bot.sendText({ from: ada, text: `${written++} ${"z".repeat(3_000)}` }))
        const limited = yield* start(dir, 1_400)
        yield* bot.awaitPolling
        yield* Effect.andThen(write, limited.ready).pipe(Effect.repeat({ schedule: often, until: (ready) => !ready }))
        yield* Effect.repeat(write, { times: 2 })
        assert.isNull(limited.child.exitCode)
        limited.child.kill("SIGKILL")
        yield* ended(limited.child)
        yield* start(dir, "unlimited")
        yield* bot.awaitConfirmed
        // The kill may have left the beginning of a reply, never a whole one twice.
        const sent = Effect.map(bot.sent, (all) => all.filter(({ text }) => !text.endsWith(" …")).length)
        yield* sent.pipe(Effect.repeat({ schedule: often, until: (count) => count >= written }))
        assert.strictEqual(yield* sent, written)
      }).pipe(Effect.scoped),
    30_000
  )
})
