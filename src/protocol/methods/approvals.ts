/**
 * `exec.approval.*`, `approval.*`, `exec.approvals.*`: commands that wait for a person's word, and the lists of what needs none.
 *
 * Times are Unix milliseconds.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { Name } from "../text.ts"
import { ExecApprovalsFile, ExecApprovalsSnapshot } from "./approvalsFile.ts"
import { method, NoParams, streamMethod } from "./method.ts"

export const ApprovalDecision = Schema.Literals(["allow-once", "allow-always", "deny"])
export type ApprovalDecision = typeof ApprovalDecision.Type
export const ApprovalKind = Schema.Literals(["exec", "plugin", "system-agent"])

const orNull = <S extends Schema.Top>(schema: S) => Schema.optional(Schema.NullOr(schema))
const textOrNull = orNull(Schema.String)

/** A command as its node prepared it; an approval counts for exactly this. */
export const SystemRunPlan = Schema.Struct({
  argv: Schema.Array(Schema.String),
  cwd: Schema.NullOr(Schema.String),
  commandText: Schema.String,
  commandPreview: textOrNull,
  agentId: Schema.NullOr(Schema.String),
  sessionKey: Schema.NullOr(Schema.String),
  policySnapshot: Schema.optional(Schema.Unknown),
  mutableFileOperand: orNull(Schema.Struct({ argvIndex: Schema.Natural, path: Schema.String, sha256: Schema.String }))
})
export type SystemRunPlan = typeof SystemRunPlan.Type

const Days = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 3650 })))
const Thread = Schema.Union([Schema.String, Schema.Finite])

/** Whose command it is, and where the turn that asks came from. */
const about = {
  host: textOrNull,
  security: textOrNull,
  ask: textOrNull,
  warningText: textOrNull,
  scope: Schema.optional(Schema.Unknown),
  agentId: textOrNull,
  resolvedPath: textOrNull,
  sessionKey: textOrNull,
  sessionId: textOrNull,
  runId: textOrNull,
  toolCallId: textOrNull,
  turnSourceChannel: textOrNull,
  turnSourceTo: textOrNull,
  turnSourceAccountId: textOrNull,
  turnSourceThreadId: orNull(Thread)
}

export const ExecApprovalRequestParams = Schema.Struct({
  id: Schema.optional(Name),
  command: Schema.optional(Schema.NonEmptyString),
  commandArgv: Schema.optional(Schema.Array(Schema.String)),
  systemRunPlan: Schema.optional(SystemRunPlan),
  env: Schema.optional(Schema.Record(Schema.String, Schema.String)),
  cwd: textOrNull,
  nodeId: orNull(Schema.NonEmptyString),
  unavailableDecisions: Schema.optional(Schema.Array(Schema.Literal("allow-always"))),
  commandSpans: Schema.optional(Schema.Array(Schema.Struct({ startIndex: Schema.Natural, endIndex: Schema.Natural }))),
  ...about,
  /** Counts only inside OpenClaw's own runtime, which never asks this Gateway. */
  approvalReviewerDeviceIds: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  /** `false`: it waits also where nobody could be told of it. */
  requireDeliveryRoute: Schema.optional(Schema.Boolean),
  /** Nobody is told; only who lists the requests finds it. */
  suppressDelivery: Schema.optional(Schema.Boolean),
  /** Clients that show approvals are told, and no channel. */
  deliverToApprovalClientsOnly: Schema.optional(Schema.Boolean),
  /** 30 minutes when left out, at most 30 days. */
  timeoutMs: Schema.optional(Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1)))),
  /** Answer at once that it waits, and again when it was decided. */
  twoPhase: Schema.optional(Schema.Boolean)
})
export type ExecApprovalRequestParams = typeof ExecApprovalRequestParams.Type

/** A command as those see it who decide. Text is escaped where a terminal or a page could be fooled by it. */
export const ApprovalRequest = Schema.Struct({
  command: Schema.String,
  /** Names of the variables that the command would be given. */
  envKeys: Schema.optional(Schema.Array(Schema.String)),
  /** What an approval is bound to. `envHash`: SHA-256 of the variables, `null` without any. */
  systemRunBinding: orNull(
    Schema.Struct({
      argv: Schema.Array(Schema.String),
      cwd: Schema.NullOr(Schema.String),
      agentId: Schema.NullOr(Schema.String),
      sessionKey: Schema.NullOr(Schema.String),
      envHash: Schema.NullOr(Schema.String)
    })
  ),
  systemRunPlan: orNull(SystemRunPlan),
  cwd: textOrNull,
  nodeId: textOrNull,
  allowedDecisions: Schema.optional(Schema.Array(ApprovalDecision)),
  ...about
})
export type ApprovalRequest = typeof ApprovalRequest.Type

