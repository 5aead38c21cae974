/**
 * The other models of an agent: asked when the one before them could not be, before it had said anything.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ResolvedModel } from "../../services/Models.ts"
import type { ModelReply } from "./modelStep.ts"

/**
 * Asks a model, and the next of its choices for as long as a call says that another may do better. When none can answer,
 * the first one's failure is the one to tell about.
 */
export const askInTurn = (
  model: ResolvedModel,
  ask: (model: ResolvedModel) => Effect.Effect<ModelReply>,
  onSwitch: (to: ResolvedModel) => Effect.Effect<void>
): Effect.Effect<ModelReply> =>
  Effect.flatMap(ask(model), (reply) => {
    const { next } = model
    if (reply.failure === undefined || reply.elsewhere !== true || next === undefined) return Effect.succeed(reply)
    return Effect.gen(function* () {
      const other = yield* Effect.result(next)
      if (Result.isFailure(other)) {
        yield* Effect.logWarning(`no other model can be asked: ${other.failure.message}`)
        return reply
      }
      yield* Effect.logWarning(`${model.ref} cannot answer, so ${other.success.ref} is asked`)
      yield* onSwitch(other.success)
      const second = yield* askInTurn(other.success, ask, onSwitch)
      return second.failure !== undefined && second.elsewhere === true ? reply : second
    })
  })

/** The model that a reply came from: also when the reply is remembered from before a restart. */
export const answering = Effect.fnUntraced(function* (first: ResolvedModel, ref: string) {
  let model = first
  while (model.ref !== ref) {
    const next = model.next === undefined ? undefined : yield* Effect.result(model.next)
    // The configuration has changed since; what it says now goes on.
    if (next === undefined || Result.isFailure(next)) return first
    model = next.success
  }
  return model
})
