/**
 * A node over a real socket that answers every command at once.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as DeviceIdentity from "../src/client/DeviceIdentity.ts"
import type { Endpoint } from "../src/domain/Endpoint.ts"
import { VERSION } from "../src/domain/Version.ts"
import { open } from "./rawClient.ts"
import { connect } from "./subject.ts"

/** Approved on every Gateway by default once paired, so no subject needs a policy of its own. */
export const COMMAND = "system.which"

/** Connects it, has its command approved, and gives its node id. It goes with the scope. */
export const attach = Effect.fnUntraced(function* (endpoint: Endpoint) {
  const device = yield* DeviceIdentity.ephemeral
  const node = yield* open(endpoint, {
    client: { id: "node-host", mode: "node", version: VERSION, platform: "linux", deviceFamily: "Linux" },
    role: "node",
    scopes: [],
    device,
    caps: ["system"],
    commands: [COMMAND]
  })
  let sent = 0
  node.onFrame = (text) => {
    if (!text.startsWith('{"type":"event"')) return
    const { event, payload } = JSON.parse(text)
    if (event !== "node.invoke.request") return
    const params = { id: payload.id, nodeId: payload.nodeId, ok: true, payload: { bins: {} } }
    node.send(JSON.stringify({ type: "req", id: String(++sent), method: "node.invoke.result", params }))
  }
  yield* Effect.scoped(
    Effect.gen(function* () {
      const operator = yield* connect(endpoint)
      const pending = Effect.flatMap(operator.call["node.pair.list"]({}), ({ pending }) =>
        Effect.fromNullishOr(pending.find(({ nodeId }) => nodeId === device.id))
      )
      const { requestId } = yield* Effect.retry(pending, { schedule: Schedule.spaced("50 millis"), times: 100 })
      yield* operator.call["node.pair.approve"]({ requestId })
    })
  )
  return device.id
})
