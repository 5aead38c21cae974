/** Those who ask a Gateway for something that somebody has to decide. */
import * as Effect from "effect/Effect"
import * as Rig from "../gateway/rig.ts"
import { differs } from "./Results.ts"
import { introduce, operator, type Side } from "./Side.ts"

/** A device that was let in as a node and now wants to be an operator: somebody has to say yes to that. */
export const askForMore = Effect.fnUntraced(function* (side: Side) {
  const device = Rig.makeDevice()
  yield* operator(side, { client: Rig.nodeClient, role: "node", scopes: [] }, device)
  const { answer } = yield* introduce(side, { scopes: ["operator.read"] }, device)
  const requestId = answer.error?.details?.requestId as unknown
  if (typeof requestId === "string") return requestId
  return yield* Effect.fail(differs(`${side.name}: role upgrade: ${JSON.stringify(answer.error ?? "let in")}`))
})

/** A node that wants commands and never gets them. */
export const knockAsNode = (side: Side) =>
  operator(
    side,
    {
      client: { ...Rig.nodeClient, displayName: "stranger" },
      role: "node",
      scopes: [],
      commands: ["system.run", "system.which"]
    },
    Rig.makeDevice()
  )
