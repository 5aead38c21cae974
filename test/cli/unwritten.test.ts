/** What could not be written is told by the exit code, also where that shows after all was done. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Lifetime from "../../src/cli/lifetime.ts"
import { runMain } from "../../src/cli/runMain.ts"

/** Runs a program that does nothing, whose output then fails; the exit codes that it asked for. */
const exitsAfter = Effect.fnUntraced(function* (error: Error, prepare: Effect.Effect<void, never, Lifetime.Lifetime>) {
  const lifetime = Lifetime.make()
  const ended = yield* Deferred.make<void>()
  const codes: Array<number> = []
  let fail: (error: unknown) => void = () => {}
  const program = Effect.provideService(prepare, Lifetime.Lifetime, lifetime)
  runMain(Effect.ensuring(program, Deferred.succeed(ended, undefined)), {
    lifetime,
    process: {
      on: () => {},
      exit: (code) => void codes.push(code),
      now: () => 0,
      outputs: [{ on: (_, listener) => (fail = listener) }],
      survivesHangup: true
    }
  })
  yield* Deferred.await(ended)
  // Its end is noticed once whatever waits for it has run.
  yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  fail(error)
  return codes
})

const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })

describe("an output that fails after all was done", () => {
  it.live("ends the program with 1", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* exitsAfter(full, Effect.void), [1])
    })
  )

  it.live("does not concern what runs until it is stopped", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* exitsAfter(full, Lifetime.endsByStopping), [])
    })
  )
})
