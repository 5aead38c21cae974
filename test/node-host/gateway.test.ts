/** The node host against a whole Gateway, over a real socket. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as DeviceIdentity from "../../src/client/DeviceIdentity.ts"
import { token } from "../../src/domain/Credential.ts"
import * as StateDirLive from "../../src/layers/StateDir.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import * as NodeHost from "../../src/node-host/NodeHost.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { open, path } from "./kit.ts"

const start = Effect.fnUntraced(function* (gateway: GatewayTest.GatewayTest["Service"]) {
  const fs = yield* FileSystem.FileSystem
  const root = yield* fs.makeTempDirectoryScoped()
  yield* fs.chmod(root, 0o700)
  const device = yield* DeviceIdentity.ephemeral
  const notices = yield* SubscriptionRef.make<ReadonlyArray<NodeHost.Notice>>([])
  const services = NodeHost.layer({ env: { PATH: path, HOME: root }, cwd: root, execDefaults: open }).pipe(
    Layer.provide(StateDirLive.layer({ root })),
    Layer.merge(SupervisorLive.layer)
  )
  yield* NodeHost.run({
    endpoint: gateway.endpoint,
    credentials: [token(gateway.token)],
    device,
    displayName: "Attic",
    version: "1.2.3",
    onNotice: (notice) => SubscriptionRef.update(notices, (all) => [...all, notice])
  }).pipe(Effect.provide(services), Effect.forkScoped)
  const saw = (tag: NodeHost.Notice["_tag"]) =>
    SubscriptionRef.changes(notices).pipe(
      Stream.filter((all) => all.some((notice) => notice._tag === tag)),
      Stream.take(1),
      Stream.runCollect,
      Effect.map((found) => found[0]!.find((notice) => notice._tag === tag)!)
    )
  return { nodeId: device.id, saw }
})

describe("a node of a real Gateway", () => {
  it.live("asks for approval, is approved on the live connection, and runs commands", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const operator = yield* gateway.connect()
      const { nodeId, saw } = yield* start(gateway)
      assert.include((yield* saw("CommandApprovalNeeded")).message, "openclaw nodes pending")

      const { pending } = yield* operator.call["node.pair.list"]({})
      assert.deepStrictEqual(pending[0]?.requiredApproveScopes, ["operator.pairing", "operator.admin"])
      const invoke = (command: string, params: unknown, idempotencyKey: string) =>
        operator.call["node.invoke"]({ nodeId, command, params, idempotencyKey, timeoutMs: 10_000 })
      assert.include((yield* Effect.flip(invoke("system.which", { bins: ["sh"] }, "early"))).message, "approval")
      yield* operator.call["node.pair.approve"]({ requestId: pending[0]!.requestId })
      yield* saw("Approved")

      const run = yield* invoke("system.run", { command: ["echo", "hello"] }, "run-1")
      assert.deepInclude(run.payload, { stdout: "hello\n", exitCode: 0 })
      assert.deepStrictEqual(yield* invoke("system.run", { command: ["echo", "hello"] }, "run-1"), run)
      assert.deepInclude((yield* invoke("device.info", {}, "info-1")).payload, { deviceName: "Attic" })
      const refused = yield* Effect.flip(invoke("system.run", { command: [] }, "run-2"))
      assert.include(refused.message, "command required")

      const row = yield* operator.call["node.describe"]({ nodeId }).pipe(
        Effect.repeat({ until: (node) => node.hostStats !== undefined })
      )
      assert.strictEqual(row.approvalState, "approved")
      assert.include(row.commands ?? [], "system.run")
      assert.strictEqual(row.displayName, "Attic")
    }).pipe(Effect.scoped, Effect.provide([GatewayTest.layer(), NodeServices.layer]))
  )
})
