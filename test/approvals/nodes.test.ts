/** Commands on a real node host behind a real Gateway, which run only with a person's word. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { conforms } from "../protocol/published.ts"
import { decider } from "./kit.ts"
import { startNode } from "./realNode.ts"

const codeOf = (error: unknown) => (error as { readonly details?: { readonly code?: string } }).details?.code

describe("system.run with an operator's approval", () => {
  it.live("reaches the node only with the approval of exactly that command, once", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const { nodeId, list } = yield* startNode(kit)
      const { client } = yield* decider(kit)
      const operator = yield* kit.connect()
      let keys = 0
      const invoke = (command: string, params: object, caller = operator) =>
        caller.call["node.invoke"]({ nodeId, command, params, idempotencyKey: `k${++keys}`, timeoutMs: 10_000 })
      const where = { agentId: "main", sessionKey: "agent:main:main" }
      const denied = yield* Effect.flip(invoke("system.run", { command: ["uname", "-s"], ...where }))
      assert.include(denied.message, "approval required")
      const reserved = yield* Effect.flip(invoke("system.execApprovals.get", {}))
      assert.strictEqual(
        reserved.message,
        "node.invoke does not allow system.execApprovals.*; use exec.approvals.node.*"
      )

      const approve = Effect.fnUntraced(function* (id: string, decision: string, argv = ["uname", "-s"]) {
        const prepared = yield* invoke("system.run.prepare", { command: argv, ...where })
        const { plan } = prepared.payload as { readonly plan: Record<string, unknown> & { readonly argv: string[] } }
        const asked = yield* operator.call["exec.approval.request"]({
          id,
          systemRunPlan: plan as never,
          nodeId,
          host: "node",
          twoPhase: true,
          timeoutMs: 60_000
        }).pipe(
          Stream.tap((frame) =>
            "status" in frame ? client.call["exec.approval.resolve"]({ id, decision }) : Effect.void
          ),
          Stream.runCollect
        )
        assert.deepInclude(asked[1] as object, { id, decision })
        return plan
      })
      const plan = yield* approve("one", "allow-once")
      const run = (more: object = {}, caller = operator) =>
        invoke("system.run", { command: plan.argv, ...where, approved: true, runId: "one", ...more }, caller)

      const bare = yield* Effect.flip(invoke("system.run", { command: plan.argv, approved: true }))
      assert.strictEqual(codeOf(bare), "MISSING_RUN_ID")
      assert.strictEqual(bare.message, "approval override requires params.runId")
      const refusals: ReadonlyArray<readonly [object, string]> = [
        [{ runId: "nope" }, "UNKNOWN_APPROVAL_ID"],
        [{ command: ["/usr/bin/uname", "-a"] }, "APPROVAL_REQUEST_MISMATCH"],
        [{ cwd: "/etc" }, "APPROVAL_REQUEST_MISMATCH"],
        [{ env: { FOO: "1" } }, "APPROVAL_REQUEST_MISMATCH"],
        [{ sessionKey: "agent:main:other" }, "APPROVAL_REQUEST_MISMATCH"],
        [{ approvalDecision: "allow-always" }, "APPROVAL_REQUIRED"]
      ]
      for (const [more, code] of refusals) assert.strictEqual(codeOf(yield* Effect.flip(run(more))), code)
      assert.strictEqual(codeOf(yield* Effect.flip(run({}, client))), "APPROVAL_CLIENT_MISMATCH")
      const elsewhere = operator.call["node.invoke"]({
        nodeId: "other",
        command: "system.run",
        params: { command: plan.argv, approved: true, runId: "one" },
        idempotencyKey: "elsewhere"
      })
      assert.strictEqual(codeOf(yield* Effect.flip(elsewhere)), "APPROVAL_NODE_MISMATCH")

      assert.deepInclude((yield* run({ approvalDecision: "allow-once" })).payload, { exitCode: 0, success: true })
      const twice = yield* Effect.flip(run({ approvalDecision: "allow-once" }))
      assert.strictEqual(twice.message, "approval required")
      assert.strictEqual(codeOf(twice), "APPROVAL_REQUIRED")

      yield* approve("no", "deny")
      assert.strictEqual(codeOf(yield* Effect.flip(run({ runId: "no" }))), "APPROVAL_REQUIRED")

      // For ever: on the node's list, for these arguments in this folder.
      yield* approve("always", "allow-always")
      yield* run({ runId: "always", approvalDecision: "allow-always" })
      const [entry] = (yield* list).agents.main.allowlist
      assert.deepInclude(entry as object, { source: "allow-always", pattern: plan.argv[0] })
      assert.match(entry?.argPattern ?? "", /^sha256:cwd-argv:v1:[0-9a-f]{64}$/)
      const unasked = yield* invoke("system.run", { command: ["uname", "-s"], ...where })
      assert.deepInclude(unasked.payload, { success: true })
      for (const params of [{ command: ["uname", "-a"] }, { command: ["uname", "-s"], cwd: "/" }]) {
        assert.include((yield* Effect.flip(invoke("system.run", { ...params, ...where }))).message, "approval required")
      }
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(GatewayTest.layer(), NodeServices.layer)))
  )

  it.live("a node's list is read and replaced over the Gateway", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const { nodeId } = yield* startNode(kit)
      const operator = yield* kit.connect()
      const before = (yield* operator.call["exec.approvals.node.get"]({ nodeId })) as { readonly hash: string }
      conforms("ExecApprovalsNodeSnapshot", before)
      const file = { version: 1 as const, agents: { main: { allowlist: [{ pattern: "uname" }] } } }
      const after = yield* operator.call["exec.approvals.node.set"]({ nodeId, file, baseHash: before.hash })
      conforms("ExecApprovalsNodeSnapshot", after)
      const run = yield* operator.call["node.invoke"]({
        nodeId,
        command: "system.run",
        params: { command: ["uname"], agentId: "main" },
        idempotencyKey: "listed"
      })
      assert.deepInclude(run.payload, { success: true })
      const stale = operator.call["exec.approvals.node.set"]({ nodeId, file, baseHash: before.hash })
      assert.include((yield* Effect.flip(stale)).message, "exec approvals changed")
      const both = operator.call["exec.approvals.node.set"]({ nodeId, file, native: {}, baseHash: "x" })
      assert.include((yield* Effect.flip(both)).message, "file or native")
      const unknown = yield* Effect.flip(operator.call["exec.approvals.node.get"]({ nodeId: "zz" }))
      assert.strictEqual(unknown._tag, "GatewayError")
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(GatewayTest.layer(), NodeServices.layer)))
  )
})

const uname = { name: "nodes", params: { action: "run", argv: ["uname", "-s"] } }
describe("a turn whose command needs a person's word", () => {
  it.live("waits, runs it once it is allowed, and tells the model when it is denied", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      yield* startNode(kit)
      const operator = yield* kit.connect()
      const { client } = yield* decider(kit)
      const turn = Effect.fnUntraced(function* (key: string, decision: string) {
        const asked = yield* Stream.runHead(client.on("exec.approval.requested")).pipe(
          Effect.forkScoped({ startImmediately: true })
        )
        const running = yield* Stream.runCollect(
          operator.call.agent({ message: "which system?", sessionKey: `agent:main:${key}`, idempotencyKey: key })
        ).pipe(Effect.forkScoped({ startImmediately: true }))
        const question = yield* Fiber.join(asked)
        assert(question._tag === "Some")
        assert.deepInclude(question.value.request, { host: "node", runId: key, sessionKey: `agent:main:${key}` })
        yield* client.call["exec.approval.resolve"]({ id: question.value.id, decision })
        yield* Fiber.join(running)
        const messages = yield* operator.call["chat.history"]({ sessionKey: `agent:main:${key}` })
        return JSON.stringify(messages)
      })
      assert.include(yield* turn("yes", "allow-once"), "Linux")
      const said = yield* turn("no", "deny")
      assert.include(said, "a person denied")
      assert.notInclude(said, "exitCode")
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.merge(
          NodeServices.layer,
          GatewayTest.layer({
            models: ScriptedModel.layer([
              { toolCalls: [uname] },
              { text: "Done." },
              { toolCalls: [uname] },
              { text: "I may not." }
            ])
          })
        )
      )
    )
  )

  it.live("is denied at once when nobody can be asked, and takes its question back when it is stopped", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      yield* startNode(kit)
      const operator = yield* kit.connect()
      yield* Stream.runDrain(operator.call.agent({ message: "?", sessionKey: "main", idempotencyKey: "alone" }))
      const messages = yield* operator.call["chat.history"]({ sessionKey: "main" })
      assert.include(JSON.stringify(messages), "nobody can be asked")

      const { client } = yield* decider(kit)
      const asked = yield* Stream.runHead(client.on("exec.approval.requested")).pipe(
        Effect.forkScoped({ startImmediately: true })
      )
      const resolved = yield* Stream.runHead(client.on("exec.approval.resolved")).pipe(
        Effect.forkScoped({ startImmediately: true })
      )
      yield* operator.call["chat.send"]({ sessionKey: "main", message: "again", idempotencyKey: "stopped" })
      const question = yield* Fiber.join(asked)
      assert(question._tag === "Some")
      yield* operator.call["chat.abort"]({ sessionKey: "main" })
      assert.strictEqual((yield* Fiber.join(resolved))._tag, "Some")
      const { approval } = yield* operator.call["approval.get"]({ id: question.value.id })
      conforms("ApprovalSnapshot", approval)
      assert.deepInclude(approval, { status: "cancelled", reason: "run-aborted" })
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.merge(
          NodeServices.layer,
          GatewayTest.layer({
            models: ScriptedModel.layer([{ toolCalls: [uname] }, { text: "No." }, { toolCalls: [uname] }])
          })
        )
      )
    )
  )

  it.live("waits on after the Gateway was started again, under the same question", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const stateDir = yield* fs.makeTempDirectoryScoped()
      const life = Effect.fnUntraced(function* (...script: ScriptedModel.Script) {
        const scope = yield* Scope.make()
        const services = yield* Layer.buildWithScope(
          GatewayTest.layer({ stateDir, models: ScriptedModel.layer(script) }),
          scope
        )
        return { kit: Context.get(services, GatewayTest.GatewayTest), scope }
      })
      const first = yield* life({ toolCalls: [uname] })
      const node = yield* startNode(first.kit)
      const before = yield* decider(first.kit)
      const asked = yield* Stream.runHead(before.client.on("exec.approval.requested")).pipe(
        Effect.forkScoped({ startImmediately: true })
      )
      yield* before.client.call["chat.send"]({ sessionKey: "main", message: "which?", idempotencyKey: "long" })
      const question = yield* Fiber.join(asked)
      assert(question._tag === "Some")
      yield* Scope.close(first.scope, Exit.void)

      const second = yield* life({ text: "Done." })
      yield* node.connect(second.kit)
      const { client, seen } = yield* decider(second.kit)
      const [waiting] = yield* client.call["exec.approval.list"]({})
      assert.strictEqual(waiting?.id, question.value.id)
      const final = yield* client.on("chat").pipe(
        Stream.filter((event) => event.runId === "long" && event.state === "final"),
        Stream.runHead,
        Effect.forkScoped({ startImmediately: true })
      )
      yield* client.call["exec.approval.resolve"]({ id: question.value.id, decision: "allow-once" })
      yield* Fiber.join(final)
      const messages = yield* client.call["chat.history"]({ sessionKey: "main" })
      assert.include(JSON.stringify(messages), "Linux")
      assert.deepStrictEqual(
        seen.map(({ name }) => name),
        ["exec.approval.resolved"]
      )
      yield* Scope.close(second.scope, Exit.void)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
