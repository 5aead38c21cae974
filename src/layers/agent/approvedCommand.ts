/**
 * A command on a node whose list says that a person has to agree: asked for, waited for, and run as it was approved.
 *
 * The question has an id made of the call's key, so a turn that starts again after a crash finds it, decided or not, and asks
 * nobody twice. The run has a key of its own, noted with the approval before the command leaves: one that may have left is asked
 * after, one that has not is sent.
 */
import { createHash, randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Schema from "effect/Schema"
import { honestText } from "../../domain/CommandLine.ts"
import { NodeId } from "../../domain/Ids.ts"
import { RECALL_CAP } from "../../protocol/EventTable.ts"
import { SystemRunPlan } from "../../protocol/methods/approvals.ts"
import type { NodeRow } from "../../protocol/methods/nodes.ts"
import type { TurnSteps } from "../../services/AgentRunner.ts"
import type { Approval, ExecApprovals } from "../../services/ExecApprovals.ts"
import type { InvokeError, InvokeOptions, NodeRegistry } from "../../services/NodeRegistry.ts"
import type { TurnRequest } from "../../services/Turns.ts"
import { paramsOf } from "../approvals/approvedRun.ts"
import { decisionsFor } from "../approvals/asked.ts"
import { bindingOf } from "../approvals/binding.ts"
import { isShowable } from "../approvals/display.ts"
import * as NodeCall from "./nodeCall.ts"
import { afterRestart, nameOf } from "./nodeCall.ts"
import { ToolFailed } from "./tools.ts"

const PREPARE = "system.run.prepare"

/** The longest that a person has, and what is left of the turn to run the command in. */
const LONGEST_WAIT_MS = 30 * 60_000
const KEPT_FOR_RUN_MS = 5_000

const Prepared = Schema.Struct({
  plan: SystemRunPlan,
  /** Of all that the plan stands for, also of what it does not name. Nodes of OpenClaw's have none. */
  digest: Schema.optional(Schema.String),
  execPolicy: Schema.optional(Schema.Struct({ ask: Schema.String, security: Schema.String })),
  allowAlwaysCoverage: Schema.optional(Schema.Struct({ complete: Schema.Boolean }))
})
type Prepared = typeof Prepared.Type
const decodePrepared = Schema.decodeUnknownExit(Prepared)
const fallsBackToFull = Schema.is(Schema.Struct({ askFallback: Schema.Literal("full") }))

/** The id of the question that a call may raise: the same whenever it is made. */
export const approvalIdOf = (idempotencyKey: string): string => {
  const hex = createHash("sha256").update(`approval of ${idempotencyKey}`).digest("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** Whether a node refused a command only because nobody has agreed to it. It has not run. */
export const needsApproval = (error: InvokeError): boolean =>
  error._tag === "InvokeFailed" &&
  error.code === "SYSTEM_RUN_DENIED" &&
  /^(?:SYSTEM_RUN_DENIED: )*approval required/.test(error.message)

export interface CommandToApprove {
  readonly node: NodeRow
  readonly argv: ReadonlyArray<string>
  readonly cwd: string | undefined
  readonly request: TurnRequest
  /** The call's own; the question's and the run's are made of it. */
  readonly idempotencyKey: string
  /** Milliseconds that the turn still has; no limit when left out. */
  readonly leftMs: number | undefined
  /** Runs the wait for the person's word. */
  readonly waits?: TurnSteps["waits"] | undefined
  /** For the command itself. */
  readonly timeoutMs: number | undefined
  readonly invokeTimeoutMs: number | undefined
}

const failed = (message: string) => new ToolFailed({ message })

const unreadable = (error: { readonly message: string }) => failed(`the command was not run: ${error.message}`)

/** The same command over the same files, whatever the list says meanwhile. */
const isSame = (now: Prepared, plan: SystemRunPlan, digest: string | undefined): boolean => {
  const essence = ({ agentId, argv, commandText, cwd, mutableFileOperand, sessionKey }: SystemRunPlan) =>
    JSON.stringify([argv, cwd, commandText, agentId, sessionKey, mutableFileOperand?.sha256 ?? null])
  return essence(now.plan) === essence(plan) && (digest === undefined || now.digest === digest)
}

const sourceOf = ({ replyTo }: TurnRequest) => ({
  turnSourceChannel: replyTo?.peer.channel ?? null,
  turnSourceTo: replyTo?.peer.chatId ?? null,
  turnSourceAccountId: replyTo?.peer.accountId ?? null,
  turnSourceThreadId: replyTo?.peer.threadId ?? null
})

/** Why it does not run, for the model. */
const refusal = (approval: Approval, node: NodeRow): ToolFailed => {
  const command = `"${approval.request.command}" on ${nameOf(node)}`
  switch (approval.reason) {
    case "timeout":
      return failed(`not run: ${command} needs a person's approval, and nobody answered in time`)
    case "no-route":
      return failed(
        `not run: ${command} needs a person's approval, and nobody can be asked: no client that shows approvals is connected and no channel has an owner who could decide`
      )
    case "run-aborted":
    case "gateway-restart":
      return failed(`not run: the question whether ${command} may run was taken back`)
    default:
      return failed(`not run: a person denied ${command}; do not try to reach the same in another way`)
  }
}

export const make = (registry: NodeRegistry["Service"], approvals: ExecApprovals["Service"]) => {
  const prepare = Effect.fnUntraced(function* ({ argv, cwd, node, request }: CommandToApprove) {
    if (node.commands?.includes(PREPARE) !== true) {
      return yield* failed(`not run: ${nameOf(node)} wants a person's approval and offers no ${PREPARE}`)
    }
    const { agentId, sessionKey } = request
    const params = { command: argv, agentId, sessionKey, ...(cwd === undefined ? undefined : { cwd }) }
    const { payload } = yield* registry
      .invoke({ nodeId: NodeId.make(node.nodeId), command: PREPARE, params, idempotencyKey: randomUUID(), sessionKey })
      .pipe(Effect.mapError((error) => failed(`not run: ${nameOf(node)} could not prepare it: ${error.message}`)))
    const decoded = decodePrepared(payload)
    return Exit.isSuccess(decoded)
      ? decoded.value
      : yield* failed(`not run: what ${nameOf(node)} prepared is not understood`)
  })

  /** Asks, unless it was asked before. */
  const ask = Effect.fnUntraced(function* (call: CommandToApprove, id: string) {
    const { allowAlwaysCoverage, digest, execPolicy, plan } = yield* prepare(call)
    const command = honestText(plan.commandText, plan.argv)
    if (!isShowable(command)) {
      return yield* failed("not run: the command is too long to be shown whole to the person who decides about it")
    }
    const left = (call.leftMs ?? Number.POSITIVE_INFINITY) - KEPT_FOR_RUN_MS
    return yield* approvals
      .request({
        id,
        asker: {},
        runId: call.request.runId,
        digest,
        timeoutMs: Math.max(1, Math.floor(Math.min(LONGEST_WAIT_MS, left))),
        allowedDecisions: decisionsFor({
          ask: execPolicy?.ask,
          unavailable: allowAlwaysCoverage?.complete === true ? [] : ["allow-always"]
        }),
        request: {
          command,
          systemRunPlan: plan,
          systemRunBinding: bindingOf(plan, undefined),
          cwd: plan.cwd,
          nodeId: call.node.nodeId,
          host: "node",
          security: execPolicy?.security ?? null,
          ask: execPolicy?.ask ?? null,
          warningText: null,
          scope: null,
          agentId: plan.agentId,
          resolvedPath: plan.argv[0] ?? null,
          sessionKey: plan.sessionKey,
          sessionId: null,
          runId: call.request.runId,
          toolCallId: null,
          ...sourceOf(call.request)
        }
      })
      .pipe(
        Effect.asVoid,
        // By this call, before a restart.
        Effect.catchTag("ApprovalIdTaken", () => Effect.void),
        Effect.mapError(unreadable)
      )
  })

  /** Nobody could be asked, and the node says that it runs then. */
  const isUnasked = ({ reason, request }: Approval): boolean =>
    (reason === "no-route" || reason === "timeout") && fallsBackToFull(request.systemRunPlan?.policySnapshot)

  /** Notes the run with the approval, right before it leaves. */
  const spend = Effect.fnUntraced(function* (call: CommandToApprove, approval: Approval, key: string) {
    if (isUnasked(approval)) {
      yield* Effect.logInfo(`${approval.id}: nobody could be asked, and the node's askFallback is full`)
      return "allow-once"
    }
    const { decision } = yield* approvals
      .spend({
        approvalId: approval.id,
        decision: undefined,
        nodeId: call.node.nodeId,
        asker: {},
        argv: approval.request.systemRunPlan?.argv ?? [],
        rawCommand: undefined,
        cwd: undefined,
        agentId: undefined,
        sessionKey: undefined,
        env: undefined,
        key
      })
      .pipe(Effect.mapError(unreadable))
    return decision
  })

  return Effect.fn("ApprovedCommand.run")(function* (
    call: CommandToApprove,
    /** The question as it was found, when an earlier process raised it. */
    asked: Approval | undefined
  ) {
    const { node, request, waits = identity } = call
    const id = approvalIdOf(call.idempotencyKey)
    if (asked === undefined) yield* ask(call, id)
    const approval = yield* waits(Effect.mapError(approvals.await(id), unreadable))
    // A client may give its own question any id, also one that it can foresee.
    if (approval.runId !== request.runId) return yield* failed("not run: a question of somebody else has its id")
    const key = `${call.idempotencyKey}:approved`
    // Without a person's word nothing was noted before it left.
    const wasOver = asked !== undefined && asked.status !== "pending"
    const mayHaveLeft = approval.spentBy === key || (wasOver && approval.status !== "allowed")
    const plan = approval.request.systemRunPlan
    if ((approval.status !== "allowed" && !isUnasked(approval)) || plan === undefined || plan === null) {
      return yield* refusal(approval, node)
    }
    if (mayHaveLeft && node.caps?.includes(RECALL_CAP) !== true) {
      return yield* afterRestart(`${nameOf(node)} cannot tell what became of it`)
    }
    // The node knows for a while only what it prepared, and only until it restarts; and what was approved may have changed.
    const now = yield* Effect.result(prepare(call))
    const isAsApproved = now._tag === "Success" && isSame(now.success, plan, approval.digest)
    if (!mayHaveLeft) {
      if (now._tag === "Failure") return yield* now.failure
      if (!isAsApproved) {
        return yield* failed(`not run: "${approval.request.command}" is not what was approved any more`)
      }
    }
    const decision = yield* spend(call, approval, key)
    const options: InvokeOptions = {
      nodeId: NodeId.make(node.nodeId),
      command: "system.run",
      params: paramsOf(plan, { timeoutMs: call.timeoutMs }),
      approved: { id, decision },
      idempotencyKey: key,
      sessionKey: request.sessionKey,
      ...(call.invokeTimeoutMs === undefined ? undefined : { timeoutMs: call.invokeTimeoutMs })
    }
    // It left after the answer at the earliest; what is something else by now the node may only tell of, not begin.
    const since = isAsApproved ? approval.resolvedAtMs : undefined
    return yield* NodeCall.make(registry, node, options)(mayHaveLeft ? { since } : undefined)
  })
}
