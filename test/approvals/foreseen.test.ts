/** A question whose id a client foresaw. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { approvalIdOf } from "../../src/layers/agent/approvedCommand.ts"
import type { SystemRunPlan } from "../../src/protocol/methods/approvals.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { startNode } from "./realNode.ts"

const run = { name: "nodes", params: { action: "run", argv: ["uname", "-s"] } }

describe("a turn's question", () => {
  it.live("is none that a client asked before it under the same id, whatever that one says", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const operator = yield* kit.connect()
      const { nodeId } = yield* startNode(kit)
      const prepared = yield* operator.call["node.invoke"]({
        nodeId,
        command: "system.run.prepare",
        params: { command: ["uname", "-s"], agentId: "main", sessionKey: "agent:main:main" },
        idempotencyKey: "prepare"
      })
      const { plan } = prepared.payload as { readonly plan: SystemRunPlan }
      // Denied at once, and its plan says that this is as good as allowed.
      yield* Stream.runDrain(
        operator.call["exec.approval.request"]({
          id: approvalIdOf("foreseen:1:1"),
          systemRunPlan: { ...plan, policySnapshot: { askFallback: "full" } },
          nodeId,
          host: "node",
          suppressDelivery: true
        })
      )
      yield* Stream.runDrain(
        operator.call.agent({ message: "which?", sessionKey: "agent:main:main", idempotencyKey: "foreseen" })
      )
      const messages = yield* operator.call["chat.history"]({ sessionKey: "agent:main:main" })
      assert.include(JSON.stringify(messages), "a question of somebody else has its id")
      assert.notInclude(JSON.stringify(messages), "Linux")
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.merge(
          NodeServices.layer,
          GatewayTest.layer({ models: ScriptedModel.layer([{ toolCalls: [run] }, { text: "No." }]) })
        )
      )
    )
  )
})
