/**
 * `node.*`: the phones and computers that run commands, and the approval of what they may run.
 *
 * Times are Unix milliseconds, timeouts milliseconds.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { AddressOrNone, Name, NameOrNone, SessionKeyText } from "../text.ts"
import { method, NoParams } from "./method.ts"

const Strings = Schema.Array(Schema.String)
const Load = Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100_000 })))

/** What a node reports of its machine every minute. Sizes in bytes; `updatedAtMs` is when the Gateway received it. */
export const NodeHostStats = Schema.Struct({
  cpuCount: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 4096 }))),
  /** Averages over 1, 5 and 15 minutes; left out where the platform has none. */
  loadAverage: Schema.optional(Schema.Tuple([Load, Load, Load])),
  memoryTotalBytes: Schema.Natural,
  memoryFreeBytes: Schema.Natural,
  diskTotalBytes: Schema.optional(Schema.Natural),
  diskAvailableBytes: Schema.optional(Schema.Natural),
  updatedAtMs: Schema.optional(Schema.Natural)
})
export type NodeHostStats = typeof NodeHostStats.Type

/** A node as `node.list` and `node.describe` show it: paired, connected, or both. */
export const NodeRow = Schema.Struct({
  nodeId: Schema.NonEmptyString,
  displayName: Schema.optional(Schema.String),
  platform: Schema.optional(Schema.String),
  version: Schema.optional(Schema.String),
  clientId: Schema.optional(Schema.String),
  clientMode: Schema.optional(Schema.String),
  deviceFamily: Schema.optional(Schema.String),
  modelIdentifier: Schema.optional(Schema.String),
  remoteIp: Schema.optional(Schema.String),
  pathEnv: Schema.optional(Schema.String),
  caps: Schema.optional(Strings),
  /** What may be invoked now: declared, approved, and allowed by policy. */
  commands: Schema.optional(Strings),
  permissions: Schema.optional(Schema.Record(Schema.String, Schema.Boolean)),
  connectedAtMs: Schema.optional(Schema.Natural),
  lastConnectedAtMs: Schema.optional(Schema.Natural),
  lastSeenAtMs: Schema.optional(Schema.Natural),
  lastSeenReason: Schema.optional(Schema.String),
  /** Whether an operator approved what the node declares; `pending-approval` comes with the `pending…` fields. */
  approvalState: Schema.optional(Schema.Literals(["approved", "pending-approval", "unapproved"])),
  approvedAtMs: Schema.optional(Schema.Natural),
  pendingRequestId: Schema.optional(Schema.NonEmptyString),
  pendingDeclaredCaps: Schema.optional(Strings),
  pendingDeclaredCommands: Schema.optional(Strings),
  /** The last `node.host.stats` that the node sent. */
  hostStats: Schema.optional(NodeHostStats),
  paired: Schema.optional(Schema.Boolean),
  connected: Schema.optional(Schema.Boolean)
})
export type NodeRow = typeof NodeRow.Type

/** A node whose commands wait for an operator's approval. */
export const PendingNode = Schema.Struct({
  requestId: Schema.NonEmptyString,
  nodeId: Schema.NonEmptyString,
  clientId: Schema.optional(Schema.String),
  clientMode: Schema.optional(Schema.String),
  displayName: Schema.optional(Schema.String),
  platform: Schema.optional(Schema.String),
  version: Schema.optional(Schema.String),
  deviceFamily: Schema.optional(Schema.String),
  remoteIp: Schema.optional(Schema.String),
  caps: Schema.optional(Strings),
  commands: Schema.optional(Strings),
  /** Scopes that whoever approves must hold; shell commands ask for `operator.admin` too. */
  requiredApproveScopes: Schema.optional(Strings),
  silent: Schema.optional(Schema.Boolean),
  ts: Schema.Natural
})
export type PendingNode = typeof PendingNode.Type

