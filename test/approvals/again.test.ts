/** A command whose question an earlier process raised: what that process may have done is not done again. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeId, RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import * as ApprovedCommand from "../../src/layers/agent/approvedCommand.ts"
import { RECALL_CAP } from "../../src/protocol/EventTable.ts"
import type { NodeRow } from "../../src/protocol/methods/nodes.ts"
import { type Approval, ExecApprovals } from "../../src/services/ExecApprovals.ts"
import { InvokeFailed, type InvokeOptions, NodeRegistry } from "../../src/services/NodeRegistry.ts"
import { plan } from "./kit.ts"

const node = (caps: ReadonlyArray<string>): NodeRow => ({
  nodeId: "attic",
  caps,
  commands: ["system.run", "system.run.prepare"],
  paired: true,
  connected: true
})
const request = {
  runId: RunId.make("r1"),
  sessionKey: SessionKey.make("agent:main:main"),
  agentId: "main",
  text: "?",
  receivedAt: -3_600_000
}
const operand = (sha256: string) => ({ argvIndex: 1, path: "/script", sha256 })

const approval = (more: Partial<Approval> = {}): Approval => ({
  id: "q",
  request: {
    command: plan.commandText,
    systemRunPlan: { ...plan, mutableFileOperand: operand("before") },
    nodeId: "attic",
    host: "node"
  } as Approval["request"],
  status: "allowed",
  decision: "allow-once",
  reason: "user",
  resolver: undefined,
  createdAtMs: 0,
  expiresAtMs: 600_000,
  resolvedAtMs: 0,
  asker: {},
  runId: "r1",
  spentBy: "k:approved",
  delivery: "all",
  digest: "d1",
  ...more
})

/** What leaves for the node, and what the model is told. `prepared`: what the node says of the command as it is now. */
const run = Effect.fnUntraced(function* (options: {
  readonly caps?: ReadonlyArray<string>
  readonly approval?: Approval
  readonly prepared?: { readonly sha256?: string; readonly digest?: string }
}) {
  const sent: Array<InvokeOptions> = []
  const { digest = "d1", sha256 = "before" } = options.prepared ?? {}
  const kept = options.approval ?? approval()
  const services = Layer.mergeAll(
    Layer.mock(NodeRegistry, {
      invoke: (asked) => {
        if (asked.command === "system.run") sent.push(asked)
        return asked.command === "system.run"
          ? Effect.fail(
              new InvokeFailed({
                nodeId: NodeId.make("attic"),
                command: asked.command,
                code: "NOT_REMEMBERED",
                message: "no"
              })
            )
          : Effect.succeed({
              nodeId: NodeId.make("attic"),
              command: asked.command,
              payload: { plan: { ...plan, mutableFileOperand: operand(sha256) }, digest },
              payloadJSON: null
            })
      }
    }),
    Layer.mock(ExecApprovals, {
      await: () => Effect.succeed(kept),
      spend: () => Effect.succeed({ plan: kept.request.systemRunPlan!, decision: "allow-once" })
    })
  )
  const said = yield* Effect.gen(function* () {
    const command = ApprovedCommand.make(yield* NodeRegistry, yield* ExecApprovals)
    return yield* Effect.flip(
      command(
        {
          node: node(options.caps ?? [RECALL_CAP]),
          argv: plan.argv,
          cwd: undefined,
          request,
          idempotencyKey: "k",
          leftMs: undefined,
          timeoutMs: undefined,
          invokeTimeoutMs: undefined
        },
        kept
      )
    )
  }).pipe(Effect.provide(services))
  return { sent, said: said.message }
})

describe("a command that may have left before a restart", () => {
  it.effect("is asked after; the node may begin it when the answer is fresh, however old the message", () =>
    Effect.gen(function* () {
      const { sent } = yield* run({})
      assert.lengthOf(sent, 1)
      assert.deepInclude(sent[0], { recall: true, askedAgoMs: 5_000, idempotencyKey: "k:approved" })
    })
  )

  for (const [what, prepared] of [
    ["the file that the plan names", { sha256: "after" }],
    ["something that the plan does not name", { digest: "d2" }]
  ] as const) {
    it.effect(`is asked after and not begun when ${what} has changed`, () =>
      Effect.gen(function* () {
        const { said, sent } = yield* run({ prepared })
        assert.lengthOf(sent, 1)
        assert.isTrue(sent[0]?.recall)
        assert.isUndefined(sent[0]?.askedAgoMs)
        assert.include(said, "outcome unknown")
      })
    )

    it.effect(`has certainly not left and is not run when ${what} has changed`, () =>
      Effect.gen(function* () {
        const { said, sent } = yield* run({ prepared, approval: approval({ spentBy: undefined }) })
        assert.lengthOf(sent, 0)
        assert.include(said, "is not what was approved any more")
      })
    )
  }

  it.effect("is not sent to a node that cannot be asked after it", () =>
    Effect.gen(function* () {
      const { said, sent } = yield* run({ caps: [] })
      assert.lengthOf(sent, 0)
      assert.include(said, "outcome unknown")
      // It had not left: nothing was noted with the approval.
      const fresh = yield* run({ caps: [], approval: approval({ spentBy: undefined }) })
      assert.lengthOf(fresh.sent, 1)
      assert.isUndefined(fresh.sent[0]?.recall)
    })
  )
})
