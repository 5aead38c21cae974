/**
 * Allocates what survives a few collections, with and without the bounds of a Gateway's process, and prints the bytes of the young
 * generation that came of it. `plain` as argument: without.
 */
import { getHeapSpaceStatistics } from "node:v8"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { modest, watched } from "../../src/cli/commands/gateway/memory.ts"

const ROUNDS = 40
const kept: Array<unknown> = []

const round = Effect.sync(() => {
  kept.length = 0
  for (let index = 0; index < 40_000; index++) kept.push({ index, text: `${index}`, more: [index] })
})

const isPlain = process.argv[2] === "plain"
const program = Effect.gen(function* () {
  if (!isPlain) {
    yield* modest
    yield* Effect.forkScoped(watched, { startImmediately: true })
  }
  for (let index = 0; index < ROUNDS; index++) {
    yield* round
    yield* TestClock.adjust("1 second")
  }
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size
})

process.stdout.write(String(await Effect.runPromise(Effect.provide(Effect.scoped(program), TestClock.layer()))))
