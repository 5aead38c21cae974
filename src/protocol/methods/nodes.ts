/**
 * `node.*`: the phones and computers that run commands, and the approval of what they may run. Times are Unix milliseconds, timeouts milliseconds.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { AddressOrNone, Name, NameOrNone, SessionKeyText, Text } from "../text.ts"
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

/** What an app that sleeps most of the time says when it woke: the event `node.presence.alive`. */
export const NodePresenceAlive = Schema.Struct({
  trigger: Schema.Literals(["background", "silent_push", "bg_app_refresh", "significant_location", "manual", "connect"])
})

/** A tool of a plugin on the node: called by a node command, or by the MCP server and tool that it names. */
export const NodePluginTool = Schema.Struct({
  pluginId: Name,
  name: Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/))),
  description: Text,
  parameters: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)),
  command: Schema.optional(Name),
  mcp: Schema.optional(Schema.Struct({ server: Name, tool: Name }))
})
export type NodePluginTool = typeof NodePluginTool.Type

export const NodeSkill = Schema.Struct({
  name: Schema.String.pipe(
    Schema.check(Schema.isPattern(/^(?!.*--)[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/), Schema.isMaxLength(64))
  ),
  description: Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(1024))),
  content: Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(65_536)))
})
export type NodeSkill = typeof NodeSkill.Type

export const WorkType = Schema.Literals(["status.request", "location.request"])

/** Work that waits until a node asks for it. */
export const PendingWork = Schema.Struct({
  id: Schema.NonEmptyString,
  type: WorkType,
  priority: Schema.Literals(["default", "normal", "high"]),
  createdAtMs: Schema.Natural,
  expiresAtMs: Schema.optional(Schema.NullOr(Schema.Natural)),
  payload: Schema.optional(Schema.Record(Schema.String, Schema.Unknown))
})
export type PendingWork = typeof PendingWork.Type

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
  /** Whether an operator approved what the node declares. With a request that waits the `pending…` fields are there; what was approved before it goes on. */
  approvalState: Schema.optional(Schema.Literals(["approved", "pending-approval", "pending-reapproval", "unapproved"])),
  approvedAtMs: Schema.optional(Schema.Natural),
  pendingRequestId: Schema.optional(Schema.NonEmptyString),
  pendingDeclaredCaps: Schema.optional(Strings),
  pendingDeclaredCommands: Schema.optional(Strings),
  /** The last `node.host.stats` that the node sent. */
  hostStats: Schema.optional(NodeHostStats),
  /** Tools that plugins of the node offer, each called by a command that may be invoked now. */
  nodePluginTools: Schema.optional(Schema.Array(NodePluginTool)),
  /** Skills that the node offers, without their text. */
  nodeSkills: Schema.optional(Schema.Array(Schema.Struct({ name: Schema.String, description: Schema.String }))),
  /** What the node says that its runner can do. */
  runnerProtocolFeatures: Schema.optional(Strings),
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
/** What a node tells of its part in a trace that the request named (`traceparent`). Ours, not OpenClaw's. */
export const NodeSpan = Schema.Struct({
  spanId: Schema.String.pipe(Schema.check(Schema.isPattern(/^[\da-f]{16}$/))),
  /** Milliseconds from its arrival at the node to its answer. */
  tookMs: Schema.Finite.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))
})
export type NodeSpan = typeof NodeSpan.Type

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
  ),
  trace: Schema.optional(NodeSpan)
})
export type NodeInvokeResultParams = typeof NodeInvokeResultParams.Type

/** What a command that runs says before it answers. Chunks are numbered from 0 and put in order. */
export const NodeInvokeProgressParams = Schema.Struct({
  invokeId: Name,
  nodeId: Name,
  seq: Schema.Natural,
  /** At most 16,384 characters. */
  chunk: Schema.String.pipe(Schema.check(Schema.isMaxLength(16_384)))
})
export type NodeInvokeProgressParams = typeof NodeInvokeProgressParams.Type

const RequestId = Schema.Struct({ requestId: Name })
const NodeOfId = Schema.Struct({ nodeId: Name })
const nodeId = Schema.NonEmptyString
const Received = Schema.Struct({ ok: Schema.Literal(true), ignored: Schema.optional(Schema.Boolean) })

