/** What operators and nodes do over the wire beside invoking: names, removal, waiting work, tools, skills. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Kit from "../devices/kit.ts"
import * as Rig from "../gateway/rig.ts"
import { conforms } from "../protocol/published.ts"
import { approvedNode } from "./approvedNode.ts"

const REMOVED = { code: 4001, reason: "device removed" }

describe("node.rename and node.pair.remove", () => {
  it.live("a name goes before the node's own, everywhere", () =>
    Effect.gen(function* () {
      const { admin, id, row } = yield* approvedNode()
      const named = yield* admin.request("node.rename", { nodeId: id, displayName: "  Kitchen " })
      assert.deepStrictEqual(named.payload, { nodeId: id, displayName: "Kitchen" })
      assert.strictEqual((yield* row).displayName, "Kitchen")
      const { paired } = (yield* admin.request("node.pair.list")).payload
      assert.strictEqual(paired[0].displayName, "Kitchen")
      const message = (params: unknown) =>
        Effect.map(admin.request("node.rename", params), ({ error }) => error?.message ?? "")
      assert.strictEqual(yield* message({ nodeId: id, displayName: "  " }), "displayName required")
      assert.strictEqual(yield* message({ nodeId: "nobody", displayName: "x" }), "unknown nodeId")
      assert.include(yield* message({ nodeId: id }), "'displayName'")
    }).pipe(Effect.scoped)
  )

  it.live("removing takes the approval and the role, ends the node's socket, and is announced", () =>
    Effect.gen(function* () {
      const { admin, id, kit, node } = yield* approvedNode()
      const removed = yield* admin.request("node.pair.remove", { nodeId: id })
      assert.deepStrictEqual(removed.payload, { nodeId: id })
      assert.deepStrictEqual(yield* node.close, REMOVED)
      const told = yield* admin.until(() =>
        admin.frames.find((frame) => frame.event === "node.pair.resolved" && frame.payload.decision === "removed")
      )
      assert.deepInclude(told.payload, { requestId: "", nodeId: id })
      assert.isUndefined(yield* kit.listed(admin, id), "nothing else was it paired for")
      const unknown = yield* admin.request("node.pair.remove", { nodeId: id })
      assert.deepStrictEqual(unknown.error, { code: "INVALID_REQUEST", message: "unknown nodeId" })
      const reader = yield* kit.connect({ scopes: ["operator.write"] })
      for (const method of ["node.pair.remove", "node.rename"]) {
        assert.strictEqual((yield* reader.raw.request(method, {})).error?.code, "FORBIDDEN", method)
      }
    }).pipe(Effect.scoped)
  )

  it.live("a device that also operates keeps that; from its own token it needs an administrator", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const admin = yield* kit.connect()
      const both = Rig.makeDevice()
      const scopes = ["operator.read", "operator.pairing"]
      const first = yield* kit.device(both, { scopes })
      const asks = yield* kit.node(both)
      const { requestId } = asks.hello.error!.details
      yield* admin.raw.request("device.pair.approve", { requestId })
      const node = yield* kit.node(both)
      assert.isTrue(node.hello.ok)
      const own = yield* kit.device(both, { scopes, auth: { deviceToken: first.hello.payload.auth.deviceToken } })
      const denied = yield* own.raw.request("node.pair.remove", { nodeId: both.id })
      assert.strictEqual(denied.error?.message, "missing scope: operator.admin")
      assert.isTrue((yield* admin.raw.request("node.pair.remove", { nodeId: both.id })).ok)
      assert.deepStrictEqual(yield* node.raw.close, REMOVED)
      assert.deepStrictEqual((yield* kit.listed(admin.raw, both.id)).roles, ["operator"])
      assert.isTrue((yield* own.raw.request("node.list")).ok)
    }).pipe(Effect.scoped)
  )
})

describe("work that waits for a node", () => {
  it.live("is kept once of a kind, handed over once, the urgent first, and asks for the status at the end", () =>
    Effect.gen(function* () {
      const { admin, id, node } = yield* approvedNode()
      const enqueue = (params: Record<string, unknown>) =>
        Effect.map(admin.request("node.pending.enqueue", { nodeId: id, ...params }), ({ payload }) => {
          conforms("NodePendingEnqueueResult", payload)
          return payload
        })
      const drain = (maxItems?: number) =>
        Effect.map(node.request("node.pending.drain", maxItems === undefined ? {} : { maxItems }), ({ payload }) => {
          conforms("NodePendingDrainResult", payload)
          return payload
        })
      const baseline = yield* drain()
      assert.deepStrictEqual([baseline.revision, baseline.hasMore, baseline.items[0].id], [0, false, "baseline-status"])
      const where = yield* enqueue({ type: "location.request" })
      const status = yield* enqueue({ type: "status.request", priority: "high", expiresInMs: 60_000, wake: true })
      assert.deepStrictEqual([where.revision, status.revision, status.wakeTriggered], [1, 2, false])
      assert.strictEqual(status.queued.expiresAtMs - status.queued.createdAtMs, 60_000)
      assert.deepStrictEqual(yield* enqueue({ type: "status.request" }), status, "the same work, as it was")
      const one = yield* drain(1)
      assert.deepStrictEqual([one.items, one.hasMore, one.revision], [[status.queued], true, 3])
      const rest = yield* drain()
      assert.deepStrictEqual(
        rest.items.map((item: { readonly id: string }) => item.id),
        [where.queued.id, "baseline-status"]
      )
      const unknown = yield* admin.request("node.pending.enqueue", { nodeId: "nobody", type: "status.request" })
      assert.deepInclude(unknown.error, { code: "UNAVAILABLE", retryable: true })
      const odd = yield* admin.request("node.pending.enqueue", { nodeId: id, type: "bogus" })
      assert.include(odd.error?.message, "at /type")
      assert.include((yield* admin.request("node.pending.drain", {})).error?.message, "unauthorized role: operator")
    }).pipe(Effect.scoped)
  )
})

describe("what a node publishes", () => {
  it.live("tools that an approved command calls, skills, and its runner; gone with its connection", () =>
    Effect.gen(function* () {
      const { admin, id, kit, node, row } = yield* approvedNode()
      const tool = (name: string, calls: Record<string, unknown>) => ({
        pluginId: "p",
        name,
        description: `does ${name}`,
        ...calls
      })
      const published = yield* node.request("node.pluginTools.update", {
        tools: [
          tool("which", { command: "system.which" }),
          tool("shoot", { command: "camera.snap" }),
          tool("nothing", {}),
          tool("elsewhere", { mcp: { server: "s", tool: "t" } })
        ]
      })
      const parameters = { type: "object", properties: {}, additionalProperties: true }
      const which = { ...tool("which", { command: "system.which" }), parameters }
      assert.deepStrictEqual(published.payload, { nodeId: id, tools: [which] })
      const skill = { name: "tidy-up", description: "keeps order", content: "1. Look." }
      const skills = yield* node.request("node.skills.update", { skills: [skill] })
      assert.deepStrictEqual(skills.payload, { nodeId: id, skills: [skill] })
      const inventory = yield* node.request("node.runnerInventory.update", { protocolFeatures: ["pty"] })
      assert.deepStrictEqual(inventory.payload, { nodeId: id })
      assert.deepInclude(yield* row, {
        nodePluginTools: [which],
        nodeSkills: [{ name: "tidy-up", description: "keeps order" }],
        runnerProtocolFeatures: ["pty"]
      })
      for (const [method, params, place] of [
        ["node.pluginTools.update", { tools: [tool("1st", {})] }, "at /tools/0/name"],
        ["node.skills.update", { skills: [{ ...skill, name: "Tidy Up" }] }, "at /skills/0/name"],
        ["node.runnerInventory.update", {}, "'protocolFeatures'"]
      ] as const) {
        assert.include((yield* node.request(method, params)).error?.message, place, method)
        assert.include((yield* admin.request(method, params)).error?.message, "unauthorized role: operator")
      }
      assert.deepStrictEqual(yield* kit.nodes.skills(id), [skill], "with their text, for the agent")
      node.socket.close()
      yield* row.pipe(Effect.repeat({ until: (seen) => seen.connected === false }))
      assert.isUndefined((yield* row).nodePluginTools)
    }).pipe(Effect.scoped)
  )

  it.live("its machine and that it woke: shown, announced, and kept while it is away", () =>
    Effect.gen(function* () {
      const { admin, id, node, row } = yield* approvedNode()
      const stats = { cpuCount: 2, memoryTotalBytes: 100, memoryFreeBytes: 50 }
      const event = (name: string, payload: unknown) =>
        Effect.map(
          node.request("node.event", { event: name, payloadJSON: JSON.stringify(payload) }),
          ({ payload: answer }) => {
            conforms("NodeEventResult", answer)
            return answer
          }
        )
      assert.deepInclude(yield* event("node.host.stats", stats), { ok: true, handled: true })
      const told = yield* admin.event("node.hostStats")
      assert.deepInclude(told.payload.hostStats, stats)
      assert.strictEqual(told.payload.nodeId, id)
      assert.deepInclude((yield* row).hostStats, stats)
      assert.deepInclude(yield* event("node.presence.alive", { trigger: "silent_push" }), { handled: true })
      assert.strictEqual((yield* row).lastSeenReason, "silent_push")
      assert.deepInclude(yield* event("node.presence.alive", { trigger: "boredom" }), { handled: false })
      assert.deepInclude(yield* event("node.bogus", {}), { handled: false, reason: "unsupported_event" })
    }).pipe(Effect.scoped)
  )

  it.live("nothing before an operator approved it", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const { raw } = yield* kit.node(Rig.makeDevice())
      for (const [method, params] of [
        ["node.pending.drain", {}],
        ["node.runnerInventory.update", { protocolFeatures: [] }]
      ] as const) {
        const { error } = yield* raw.request(method, params)
        assert.deepInclude(error, { code: "UNAVAILABLE", retryable: true })
        assert.strictEqual(error?.details.code, "PAIRING_CHANGED")
      }
    }).pipe(Effect.scoped)
  )
})

describe("an invoke whose operator went away", () => {
  it.live("goes on, and is answered from memory under its key", () =>
    Effect.gen(function* () {
      const { id, kit, node } = yield* approvedNode()
      const params = { nodeId: id, command: "system.which", params: { bins: ["git"] }, idempotencyKey: "k1" }
      const first = yield* kit.connect()
      first.raw.send({ type: "req", id: "gone", method: "node.invoke", params })
      const asked = yield* node.event("node.invoke.request")
      first.raw.socket.terminate()
      yield* first.raw.close
      const result = { id: asked.payload.id, nodeId: id, ok: true, payloadJSON: `{"bins":{}}` }
      assert.deepStrictEqual((yield* node.request("node.invoke.result", result)).payload, { ok: true })
      const second = yield* kit.connect()
      const answer = yield* second.raw.request("node.invoke", params)
      assert.deepInclude(answer.payload, { ok: true, payloadJSON: `{"bins":{}}` })
      const other = yield* second.raw.request("node.invoke", { ...params, params: { bins: ["ls"] } })
      assert.strictEqual(other.error?.code, "CONFLICT")
      const names = node.frames.map((frame) => frame.event)
      assert.strictEqual(names.filter((name) => name === "node.invoke.request").length, 1, "asked once")
      assert.notInclude(names, "node.invoke.cancel")
    }).pipe(Effect.scoped)
  )
})
