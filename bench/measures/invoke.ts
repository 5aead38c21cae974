/**
 * `node.invoke`: from an operator through the Gateway to a node that answers at once, and back.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import { alternate, attempt, type Contender, type Ground } from "../alternate.ts"
import { relay } from "../baselines.ts"
import { COMMAND } from "../node.ts"
import { open, pump, type RawClient } from "../rawClient.ts"
import type { Working } from "../world.ts"
import { pumped, type Windows } from "./requests.ts"

const IN_FLIGHT = [1, 32]

interface Operator extends Contender {
  readonly client: RawClient
  readonly nodeId: string
}

export const invoke = Effect.fnUntraced(function* (
  ground: Ground,
  sides: ReadonlyArray<Working>,
  { ms, rounds }: Windows
) {
  const { operator, who } = yield* relay
  const clients = yield* Effect.forEach(sides, (side) =>
    attempt(
      ground,
      "node.invoke",
      side.name,
      Effect.map(open(side.endpoint), (client) => ({ ...side, client }))
    )
  )
  const operators: ReadonlyArray<Operator> = [
    { ...who, client: operator, nodeId: "n" },
    ...clients.filter((one) => one !== undefined)
  ]
  // A key that comes twice would be answered from memory.
  const run = randomUUID()
  for (const inFlight of IN_FLIGHT) {
    const measure = `node.invoke, ${inFlight} in flight`
    yield* alternate(
      ground,
      `${measure}, rate`,
      rounds,
      operators.map((one) => {
        const frame = (id: string) =>
          JSON.stringify({
            type: "req",
            id,
            method: "node.invoke",
            params: {
              nodeId: one.nodeId,
              command: COMMAND,
              params: { bins: ["sh"] },
              idempotencyKey: `${run}-${id}`
            }
          })
        return {
          who: one,
          warmUp: pump([one.client], { frame, inFlight, ms: ms / 4 }),
          run: Effect.map(pump([one.client], { frame, inFlight, ms }), (all) => {
            const { complaint, operations, readings } = pumped(`${measure}, rate`, all)
            return {
              operations,
              complaint,
              readings: [...readings, { measure, unit: "ms" as const, samples: all.latencies }]
            }
          })
        }
      })
    )
  }
}, Effect.scoped)
