/**
 * What an idle Gateway has loaded and what it holds, as a ratchet: counts, which no busy machine changes. Start and memory rest
 * on them. The numbers are in `gateway.json`; a change that needs more says so by raising them there, one that needs less
 * lowers them.
 */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { home } from "../cli/kit.ts"
import limits from "./gateway.json" with { type: "json" }
import { count } from "./snapshot.ts"

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** The program as it is installed: built, with no sources beside it. */
const installed = Effect.gen(function* () {
  const folder = yield* home
  const { status, stderr } = spawnSync(process.execPath, [at("tools/build.mjs"), "--cli", "--out", folder])
  assert.strictEqual(status, 0, String(stderr))
  mkdirSync(join(folder, "bin"))
  copyFileSync(at("bin/openclaw.js"), join(folder, "bin", "openclaw.mjs"))
  return join(folder, "bin", "openclaw.mjs")
})

/** A Gateway that says on stdout that it listens; ends with the scope. */
const idle = Effect.fnUntraced(function* (program: string, into: string) {
  mkdirSync(join(into, ".openclaw"), { mode: 0o700 })
  writeFileSync(join(into, ".openclaw", "openclaw.json"), '{"gateway":{"mode":"local","auth":{"mode":"none"}}}')
  const recorder = new URL("record.ts", import.meta.url)
  recorder.searchParams.set("into", into)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--expose-gc", "--import", recorder.href, program, "gateway", "run", "--port", "0"], {
        env: { HOME: into, NODE_DISABLE_COMPILE_CACHE: "1" },
        stdio: ["ignore", "pipe", "inherit"]
      })
    ),
    (child) => Effect.promise(async () => child.kill("SIGKILL") && (await once(child, "exit")))
  )
  const listens = Effect.promise(() => once(child.stdout, "data"))
  const ended = Effect.promise(() => once(child, "exit"))
  yield* Effect.raceFirst(
    listens,
    Effect.andThen(ended, Effect.die("it ended before it listened; its words are above"))
  )
  return child
})

const measure = Effect.fnUntraced(function* (child: ReturnType<typeof spawn>, into: string) {
  rmSync(join(into, "record"), { force: true })
  child.kill("SIGURG")
  yield* Effect.sync(() => existsSync(join(into, "record"))).pipe(
    Effect.repeat({ until: (isThere) => isThere, schedule: Schedule.spaced("20 millis") })
  )
  const { builtins, files, handles, heapUsed } = JSON.parse(readFileSync(join(into, "record"), "utf8")) as {
    readonly builtins: number
    readonly files: ReadonlyArray<string>
    readonly handles: ReadonlyArray<string>
    readonly heapUsed: number
  }
  const ours = files.filter((url) => !url.includes("/test/ratchet/"))
  return {
    files: ours.length,
    kilobytes: Math.round(ours.reduce((sum, url) => sum + statSync(fileURLToPath(url)).size, 0) / 1000),
    builtins,
    ...count(join(into, "heap")),
    handles: handles.length,
    heapMegabytes: Math.round(heapUsed / 1e6),
    which: handles.toSorted()
  }
})

type Measured = Effect.Success<ReturnType<typeof measure>>

const names = Object.keys(limits) as ReadonlyArray<keyof typeof limits>
const grown = (found: Measured) => names.filter((name) => found[name] > limits[name])

describe("an idle Gateway", () => {
  it.live(
    "has loaded and holds no more than it did",
    () =>
      Effect.gen(function* () {
        const into = yield* home
        const child = yield* idle(yield* installed, into)
        // What its start began may still be under way; what is left in the end is what counts.
        const found = yield* measure(child, into).pipe(
          Effect.repeat({
            until: (found) => grown(found).length === 0,
            times: 4,
            schedule: Schedule.spaced("1 second")
          })
        )
        assert.deepStrictEqual(
          grown(found),
          [],
          `more than test/ratchet/gateway.json allows: now ${JSON.stringify(found)}. Find out what came in and load or begin it when it is needed; if it has to be there, raise the number in that file and say why in the commit.`
        )
      }),
    120_000
  )
})
