/**
 * A household robot as a node: where it is, and driving, which takes its time.
 */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"

const Drive = Schema.Struct({ to: Schema.Literals(["dock", "hall", "kitchen"]) })
const decode = Schema.decodeUnknownEffect(Drive)

export const make = Effect.gen(function* () {
  const room = yield* Ref.make("dock")
  return {
    "robot.where": Effect.map(Ref.get(room), (at) => ({ at })),
    "robot.drive": (params: unknown) =>
      Effect.gen(function* () {
        const { to } = yield* decode(params)
        yield* Effect.sleep("20 seconds")
        yield* Ref.set(room, to)
        return { at: to }
      })
  }
})
