/**
 * One look for all who ask while somebody else's look is under way.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"

/**
 * Gives an effect that runs `look`, or shares a run: whoever asks while one is under way gets the result of the next one, so
 * that no result is older than its question. However many ask, one run is under way at a time, and it goes on when those who
 * asked for it are gone. Runs end with the scope.
 */
export const make = Effect.fnUntraced(function* <A, E, R>(
  look: Effect.Effect<A, E, R>
): Effect.fn.Return<Effect.Effect<A, E>, never, R | Scope.Scope> {
  const context = yield* Effect.context<R | Scope.Scope>()
  const scope = yield* Effect.scope
  let isRunning = false
  let present: Deferred.Deferred<A, E> | undefined
  let next: Deferred.Deferred<A, E> | undefined

  const run = Effect.gen(function* () {
    while (next !== undefined) {
      present = next
      next = undefined
      // Its failure and its death belong to those who asked.
      const exit: Exit.Exit<A, E> = yield* Effect.exit(Effect.provideContext(look, context))
      yield* Deferred.done(present, exit)
    }
    // In one step with the last look at `next`: whoever asks from here on begins a run.
    isRunning = false
    present = undefined
  })

  /** The scope ended in the middle, or before a run began: nobody is left waiting. */
  const cutOff = () => {
    isRunning = false
    for (const left of [present, next]) if (left !== undefined) Deferred.doneUnsafe(left, Effect.interrupt)
    present = undefined
    next = undefined
  }

  /** Whoever waited with others goes on when it is their turn: all of them in one go would hold up everybody else. */
  const awaiting = (asked: Deferred.Deferred<A, E>) => Effect.ensuring(Deferred.await(asked), Effect.yieldNow)

  return Effect.suspend(() => {
    const asked = (next ??= Deferred.makeUnsafe<A, E>())
    if (isRunning) return awaiting(asked)
    isRunning = true
    return Effect.flatMap(Effect.forkIn(run, scope), (fiber) => {
      fiber.addObserver((exit) => {
        if (Exit.isFailure(exit)) cutOff()
      })
      return awaiting(asked)
    })
  })
})
