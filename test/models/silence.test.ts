/**
 * A provider that accepts a request and then says nothing.
 */
import type { LanguageModelV4, LanguageModelV4StreamPart } from "@ai-sdk/provider"
import { assert, describe, it } from "@effect/vitest"
import type * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { adapt, type AdaptSettings } from "../../src/layers/models/adapt.ts"
import { silentFor } from "../../src/layers/models/errors.ts"
import { collect, reasonOf, until, wires, withModel } from "./wires.ts"

/** Answers with what `feed` enqueues; `undefined` answers not even with headers. */
const fake = (feed?: (controller: ReadableStreamDefaultController<LanguageModelV4StreamPart>) => void) => {
  const seen = { calls: 0, aborted: 0, cancelled: 0 }
  const stream = () =>
    new ReadableStream<LanguageModelV4StreamPart>({
      start: (controller) => feed?.(controller),
      cancel: () => void seen.cancelled++
    })
  const asked = (signal: AbortSignal | undefined) => {
    seen.calls++
    signal?.addEventListener("abort", () => void seen.aborted++)
  }
  const model: LanguageModelV4 = {
    specificationVersion: "v4",
    provider: "fake",
    modelId: "m",
    supportedUrls: {},
    doGenerate: ({ abortSignal }) => {
      asked(abortSignal)
      return new Promise(() => {})
    },
    doStream: ({ abortSignal }) => {
      asked(abortSignal)
      return feed === undefined ? new Promise(() => {}) : Promise.resolve({ stream: stream() })
    }
  }
  return { model, seen }
}

/** Parts come by promises, which no clock moves. */
const settled = Effect.forEach(
  Array.from({ length: 20 }),
  () => Effect.promise(() => new Promise((resolve) => setImmediate(resolve))),
  { discard: true }
)

/** Starts a call and lets a time pass; how it ended, `undefined` while it goes on. */
const after = (model: LanguageModelV4, time: Duration.Input, settings: Partial<AdaptSettings> = {}) =>
  Effect.gen(function* () {
    const service = yield* adapt(model, { secrets: [], ...settings })
    const fiber = yield* Effect.forkChild(Effect.flip(Stream.runDrain(service.streamText({ prompt: "hello" }))), {
      startImmediately: true
    })
    yield* settled
    yield* TestClock.adjust(time)
    return fiber
  })

const reasonFrom = (fiber: Fiber.Fiber<unknown, unknown>) =>
  Effect.map(Fiber.join(fiber), (error) => (error as AiError.AiError).reason)

describe("a silent provider", () => {
  it.effect("is given up after two minutes without headers, once, and its request is aborted", () =>
    Effect.gen(function* () {
      const { model, seen } = fake()
      const reason = yield* reasonFrom(yield* after(model, "2 minutes"))
      assert.deepInclude(reason, { _tag: "NetworkError", description: silentFor(120_000) })
      assert.deepStrictEqual(seen, { calls: 1, aborted: 1, cancelled: 0 })
    })
  )

  it.effect("is given up in the middle of an answer, by its own limit, and its answer is cancelled", () =>
    Effect.gen(function* () {
      const { model, seen } = fake((controller) => {
        controller.enqueue({ type: "text-start", id: "t" })
        controller.enqueue({ type: "text-delta", id: "t", delta: "half" })
      })
      const reason = yield* reasonFrom(yield* after(model, "30 seconds", { silenceMs: 30_000 }))
      assert.deepInclude(reason, { _tag: "NetworkError", description: silentFor(30_000) })
      assert.strictEqual(seen.cancelled, 1)
    })
  )

  it.effect("is waited for as long as something comes", () =>
    Effect.gen(function* () {
      let say: (part: LanguageModelV4StreamPart) => void = () => {}
      const { model } = fake((controller) => {
        say = (part) => controller.enqueue(part)
        say({ type: "text-start", id: "t" })
      })
      const fiber = yield* after(model, "90 seconds")
      for (let minute = 0; minute < 5; minute++) {
        say({ type: "text-delta", id: "t", delta: "." })
        yield* settled
        yield* TestClock.adjust("90 seconds")
      }
      assert.isUndefined(fiber.pollUnsafe())
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("does not hold a call without streaming either", () =>
    Effect.gen(function* () {
      const { model, seen } = fake()
      const service = yield* adapt(model, { secrets: [] })
      const fiber = yield* Effect.forkChild(Effect.flip(service.generateText({ prompt: "hello" })), {
        startImmediately: true
      })
      yield* TestClock.adjust("2 minutes")
      assert.deepInclude(yield* reasonFrom(fiber), { description: silentFor(120_000) })
      assert.strictEqual(seen.aborted, 1)
    })
  )

  const [wire] = wires
  it.live("is given up after the seconds of models.providers.<name>.timeoutSeconds, and its connection closed", () =>
    withModel(
      wire!,
      (server, ref) =>
        Effect.gen(function* () {
          yield* server.push({ text: ["half"], end: "hold" })
          assert.deepInclude(reasonOf((yield* collect(ref)).error), { description: silentFor(1_000) })
          yield* until(Effect.map(server.aborted, (aborted) => aborted === 1))
        }),
      undefined,
      { timeoutSeconds: 1 }
    )
  )
})