/** A node whose commands were approved. */
export const PairedNode = Schema.Struct({
  nodeId: Schema.NonEmptyString,
  clientId: Schema.optional(Schema.String),
  clientMode: Schema.optional(Schema.String),
  displayName: Schema.optional(Schema.String),
  platform: Schema.optional(Schema.String),
  version: Schema.optional(Schema.String),
  deviceFamily: Schema.optional(Schema.String),
  remoteIp: Schema.optional(Schema.String),
  caps: Schema.optional(Strings),
  commands: Schema.optional(Strings),
  createdAtMs: Schema.optional(Schema.Natural),
  approvedAtMs: Schema.optional(Schema.Natural),
  lastConnectedAtMs: Schema.optional(Schema.Natural),
  lastSeenAtMs: Schema.optional(Schema.Natural),
  lastSeenReason: Schema.optional(Schema.String),
  lastHostStats: Schema.optional(NodeHostStats)
})
export type PairedNode = typeof PairedNode.Type

export const NodeInvokeParams = Schema.Struct({
  nodeId: Name,
  command: Name,
  params: Schema.optional(Schema.Unknown),
  timeoutMs: Schema.optional(Schema.Natural),
  idempotencyKey: Name,
  sessionKey: Schema.optional(SessionKeyText),
  turnSourceChannel: Schema.optional(NameOrNone),
  turnSourceTo: Schema.optional(AddressOrNone),
  turnSourceAccountId: Schema.optional(NameOrNone),
  turnSourceThreadId: Schema.optional(Schema.Union([NameOrNone, Schema.Finite]))
})
export type NodeInvokeParams = typeof NodeInvokeParams.Type

/** A node's answer: `payload` is the value, `payloadJSON` the same as text when the node sent it so. */
export const NodeInvokeAnswer = Schema.Struct({
  ok: Schema.Boolean,
  nodeId: Schema.NonEmptyString,
  command: Schema.NonEmptyString,
  payload: Schema.optional(Schema.Unknown),
  payloadJSON: Schema.optional(Schema.NullOr(Schema.String))
})
export type NodeInvokeAnswer = typeof NodeInvokeAnswer.Type

/** What a node sends back for one `node.invoke.request`. */
export const NodeInvokeResultParams = Schema.Struct({
  id: Name,
  nodeId: Name,
  ok: Schema.Boolean,
  payload: Schema.optional(Schema.Unknown),
  payloadJSON: Schema.optional(Schema.NullOr(Schema.String)),
  error: Schema.optional(
    Schema.NullOr(
      Schema.Struct({ code: Schema.optional(Schema.NonEmptyString), message: Schema.optional(Schema.NonEmptyString) })
    )
  )
})
export type NodeInvokeResultParams = typeof NodeInvokeResultParams.Type

const RequestId = Schema.Struct({ requestId: Name })

export const NodeMethods = RpcGroup.make(
  method("node.list", {
    access: "operator.read",
    params: NoParams,
    result: Schema.Struct({ ts: Schema.optional(Schema.Natural), nodes: Schema.optional(Schema.Array(NodeRow)) })
  }),
  method("node.describe", {
    access: "operator.read",
    params: Schema.Struct({ nodeId: Name }),
    result: Schema.Struct({ ts: Schema.optional(Schema.Natural), ...NodeRow.fields })
  }),
  method("node.invoke", { access: "operator.write", params: NodeInvokeParams, result: NodeInvokeAnswer }),
  method("node.invoke.result", {
    access: "node",
    params: NodeInvokeResultParams,
    result: Schema.Struct({ ok: Schema.Literal(true), ignored: Schema.optional(Schema.Boolean) })
  }),
  method("node.event", {
    access: "node",
    params: Schema.Struct({
      event: Name,
      payload: Schema.optional(Schema.Unknown),
      payloadJSON: Schema.optional(Schema.NullOr(Schema.String))
    }),
    result: Schema.Struct({
      ok: Schema.Boolean,
      event: Schema.optional(Schema.String),
      handled: Schema.optional(Schema.Boolean),
      reason: Schema.optional(Schema.String)
    })
  }),
  method("node.pair.list", {
    access: "operator.pairing",
    params: NoParams,
    result: Schema.Struct({ pending: Schema.Array(PendingNode), paired: Schema.Array(PairedNode) })
  }),
  method("node.pair.approve", {
    access: "operator.pairing",
    params: RequestId,
    result: Schema.Struct({ requestId: Schema.NonEmptyString, node: PairedNode })
  }),
  method("node.pair.reject", {
    access: "operator.pairing",
    params: RequestId,
    result: Schema.Struct({ requestId: Schema.NonEmptyString, nodeId: Schema.NonEmptyString })
  })
)
