import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { RunId } from "../../src/domain/Ids.ts"
import type { Ledger } from "../../src/layers/turns/Ledger.ts"
import * as Trials from "../../src/layers/turns/Trials.ts"

const options = { aloneMs: 1_000, budgetMs: 10_000, arrivalMs: 100 }

interface Row {
  readonly runId: RunId
  readonly attempts: number
  readonly trials: number
}

const row = (name: string, attempts = 2, trials = 0): Row => ({ runId: RunId.make(name), attempts, trials })

/** Trials over a book with these suspects; turns that may begin are noted in order, with whether they are charged. */
const rig = Effect.fnUntraced(function* (rows: ReadonlyArray<Row>) {
  const outlived: Array<string> = []
  const began: Array<string> = []
  const book: Pick<Ledger, "suspects" | "outlived"> = {
    suspects: () => Effect.succeed([...rows]),
    outlived: (runId) => Effect.sync(() => void outlived.push(runId))
  }
  const trials = yield* Trials.make(book as Ledger, 3, options)
  const arrive = Effect.fnUntraced(function* (name: string) {
    const scope = yield* Scope.make()
    const fiber = yield* Effect.tap(trials.enter(RunId.make(name)), ({ charged }) =>
      Effect.sync(() => began.push(`${name}${charged ? " charged" : ""}`))
    ).pipe(Scope.provide(scope), Effect.forkChild({ startImmediately: true }))
    yield* Effect.yieldNow
    return { end: Scope.close(scope, Exit.void), pass: Fiber.join(fiber) }
  })
  return { arrive, began, outlived }
})

describe("trials", () => {
  it.effect("without suspects every turn begins at once", () =>
    Effect.gen(function* () {
      const { arrive, began } = yield* rig([])
      yield* arrive("new")
      assert.deepStrictEqual(began, ["new charged"])
    })
  )

  it.effect("suspects run one after the other, everything else after them; who is convicted waits for nobody", () =>
    Effect.gen(function* () {
      const { arrive, began } = yield* rig([row("a"), row("b"), row("guilty", 3)])
      yield* arrive("new")
      const b = yield* arrive("b")
      yield* arrive("guilty")
      const a = yield* arrive("a")
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(began, ["guilty charged", "a charged"])
      yield* a.end
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(began.slice(2), ["b charged"])
      yield* b.end
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(began.slice(3), ["new charged"])
    })
  )

  it.effect("one that outlives its time lets all go, and no suspect is charged from then on", () =>
    Effect.gen(function* () {
      const { arrive, began, outlived } = yield* rig([row("a", 2, 1), row("b")])
      const a = yield* arrive("a")
      yield* arrive("b")
      yield* arrive("new")
      // Its second time alone is twice as long.
      yield* TestClock.adjust(1_999)
      assert.deepStrictEqual(began, ["a charged"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(outlived, ["a"])
      assert.isFalse((yield* a.pass).charged)
      assert.deepStrictEqual(began.toSorted(), ["a charged", "b", "new charged"])
    })
  )

  it.effect("one that only waits makes room for the next, and everything begins after them", () =>
    Effect.gen(function* () {
      const { arrive, began, outlived } = yield* rig([row("a"), row("b")])
      const a = yield* arrive("a")
      yield* arrive("b")
      yield* (yield* a.pass).rest ?? Effect.void
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(began, ["a charged", "b charged"])
      assert.deepStrictEqual(outlived, [])
    })
  )

  it.effect("one that the engine does not bring keeps nobody waiting", () =>
    Effect.gen(function* () {
      const { arrive, began } = yield* rig([row("lost")])
      yield* arrive("new")
      yield* TestClock.adjust(options.arrivalMs)
      assert.deepStrictEqual(began, ["new charged"])
    })
  )
})
