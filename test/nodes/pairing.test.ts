import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as SqlClient from "effect/sql/SqlClient"
import { ConnId, NodeId } from "../../src/domain/Ids.ts"
import * as NodeRegistryLive from "../../src/layers/nodes/NodeRegistry.ts"
import { NodeRegistry } from "../../src/services/NodeRegistry.ts"
import { approveAll, events, infrastructure, linux, live, Settings, wire } from "./kit.ts"

const shell = ["system.run", "system.which"]

const rowOf = (nodeId: string) => Effect.flatMap(NodeRegistry, (registry) => registry.describe(nodeId))

describe("surface approval", () => {
  it.effect("a new surface waits for an operator, then counts on the live connection", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      const { taken } = yield* events
      yield* registry.connect(linux("n1", "c1", [...shell, "camera.snap", "camera.snap"]), wire())
      const { paired, pending } = yield* registry.pairing
      assert.strictEqual(paired.length, 0)
      assert.deepStrictEqual(pending[0]?.commands, shell)
      assert.deepStrictEqual(pending[0]?.requiredApproveScopes, ["operator.pairing", "operator.admin"])
      assert.isFalse((yield* registry.approval(ConnId.make("c1"))).approved)
      const before = yield* rowOf("n1")
      assert.strictEqual(before.approvalState, "pending-approval")
      assert.deepStrictEqual(before.commands, [])
      assert.deepStrictEqual(before.pendingDeclaredCommands, shell)
      assert.strictEqual(before.pendingRequestId, pending[0]?.requestId)

      const node = yield* registry.approve(pending[0]!.requestId, ["operator.pairing", "operator.admin"])
      assert.deepStrictEqual(node.commands, shell)
      assert.isTrue((yield* registry.approval(ConnId.make("c1"))).approved)
      const after = yield* rowOf("n1")
      assert.strictEqual(after.approvalState, "approved")
      assert.deepStrictEqual(after.commands, shell)
      assert.isUndefined(after.pendingRequestId)
      const seen = (yield* taken).map((event) => [event.event, event.to])
      assert.deepStrictEqual(seen, [
        ["node.pair.requested", undefined],
        ["node.pair.resolved", undefined],
        ["node.pair.resolved", "c1"]
      ])
    }).pipe(Effect.provide(live))
  )

  it.effect("approving asks for the scopes of the commands, and only once", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      yield* registry.connect(linux("n1", "c1", shell), wire())
      yield* registry.connect(linux("n2", "c2", ["device.info"]), wire())
      const { pending } = yield* registry.pairing
      const id = (nodeId: string) => pending.find((request) => request.nodeId === nodeId)!.requestId
      const lacks = yield* Effect.flip(registry.approve(id("n1"), ["operator.pairing", "operator.write"]))
      assert.strictEqual(lacks._tag, "ApproverLacksScope")
      assert.strictEqual(lacks.message, "missing scope: operator.admin")
      const writes = yield* Effect.flip(registry.approve(id("n2"), ["operator.pairing"]))
      assert.strictEqual(writes.message, "missing scope: operator.write")
      yield* registry.approve(id("n2"), ["operator.pairing", "operator.write"])
      const both = yield* Effect.all(
        [
          Effect.exit(registry.approve(id("n1"), ["operator.admin"])),
          Effect.exit(registry.approve(id("n1"), ["operator.admin"]))
        ],
        { concurrency: 2 }
      )
      assert.strictEqual(both.filter(Exit.isSuccess).length, 1)
      const again = yield* Effect.flip(registry.approve(id("n1"), ["operator.admin"]))
      assert.strictEqual(again._tag, "PairingRequestNotFound")
      assert.strictEqual((yield* Effect.flip(registry.reject("nope")))._tag, "PairingRequestNotFound")
    }).pipe(Effect.provide(live))
  )

  it.effect("more commands ask again while the approved ones go on; the old request cannot be approved", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      yield* registry.connect(linux("n1", "c1", ["device.info"]), wire())
      yield* approveAll
      yield* registry.connect(linux("n1", "c2", ["device.info", "system.run"]), wire())
      const first = (yield* registry.pairing).pending[0]!
      const row = yield* rowOf("n1")
      assert.deepStrictEqual(row.commands, ["device.info"])
      assert.strictEqual(row.approvalState, "pending-reapproval")
      assert.isTrue((yield* registry.approval(ConnId.make("c2"))).approved)

      const { taken } = yield* events
      yield* registry.connect(linux("n1", "c3", ["device.info", "system.run", "system.which"]), wire())
      const second = (yield* registry.pairing).pending[0]!
      assert.notStrictEqual(second.requestId, first.requestId)
      assert.deepStrictEqual(
        (yield* taken).map((event) => event.event),
        ["node.pair.resolved", "node.pair.requested"]
      )
      const gone = yield* Effect.flip(registry.approve(first.requestId, ["operator.admin"]))
      assert.strictEqual(gone._tag, "PairingRequestNotFound")
    }).pipe(Effect.provide(live))
  )

  it.effect("the same surface keeps its request; a smaller one needs none and withdraws it", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      yield* registry.connect(linux("n1", "c1", shell), wire())
      const first = (yield* registry.pairing).pending[0]!
      yield* registry.connect({ ...linux("n1", "c2", shell.toReversed()), displayName: "Attic" }, wire())
      const second = (yield* registry.pairing).pending[0]!
      assert.strictEqual(second.requestId, first.requestId)
      assert.strictEqual(second.displayName, "Attic")
      yield* registry.approve(second.requestId, ["operator.admin"])

      yield* registry.connect(linux("n1", "c3", ["system.which"]), wire())
      assert.deepStrictEqual((yield* registry.pairing).pending, [])
      assert.deepStrictEqual((yield* rowOf("n1")).commands, ["system.which"])
      yield* registry.connect(linux("n1", "c4", shell), wire())
      assert.deepStrictEqual((yield* registry.pairing).pending, [])
      assert.deepStrictEqual((yield* rowOf("n1")).commands, shell)
    }).pipe(Effect.provide(live))
  )

  it.effect("the grant is what was reviewed, whatever the node declares meanwhile", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      const scope = yield* Scope.make()
      yield* registry.connect(linux("n1", "c1", ["device.info"]), wire()).pipe(Scope.provide(scope))
      yield* Scope.close(scope, Exit.void)
      yield* approveAll
      yield* registry.connect(linux("n1", "c2", ["device.info", "system.run"]), wire())
      const denied = yield* Effect.flip(
        registry.invoke({ nodeId: NodeId.make("n1"), command: "system.run", idempotencyKey: "k" })
      )
      assert.strictEqual(denied._tag === "CommandNotAllowed" && denied.reason, "command not approved")
    }).pipe(Effect.provide(live))
  )

  it.effect("a rejected node stays connected without commands and asks anew when it reconnects", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      yield* registry.connect(linux("n1", "c1", shell), wire())
      const first = (yield* registry.pairing).pending[0]!
      const { taken } = yield* events
      assert.strictEqual(yield* registry.reject(first.requestId), "n1")
      const resolved = yield* taken
      assert.deepStrictEqual(
        resolved.map((event) => event.to),
        [undefined, "c1"]
      )
      const row = yield* rowOf("n1")
      assert.strictEqual(row.approvalState, "unapproved")
      assert.isTrue(row.connected)
      assert.isFalse((yield* registry.approval(ConnId.make("c1"))).approved)
      yield* registry.connect(linux("n1", "c2", shell), wire())
      assert.notStrictEqual((yield* registry.pairing).pending[0]?.requestId, first.requestId)
    }).pipe(Effect.provide(live))
  )

  it.effect("a node that offers nothing, or nothing that policy allows, has nothing to approve", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      yield* registry.connect({ ...linux("n1", "c1", []), caps: [] }, wire())
      yield* registry.connect({ ...linux("n2", "c2", ["camera.snap"]), caps: [] }, wire())
      assert.deepStrictEqual((yield* registry.pairing).pending, [])
      assert.isTrue((yield* registry.approval(ConnId.make("c1"))).approved)
      assert.isTrue((yield* registry.approval(ConnId.make("c2"))).approved)
      assert.strictEqual((yield* rowOf("n1")).approvalState, "unapproved")
    }).pipe(Effect.provide(live))
  )

  it.effect("a node that nobody approved has no skills for a model, also when it has nothing to approve", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      const skill = { name: "obey", description: "always first", content: "Do as this says." }
      for (const [nodeId, commands] of [
        ["nothing", []],
        ["asks", shell]
      ] as const) {
        const connId = ConnId.make(`to-${nodeId}`)
        yield* registry.connect({ ...linux(nodeId, connId, commands), caps: [] }, wire())
        yield* registry.publishSkills(connId, [skill])
        assert.deepStrictEqual(yield* registry.skills(nodeId), [], nodeId)
        assert.isUndefined((yield* rowOf(nodeId)).nodeSkills, nodeId)
      }
      yield* approveAll
      assert.deepStrictEqual(yield* registry.skills("asks"), [skill])
      assert.lengthOf((yield* rowOf("asks")).nodeSkills ?? [], 1)
      yield* registry.remove("asks")
      assert.deepStrictEqual(yield* registry.skills("asks"), [])
    }).pipe(Effect.provide(live))
  )

  it.effect("approvals, requests and host stats outlive the Gateway", () =>
    Effect.gen(function* () {
      const first = yield* Layer.build(Layer.fresh(NodeRegistryLive.layer))
      yield* Effect.gen(function* () {
        const registry = yield* NodeRegistry
        yield* TestClock.setTime(1_000)
        yield* registry.connect(linux("n1", "c1", shell), wire())
        yield* approveAll
        yield* registry.connect(linux("n2", "c2", shell), wire())
        const stats = { cpuCount: 2, memoryTotalBytes: 10, memoryFreeBytes: 5, surplus: true }
        assert.isTrue(yield* registry.event(ConnId.make("c1"), "node.host.stats", stats))
        assert.isFalse(yield* registry.event(ConnId.make("c1"), "node.host.stats", { cpuCount: -1 }))
        assert.isTrue(yield* registry.event(ConnId.make("c1"), "exec.finished", {}))
        assert.isFalse(yield* registry.event(ConnId.make("c1"), "made.up", {}))
        assert.isFalse(yield* registry.event(ConnId.make("other"), "node.host.stats", stats))
      }).pipe(Effect.provide(first), Effect.scoped)

      const second = yield* Layer.build(Layer.fresh(NodeRegistryLive.layer))
      yield* Effect.gen(function* () {
        const registry = yield* NodeRegistry
        const [n1, n2] = yield* registry.list
        assert.deepStrictEqual(n1?.commands, shell)
        assert.strictEqual(n1?.approvalState, "approved")
        assert.isFalse(n1?.connected)
        assert.strictEqual(n1?.lastConnectedAtMs, 1_000)
        assert.deepStrictEqual(n1?.hostStats, {
          cpuCount: 2,
          memoryTotalBytes: 10,
          memoryFreeBytes: 5,
          updatedAtMs: 1_000
        })
        assert.strictEqual(n2?.approvalState, "pending-approval")
        const away = yield* Effect.flip(
          registry.invoke({ nodeId: NodeId.make("n1"), command: "system.run", idempotencyKey: "k" })
        )
        assert.deepStrictEqual(away._tag === "NodeNotConnected" && away.known, true)
        yield* registry.connect(linux("n1", "c9", shell), wire())
        assert.deepStrictEqual((yield* rowOf("n1")).commands, shell)
        const unknown = yield* Effect.flip(registry.describe("ghost"))
        assert.include(unknown.message, "unknown nodeId ghost")
      }).pipe(Effect.provide(second), Effect.scoped)
    }).pipe(Effect.provide(infrastructure))
  )

  it.effect("a broken database refuses the connection and leaves no trace of it", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      const sql = yield* SqlClient.SqlClient
      yield* sql`ALTER TABLE node_surfaces RENAME TO gone`
      const error = yield* Effect.flip(registry.connect(linux("n1", "c1", shell), wire()))
      assert.strictEqual(error._tag, "RegistryStorageFailed")
      yield* sql`ALTER TABLE gone RENAME TO node_surfaces`
      assert.deepStrictEqual(yield* registry.list, [])
    }).pipe(Effect.provide(live))
  )

  it.effect("rules follow the configuration", () =>
    Effect.gen(function* () {
      const registry = yield* NodeRegistry
      const settings = yield* Settings
      const refusal = Effect.map(
        Effect.flip(
          registry.invoke({
            nodeId: NodeId.make("n1"),
            command: "system.which",
            timeoutMs: 1,
            idempotencyKey: "k"
          })
        ),
        (error) => (error._tag === "CommandNotAllowed" ? error.reason : error._tag)
      )
      yield* registry.connect(linux("n1", "c1", shell), wire())
      yield* approveAll
      yield* Ref.set(settings, { gateway: { nodes: { commands: { deny: ["system.which"] } } } })
      assert.strictEqual(yield* refusal, "command not allowlisted")
      assert.deepStrictEqual((yield* rowOf("n1")).commands, ["system.run"])
    }).pipe(Effect.provide(live))
  )
})
