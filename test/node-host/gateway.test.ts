/** The node host against a whole Gateway, over a real socket. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import * as DeviceIdentity from "../../src/client/DeviceIdentity.ts"
import type { GatewayClient } from "../../src/client/GatewayClient.ts"
import { token } from "../../src/domain/Credential.ts"
import { NodeId } from "../../src/domain/Ids.ts"
import * as StateDirLive from "../../src/layers/StateDir.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import { NodeRegistry } from "../../src/services/NodeRegistry.ts"
import * as NodeHost from "../../src/node-host/NodeHost.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { open, path } from "./kit.ts"

const start = Effect.fnUntraced(function* (
  gateway: GatewayTest.GatewayTest["Service"],
  identity?: DeviceIdentity.DeviceIdentity
) {
  const fs = yield* FileSystem.FileSystem
  const root = yield* fs.makeTempDirectoryScoped()
  yield* fs.chmod(root, 0o700)
  const device = identity ?? (yield* DeviceIdentity.ephemeral)
  const notices = yield* SubscriptionRef.make<ReadonlyArray<NodeHost.Notice>>([])
  const services = NodeHost.layer({ env: { PATH: path, HOME: root }, cwd: root, execDefaults: open }).pipe(
    Layer.provide(StateDirLive.layer({ root })),
    Layer.merge(SupervisorLive.layer)
  )
  const fiber = yield* NodeHost.run({
    endpoint: gateway.endpoint,
    credentials: [token(gateway.token)],
    device,
    displayName: "Attic",
    version: "1.2.3",
    onNotice: (notice) => SubscriptionRef.update(notices, (all) => [...all, notice])
  }).pipe(Effect.provide(services), Effect.forkScoped)
  const saw = (tag: NodeHost.Notice["_tag"], text: RegExp = /./) =>
    SubscriptionRef.changes(notices).pipe(
      Stream.map((all) => all.find((notice) => notice._tag === tag && text.test(notice.message))),
      Stream.filter((notice) => notice !== undefined),
      Stream.take(1),
      Stream.runCollect,
      Effect.map((found) => found[0]!)
    )
  return { nodeId: device.id, saw, fiber }
})

describe("a node of a real Gateway", () => {
  it.live("asks for approval, is approved on the live connection, and runs commands", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const operator = yield* gateway.connect()
      const { nodeId, saw } = yield* start(gateway)
      const notice = yield* saw("CommandApprovalNeeded")
      const { pending } = yield* operator.call["node.pair.list"]({})
      assert.include(notice.message, `openclaw nodes approve ${pending[0]?.requestId}`)
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

  /** An approved node, and somebody who has it run a program that ends when a file is there. */
  const busy = Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    const gate = `${folder}/gate`
    const gateway = yield* GatewayTest.GatewayTest
    const operator = yield* gateway.connect()
    const node = yield* start(gateway)
    yield* node.saw("CommandApprovalNeeded")
    const { pending } = yield* operator.call["node.pair.list"]({})
    yield* operator.call["node.pair.approve"]({ requestId: pending[0]!.requestId })
    const ask = (client: GatewayClient["Service"]) =>
      client.call["node.invoke"]({
        nodeId: node.nodeId,
        command: "system.run",
        params: { command: ["sh", "-c", 'until [ -e "$0" ]; do sleep 0.02; done; echo done', gate] },
        idempotencyKey: "wait",
        timeoutMs: 60_000
      })
    return { ...node, folder, gateway, ask, operator, open: fs.writeFileString(gate, "") }
  })
  const withGateway = Effect.provide([GatewayTest.layer(), NodeServices.layer])

  it.live("finishes a command whose asker left, and has its answer for them when they are back", () =>
    Effect.gen(function* () {
      const { ask, gateway, open, operator, saw } = yield* busy
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(gateway.connect(), scope)
      yield* Effect.forkScoped(Effect.exit(ask(client)))
      yield* saw("Invoke", /system\.run asked/)
      yield* Scope.close(scope, Exit.void)
      yield* open
      yield* saw("Invoke", /system\.run (?!asked)/)
      assert.deepInclude((yield* ask(operator)).payload, { stdout: "done\n", exitCode: 0 })
    }).pipe(Effect.scoped, withGateway)
  )

  /** The program's own number, once it runs. */
  const pidIn = Effect.fnUntraced(function* (file: string) {
    const fs = yield* FileSystem.FileSystem
    return yield* fs.readFileString(file).pipe(
      Effect.map((text) => Number(text.trim())),
      Effect.repeat({ schedule: Schedule.spaced("10 millis"), until: (pid) => pid > 0 }),
      Effect.retry(Schedule.spaced("10 millis"))
    )
  })
  const isRunning = (pid: number) =>
    Effect.sync(() => {
      try {
        return process.kill(pid, 0)
      } catch {
        return false
      }
    })
  const ended = (pid: number) =>
    isRunning(pid).pipe(Effect.repeat({ schedule: Schedule.spaced("10 millis"), until: (running) => !running }))
  /** Says its number, and never ends by itself. */
  const endless = (file: string) => ["sh", "-c", 'echo $$ > "$0"; while :; do sleep 0.02; done', file]

  it.live("ends a program whose time is over, whoever of the two notices first", () =>
    Effect.gen(function* () {
      const { folder, nodeId, operator } = yield* busy
      const file = `${folder}/pid`
      const asked = yield* operator.call["node.invoke"]({
        nodeId,
        command: "system.run",
        params: { command: endless(file) },
        idempotencyKey: "endless",
        timeoutMs: 2_000
      }).pipe(Effect.exit, Effect.forkScoped)
      const pid = yield* pidIn(file)
      const exit = yield* Fiber.join(asked)
      if (Exit.isSuccess(exit)) assert.deepInclude(exit.value.payload, { timedOut: true, success: false })
      yield* ended(pid)
    }).pipe(Effect.scoped, withGateway)
  )

  it.live("ends a program that was asked for in this process, when its asker goes", () =>
    Effect.gen(function* () {
      const { folder, nodeId } = yield* busy
      const file = `${folder}/pid`
      const asked = yield* (yield* NodeRegistry)
        .invoke({
          nodeId: NodeId.make(nodeId),
          command: "system.run",
          params: { command: endless(file) },
          idempotencyKey: "a turn's",
          timeoutMs: 60_000
        })
        .pipe(Effect.forkScoped)
      const pid = yield* pidIn(file)
      yield* Fiber.interrupt(asked)
      yield* ended(pid)
    }).pipe(Effect.scoped, withGateway)
  )

  it.live("that connects a second time has its first connection closed", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const device = yield* DeviceIdentity.ephemeral
      const connect = gateway.connect({
        client: { id: "node-host", mode: "node", version: "1.2.3", platform: "linux" },
        role: "node",
        scopes: [],
        device
      })
      const first = yield* connect
      const second = yield* connect
      assert.deepInclude(yield* first.closed, { code: 1008, reason: "replaced by a newer connection of this node" })
      assert.isTrue((yield* second.call.health({})).ok)
    }).pipe(Effect.scoped, withGateway)
  )

  it.live("whose identity another process takes over stops, and says why", () =>
    Effect.gen(function* () {
      const gateway = yield* GatewayTest.GatewayTest
      const device = yield* DeviceIdentity.ephemeral
      const first = yield* start(gateway, device)
      yield* first.saw("Connected")
      const second = yield* start(gateway, device)
      yield* second.saw("Connected")
      const error = yield* Effect.flip(Fiber.join(first.fiber))
      assert.strictEqual(error._tag, "NodeHostStopped")
      assert.include(error.message, "another process that uses the same identity")
      const operator = yield* gateway.connect()
      assert.isTrue((yield* operator.call["node.describe"]({ nodeId: device.id })).connected)
    }).pipe(Effect.scoped, withGateway)
  )
})