/** One that waits, as lists and `exec.approval.requested` show it. */
export const PendingApproval = Schema.Struct({
  id: Schema.NonEmptyString,
  approvalKind: Schema.optional(Schema.Literal("exec")),
  request: ApprovalRequest,
  createdAtMs: Schema.Natural,
  expiresAtMs: Schema.Natural
})
export type PendingApproval = typeof PendingApproval.Type

/** `exec.approval.resolved`. Also for one that nobody decided in time: `deny`, resolved by nobody. */
export const ApprovalResolved = Schema.Struct({
  id: Schema.NonEmptyString,
  decision: ApprovalDecision,
  resolvedBy: Schema.NullOr(Schema.String),
  ts: Schema.Natural,
  request: ApprovalRequest
})

/** `decision` is `null` when nobody decided. */
const Decided = Schema.Struct({
  id: Schema.NonEmptyString,
  decision: Schema.NullOr(ApprovalDecision),
  createdAtMs: Schema.Natural,
  expiresAtMs: Schema.Natural
})
export type Decided = typeof Decided.Type
const Accepted = Schema.Struct({
  status: Schema.Literal("accepted"),
  id: Schema.NonEmptyString,
  /** How those who decide hear of it. */
  deliveryRoute: Schema.optional(Schema.String),
  createdAtMs: Schema.Natural,
  expiresAtMs: Schema.Natural
})

const Presentation = Schema.Struct({
  kind: Schema.Literal("exec"),
  commandText: Schema.NonEmptyString,
  commandPreview: textOrNull,
  warningText: textOrNull,
  host: textOrNull,
  nodeId: textOrNull,
  agentId: textOrNull,
  scope: Schema.optional(Schema.Unknown),
  allowedDecisions: Schema.Array(ApprovalDecision)
})

/** An approval as `approval.*` shows it: without working directory, variables and plan. */
export const ApprovalSnapshot = Schema.Struct({
  id: Schema.NonEmptyString,
  status: Schema.Literals(["pending", "allowed", "denied", "expired", "cancelled"]),
  presentation: Presentation,
  urlPath: Schema.NonEmptyString,
  createdAtMs: Schema.Natural,
  expiresAtMs: Schema.Natural,
  resolvedAtMs: Schema.optional(Schema.Natural),
  reason: Schema.optional(
    Schema.Literals([
      "user",
      "malformed-verdict",
      "no-route",
      "storage-corrupt",
      "timeout",
      "run-aborted",
      "gateway-restart"
    ])
  ),
  decision: Schema.optional(ApprovalDecision),
  source: Schema.optional(
    Schema.Struct({
      agentId: Schema.optional(Schema.NonEmptyString),
      sessionKey: Schema.optional(Schema.NonEmptyString)
    })
  ),
  resolver: Schema.optional(
    Schema.Struct({
      kind: Schema.Literals(["device", "channel", "runtime", "system"]),
      id: Schema.optional(Schema.NonEmptyString)
    })
  )
})
export type ApprovalSnapshot = typeof ApprovalSnapshot.Type

/** The person on a channel for whom a client decides; must be one who may decide there. */
const Reviewer = Schema.Struct({ channel: Name, accountId: Name, senderId: Name })
export type Reviewer = typeof Reviewer.Type

/** Some clients ask lists with params that mean nothing here. */
const AnyParams = Schema.Record(Schema.String, Schema.Unknown)
const Id = Schema.Struct({ id: Name })
const baseHash = Schema.optional(Schema.NonEmptyString)

