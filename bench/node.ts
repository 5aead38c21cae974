/**
 * A node over a real socket that answers every command at once.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as DeviceIdentity from "../src/client/DeviceIdentity.ts"
import { GatewayClient } from "../src/client/GatewayClient.ts"
import type { Endpoint } from "../src/domain/Endpoint.ts"
import { VERSION } from "../src/domain/Version.ts"
import { secret } from "./subject.ts"

/** Approved on every Gateway by default once paired, so no subject needs a policy of its own. */
export const COMMAND = "system.which"

/** Connects it, has the operator approve its command, and gives its node id. It goes with the scope. */
export const attach = Effect.fnUntraced(function* (endpoint: Endpoint, operator: GatewayClient["Service"]) {
  const device = yield* DeviceIdentity.ephemeral
  const node = yield* GatewayClient.make({
    endpoint,
    credentials: [secret],
    client: { id: "node-host", mode: "node", version: VERSION, platform: "linux", deviceFamily: "Linux" },
    role: "node",
    device,
    caps: ["system"],
    commands: [COMMAND]
  })
  yield* node.on("node.invoke.request").pipe(
    Stream.mapEffect(
      ({ id, nodeId }) => node.request("node.invoke.result", { id, nodeId, ok: true, payload: { bins: {} } }),
      { concurrency: "unbounded", unordered: true }
    ),
    Stream.runDrain,
    Effect.forkScoped
  )
  const pending = Effect.flatMap(operator.call["node.pair.list"]({}), ({ pending }) =>
    Effect.fromNullishOr(pending.find(({ nodeId }) => nodeId === device.id))
  )
  const { requestId } = yield* Effect.retry(pending, { schedule: Schedule.spaced("50 millis"), times: 100 })
  yield* operator.call["node.pair.approve"]({ requestId })
  return device.id
})
