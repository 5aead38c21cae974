/** A Gateway with an administrator and a node whose commands are approved. */
import * as Effect from "effect/Effect"
import * as Kit from "../devices/kit.ts"
import * as Rig from "../gateway/rig.ts"

export const approvedNode = Effect.fnUntraced(function* () {
  const kit = yield* Kit.start()
  const { raw: admin } = yield* kit.connect()
  const device = Rig.makeDevice()
  const { raw: node } = yield* kit.node(device)
  const { payload } = yield* admin.event("node.pair.requested")
  yield* admin.request("node.pair.approve", { requestId: payload.requestId })
  yield* node.event("node.pair.resolved")
  // A request has one id: each look is a request of its own.
  const row = Effect.suspend(() =>
    Effect.map(admin.request("node.describe", { nodeId: device.id }), (answer) => answer.payload)
  )
  return { kit, admin, node, id: device.id, row }
})
