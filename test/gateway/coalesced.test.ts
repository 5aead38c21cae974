import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Coalesced from "../../src/layers/coalesced.ts"

/** A look that waits for a gate and counts. */
const counting = Effect.gen(function* () {
  const gates: Array<Deferred.Deferred<void, string>> = []
  const look = yield* Coalesced.make(
    Effect.suspend(() => {
      const gate = Deferred.makeUnsafe<void, string>()
      const number = gates.push(gate)
      return Effect.as(Deferred.await(gate), number)
    })
  )
  const ask = Effect.forkScoped(look, { startImmediately: true })
  return { gates, ask }
})

it.effect("those who ask while a look is under way share the next one", () =>
  Effect.gen(function* () {
    const { ask, gates } = yield* counting
    const first = yield* ask
    yield* Effect.yieldNow
    const later = yield* Effect.all([ask, ask, ask])
    yield* Deferred.succeed(gates[0]!, undefined)
    assert.strictEqual(yield* Fiber.join(first), 1)
    assert.isUndefined(later[0].pollUnsafe())
    yield* Deferred.succeed(gates[1]!, undefined)
    assert.deepStrictEqual(yield* Effect.forEach(later, Fiber.join), [2, 2, 2])
    // Nobody asked in the meantime: the next question is a look of its own.
    const last = yield* ask
    yield* Effect.yieldNow
    yield* Deferred.succeed(gates[2]!, undefined)
    assert.strictEqual(yield* Fiber.join(last), 3)
    assert.strictEqual(gates.length, 3)
  })
)

it.effect("a look fails for those who asked for it, and goes on without one that left", () =>
  Effect.gen(function* () {
    const { ask, gates } = yield* counting
    const left = yield* ask
    const stayed = yield* ask
    yield* Effect.yieldNow
    yield* Fiber.interrupt(left)
    yield* Deferred.fail(gates[0]!, "no")
    assert.strictEqual(yield* Effect.flip(Fiber.join(stayed)), "no")
    const after = yield* ask
    yield* Effect.yieldNow
    yield* Deferred.succeed(gates[1]!, undefined)
    assert.strictEqual(yield* Fiber.join(after), 2)
  })
)

it.effect("nobody waits for a look whose scope has ended", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const look = yield* Scope.provide(Coalesced.make(Effect.never), scope)
    const asked = yield* Effect.forkScoped(look, { startImmediately: true })
    yield* Effect.yieldNow
    const waiting = yield* Effect.forkScoped(look, { startImmediately: true })
    yield* Scope.close(scope, Exit.void)
    assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(asked)))
    assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(waiting)))
    const late = yield* Effect.forkScoped(look, { startImmediately: true })
    assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(late)))
  })
)

it.effect("those who waited together go on one after the other, not in one go with what they waited for", () =>
  Effect.gen(function* () {
    let done: () => void = () => {}
    const look = yield* Coalesced.make(
      Effect.callback<void>((resume) => {
        done = () => resume(Effect.void)
      })
    )
    const went: Array<number> = []
    const asked = yield* Effect.forEach([0, 1, 2], (at) =>
      Effect.forkScoped(
        Effect.map(look, () => went.push(at)),
        { startImmediately: true }
      )
    )
    yield* Effect.yieldNow
    // As the runtime does it once a file was read.
    done()
    assert.deepStrictEqual(went, [])
    yield* Effect.forEach(asked, Fiber.join)
    assert.deepStrictEqual(went, [0, 1, 2])
  })
)
