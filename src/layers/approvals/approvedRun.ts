/**
 * A `system.run` of an operator that says it is approved: passed on only with an approval of this Gateway behind it, and then
 * as it was approved, not as it was asked for.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { type GatewayError, invalidRequest, unavailable } from "../../protocol/GatewayError.ts"
import type { NodeInvokeParams } from "../../protocol/methods/nodes.ts"
import { type Asker, type ExecApprovals, type Granted } from "../../services/ExecApprovals.ts"

const text = Schema.optional(Schema.NullOr(Schema.String))
const Run = Schema.Struct({
  command: Schema.Array(Schema.String),
  rawCommand: text,
  cwd: text,
  env: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Schema.String))),
  agentId: text,
  sessionKey: text,
  timeoutMs: Schema.optional(Schema.NullOr(Schema.Finite)),
  runId: text,
  approvalDecision: text,
  suppressNotifyOnExit: Schema.optional(Schema.NullOr(Schema.Boolean))
})
const decodeRun = Schema.decodeUnknownExit(Run)
const claims = Schema.is(
  Schema.Union([
    Schema.Struct({ approved: Schema.Literal(true) }),
    Schema.Struct({ approvalDecision: Schema.Literals(["allow-once", "allow-always"]) })
  ])
)

/** What the node is told of an approved run. */
export interface ApprovedRun {
  readonly params: unknown
  readonly approved: { readonly id: string; readonly decision: Granted["decision"] }
}

/** The params of a run as it was approved. What does not change what runs is the caller's. */
export const paramsOf = (
  plan: Granted["plan"],
  rest: {
    readonly env?: Readonly<Record<string, string>> | null | undefined
    readonly timeoutMs?: number | null | undefined
    readonly suppressNotifyOnExit?: boolean | null | undefined
  }
) => ({
  command: plan.argv,
  rawCommand: plan.commandText,
  ...(plan.cwd === null ? undefined : { cwd: plan.cwd }),
  ...(plan.agentId === null ? undefined : { agentId: plan.agentId }),
  ...(plan.sessionKey === null ? undefined : { sessionKey: plan.sessionKey }),
  systemRunPlan: plan,
  ...(rest.env === undefined || rest.env === null ? undefined : { env: rest.env }),
  ...(typeof rest.timeoutMs === "number" ? { timeoutMs: rest.timeoutMs } : undefined),
  ...(rest.suppressNotifyOnExit === true ? { suppressNotifyOnExit: true } : undefined)
})

/** `undefined` where nothing claims to be approved. */
export const check = Effect.fnUntraced(function* (
  approvals: ExecApprovals["Service"],
  { command, idempotencyKey, nodeId, params }: NodeInvokeParams,
  asker: Asker
): Effect.fn.Return<ApprovedRun | undefined, GatewayError> {
  if (command !== "system.run" || !claims(params)) return undefined
  const decoded = decodeRun(params)
  if (Exit.isFailure(decoded)) return yield* invalidRequest("invalid node.invoke params: at /params: not a command")
  const run = decoded.value
  const runId = run.runId?.trim() ?? ""
  if (runId === "") {
    return yield* invalidRequest("approval override requires params.runId", { details: { code: "MISSING_RUN_ID" } })
  }
  const granted = yield* approvals
    .spend({
      approvalId: runId,
      decision: run.approvalDecision ?? undefined,
      nodeId,
      asker,
      argv: run.command,
      rawCommand: run.rawCommand ?? undefined,
      cwd: run.cwd ?? undefined,
      agentId: run.agentId ?? undefined,
      sessionKey: run.sessionKey ?? undefined,
      env: run.env ?? undefined,
      key: idempotencyKey
    })
    .pipe(
      Effect.mapError((error) =>
        error._tag === "ApprovalRefused"
          ? invalidRequest(error.message, { details: { code: error.code, runId } })
          : unavailable(error.message, { retryable: true, retryAfterMs: 1000 })
      )
    )
  return { params: paramsOf(granted.plan, run), approved: { id: runId, decision: granted.decision } }
})
