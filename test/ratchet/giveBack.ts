/**
 * Leaves garbage in the old generation as a start does, does nothing any more, and ends once the heap is small again. Without
 * V8's own memory reducer (`--no-memory-reducer`) only what a Gateway's process does about it makes it so.
 */
import { getHeapStatistics } from "node:v8"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { watched } from "../../src/cli/commands/gateway/memory.ts"

const MB = 1024 * 1024
const heapBytes = Effect.sync(() => getHeapStatistics().total_heap_size)

const leave = Effect.sync(() => {
  const left: Array<unknown> = []
  for (let index = 0; index < 1_000_000; index++) left.push({ index, more: [index] })
})

const program = Effect.gen(function* () {
  yield* leave
  const before = yield* heapBytes
  yield* Effect.forkScoped(watched)
  const after = yield* Effect.repeat(heapBytes, {
    until: (bytes) => bytes < before - 40 * MB,
    schedule: Schedule.spaced("50 millis")
  })
  return before - after
})

process.stdout.write(String(await Effect.runPromise(Effect.scoped(program))))