export const ApprovalMethods = RpcGroup.make(
  /** Asks whether a command may run. Two answers with `twoPhase`: that the question stands, then what was decided. */
  streamMethod("exec.approval.request", {
    access: "operator.approvals",
    params: ExecApprovalRequestParams,
    result: Schema.Union([Accepted, Decided])
  }),
  /** Waits for what is decided of a question. Answers when it was decided, or when nobody did in time. */
  method("exec.approval.waitDecision", {
    access: "operator.approvals",
    repeat: "safe",
    params: Id,
    result: Schema.Struct({ ...Decided.fields, terminalReason: Schema.optional(Schema.String) })
  }),
  /** The questions that wait for an answer. */
  method("exec.approval.list", {
    access: "operator.approvals",
    params: AnyParams,
    result: Schema.Array(PendingApproval)
  }),
  /** One question that waits. `id` may be the beginning of one that waits. */
  method("exec.approval.get", {
    access: "operator.approvals",
    params: Id,
    result: Schema.Struct({
      id: Schema.NonEmptyString,
      commandText: Schema.String,
      commandPreview: textOrNull,
      allowedDecisions: Schema.Array(ApprovalDecision),
      host: textOrNull,
      nodeId: textOrNull,
      agentId: textOrNull,
      expiresAtMs: Schema.Natural
    })
  }),
  /** Answers a question: once, always, or no. */
  method("exec.approval.resolve", {
    access: "operator.approvals",
    repeat: "safe",
    params: Schema.Struct({
      id: Name,
      decision: Schema.NonEmptyString,
      reviewer: Schema.optional(Reviewer),
      grantExpiresInDays: Schema.optional(Days)
    }),
    result: Schema.Struct({ ok: Schema.Literal(true) })
  }),
  /** One approval of any kind, also one that was decided. */
  method("approval.get", {
    access: "operator.approvals",
    params: Id,
    result: Schema.Struct({ approval: ApprovalSnapshot })
  }),
  /** Answers an approval of any kind. `applied`: by this call. Otherwise it was decided before, and nothing changed. */
  method("approval.resolve", {
    access: "operator.approvals",
    repeat: "safe",
    params: Schema.Struct({
      id: Name,
      kind: ApprovalKind,
      decision: ApprovalDecision,
      reviewer: Schema.optional(Reviewer),
      grantExpiresInDays: Schema.optional(Days)
    }),
    result: Schema.Struct({ applied: Schema.Boolean, approval: ApprovalSnapshot })
  }),
  /** The approvals of before. Those that were decided or ran out, newest first; 50 when no limit is given. */
  method("approval.history", {
    access: "operator.approvals",
    repeat: "safe",
    params: Schema.Struct({
      cursor: Schema.optional(Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(512)))),
      limit: Schema.optional(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100 })))),
      kind: Schema.optional(ApprovalKind)
    }),
    result: Schema.Struct({
      items: Schema.Array(ApprovalSnapshot),
      nextCursor: Schema.optional(Schema.NonEmptyString)
    })
  }),
  /** Nothing of this Gateway asks in this way, so the list is empty; clients ask for it beside the other. */
  method("plugin.approval.list", {
    access: "operator.approvals",
    params: AnyParams,
    result: Schema.Array(Schema.Never)
  }),
  /** The same for OpenClaw's system agent. */
  method("openclaw.approval.list", {
    access: "operator.approvals",
    params: AnyParams,
    result: Schema.Array(Schema.Never)
  }),
  /** What this machine runs without asking. The list of this Gateway's own machine, which a node host with the same state directory obeys. */
  method("exec.approvals.get", { access: "operator.admin", params: NoParams, result: ExecApprovalsSnapshot }),
  /** Replaces what this machine runs without asking, where nobody changed it since `baseHash`. */
  method("exec.approvals.set", {
    access: "operator.admin",
    params: Schema.Struct({ file: ExecApprovalsFile, baseHash }),
    result: ExecApprovalsSnapshot
  }),
  /** What a node runs without asking, as the node tells it. */
  method("exec.approvals.node.get", {
    access: "operator.admin",
    params: Schema.Struct({ nodeId: Name }),
    result: Schema.Unknown
  }),
  /** Replaces what a node runs without asking. `file`, or `native` for nodes that keep a list of their own kind. */
  method("exec.approvals.node.set", {
    access: "operator.admin",
    params: Schema.Struct({
      nodeId: Name,
      file: Schema.optional(ExecApprovalsFile),
      native: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)),
      baseHash
    }),
    result: Schema.Unknown
  })
)