export const NodeMethods = RpcGroup.make(
  /** The nodes: those that are paired, those that are connected, and what each may be asked. */
  method("node.list", {
    access: "operator.read",
    params: NoParams,
    result: Schema.Struct({ ts: Schema.optional(Schema.Natural), nodes: Schema.optional(Schema.Array(NodeRow)) })
  }),
  /** One node. */
  method("node.describe", {
    access: "operator.read",
    params: Schema.Struct({ nodeId: Name }),
    result: Schema.Struct({ ts: Schema.optional(Schema.Natural), ...NodeRow.fields })
  }),
  /** Asks a node to carry out a command, and answers with what came of it. The same `idempotencyKey` again is the same call. */
  method("node.invoke", { access: "operator.write", params: NodeInvokeParams, result: NodeInvokeAnswer }),
  /** A node tells what became of a request. */
  method("node.invoke.result", { access: "node", params: NodeInvokeResultParams, result: Received }),
  /** A node tells a part of a command's output while the command runs. */
  method("node.invoke.progress", { access: "node", params: NodeInvokeProgressParams, result: Received }),
  /** A node tells of something that happened on it. Events of nodes that speak for their user have payloads as in `NodeEvents.ts`; the others are facts about the node. */
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
  /** The nodes whose commands were approved, and those that wait for it. */
  method("node.pair.list", {
    access: "operator.pairing",
    params: NoParams,
    result: Schema.Struct({ pending: Schema.Array(PendingNode), paired: Schema.Array(PairedNode) })
  }),
  /** Approves what a node declares, so that its commands may be invoked. */
  method("node.pair.approve", {
    access: "operator.pairing",
    params: RequestId,
    result: Schema.Struct({ requestId: Schema.NonEmptyString, node: PairedNode })
  }),
  /** Refuses what a node declares. */
  method("node.pair.reject", {
    access: "operator.pairing",
    params: RequestId,
    result: Schema.Struct({ requestId: Schema.NonEmptyString, nodeId: Schema.NonEmptyString })
  }),
  /** Takes a node's approval away. */
  method("node.pair.remove", {
    access: "operator.pairing",
    params: NodeOfId,
    result: Schema.Struct({ nodeId })
  }),
  /** Gives a node another name. */
  method("node.rename", {
    access: "operator.pairing",
    params: Schema.Struct({ nodeId: Name, displayName: Name }),
    result: Schema.Struct({ nodeId, displayName: Schema.NonEmptyString }),
    repeat: "safe"
  }),
  /** Leaves work for a node that is not connected, until it asks for it. */
  method("node.pending.enqueue", {
    access: "operator.write",
    params: Schema.Struct({
      nodeId: Name,
      type: WorkType,
      priority: Schema.optional(Schema.Literals(["normal", "high"])),
      expiresInMs: Schema.optional(
        Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1_000, maximum: 86_400_000 })))
      ),
      /** Asks that the node be woken; this Gateway has no way to, and says so. */
      wake: Schema.optional(Schema.Boolean)
    }),
    result: Schema.Struct({
      nodeId,
      revision: Schema.Natural,
      queued: PendingWork,
      wakeTriggered: Schema.Boolean
    }),
    repeat: "safe"
  }),
  /** A node asks for the work that waits for it. */
  method("node.pending.drain", {
    access: "node",
    params: Schema.Struct({
      maxItems: Schema.optional(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 10 }))))
    }),
    result: Schema.Struct({
      nodeId,
      revision: Schema.Natural,
      items: Schema.Array(PendingWork),
      hasMore: Schema.Boolean
    })
  }),
  /** A node says which tools its plugins have; they replace those that it said before. */
  method("node.pluginTools.update", {
    access: "node",
    params: Schema.Struct({ tools: Schema.Array(NodePluginTool) }),
    result: Schema.Struct({ nodeId, tools: Schema.Array(NodePluginTool) }),
    repeat: "safe"
  }),
  /** A node says which skills it has; they replace those that it said before. */
  method("node.skills.update", {
    access: "node",
    params: Schema.Struct({ skills: Schema.Array(NodeSkill).pipe(Schema.check(Schema.isMaxLength(64))) }),
    result: Schema.Struct({ nodeId, skills: Schema.Array(NodeSkill) }),
    repeat: "safe"
  }),
  /** A node says what its runner can do. */
  method("node.runnerInventory.update", {
    access: "node",
    params: Schema.Struct({
      protocolFeatures: Schema.Array(Name).pipe(Schema.check(Schema.isMaxLength(64))),
      workerHost: Schema.optional(Schema.Unknown)
    }),
    result: Schema.Struct({ nodeId }),
    repeat: "safe"
  })
)
