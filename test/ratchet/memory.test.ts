/**
 * The bounds that a Gateway's process sets to its own memory, in processes of their own.
 */
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

const grow = fileURLToPath(new URL("grow.ts", import.meta.url))
const giveBack = fileURLToPath(new URL("giveBack.ts", import.meta.url))
const MB = 1024 * 1024

const youngAfter = (how: ReadonlyArray<string>) =>
  Effect.sync(() => Number(execFileSync(process.execPath, [grow, ...how], { encoding: "utf8" })))

describe("the young generation of a Gateway's process", () => {
  it.live("stays small under work that would make it grow", () =>
    Effect.gen(function* () {
      assert.isAtMost(yield* youngAfter([]), 16 * MB)
      // Otherwise the work above shows nothing.
      assert.isAtLeast(yield* youngAfter(["plain"]), 32 * MB)
    })
  )
})

describe("the heap of a Gateway's process", () => {
  it.live("is given back when what it was for is over", () =>
    Effect.sync(() => {
      const given = execFileSync(process.execPath, ["--no-memory-reducer", giveBack], {
        encoding: "utf8",
        timeout: 25_000
      })
      assert.isAtLeast(Number(given), 40 * MB)
    })
  )
})
