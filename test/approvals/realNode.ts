/** Our node host behind a Gateway, with a list of its own. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as DeviceIdentity from "../../src/client/DeviceIdentity.ts"
import { token } from "../../src/domain/Credential.ts"
import * as StateDirLive from "../../src/layers/StateDir.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import { FILE } from "../../src/node-host/ExecApprovals.ts"
import * as NodeHost from "../../src/node-host/NodeHost.ts"
import type * as GatewayTest from "../../src/testing/GatewayTest.ts"

const path = "/usr/local/bin:/usr/bin:/bin"

interface Listed {
  readonly agents: { readonly main: { readonly allowlist: ReadonlyArray<{ readonly argPattern: string }> } }
}
type Kit = Omit<GatewayTest.GatewayTest["Service"], "ask" | "client">

/** A node whose list is empty, approved by an operator, with a state directory of its own. */
export const startNode = Effect.fnUntraced(function* (kit: Kit) {
  const fs = yield* FileSystem.FileSystem
  const root = yield* fs.makeTempDirectoryScoped()
  yield* fs.chmod(root, 0o700)
  const device = yield* DeviceIdentity.ephemeral
  const services = NodeHost.layer({ env: { PATH: path, HOME: root }, cwd: root }).pipe(
    Layer.provide(StateDirLive.layer({ root })),
    Layer.merge(SupervisorLive.layer)
  )
  const connect = (gateway: Kit) =>
    NodeHost.run({
      endpoint: gateway.endpoint,
      credentials: [token(gateway.token)],
      device,
      displayName: "Attic",
      version: "1.0.0",
      onNotice: () => Effect.void
    }).pipe(Effect.provide(services), Effect.forkScoped)
  yield* connect(kit)
  const operator = yield* kit.connect()
  const { pending } = yield* operator.call["node.pair.list"]({}).pipe(
    Effect.repeat({ until: (nodes) => nodes.pending.length > 0 })
  )
  yield* operator.call["node.pair.approve"]({ requestId: pending[0]!.requestId })
  const list = Effect.map(fs.readFileString(`${root}/${FILE}`), (content) => JSON.parse(content) as Listed)
  return { nodeId: device.id, root, connect, list: Effect.orDie(list) }
})
