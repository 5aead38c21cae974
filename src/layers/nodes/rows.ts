/**
 * Nodes as `node.list`, `node.describe` and `node.pair.list` show them.
 */
import type { NodePluginTool, NodeRow, PairedNode, PendingNode } from "../../protocol/methods/nodes.ts"
import type { NodeIdentity } from "../../services/NodeRegistry.ts"
import type { Connection } from "./connections.ts"
import { approveScopes, type CommandRules, isAllowed } from "./policy.ts"
import type { Approved, Identity, Request } from "./store.ts"
import { usable } from "./surface.ts"

/** Keys without a value are left out: the wire has no `undefined`. */
const present = <A extends object>(fields: A): { [K in keyof A]?: Exclude<A[K], undefined | null> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)) as never

export const identityOf = (node: NodeIdentity): Identity => ({
  clientId: node.clientId,
  clientMode: node.clientMode,
  ...present({
    displayName: node.displayName,
    platform: node.platform,
    version: node.version,
    deviceFamily: node.deviceFamily,
    modelIdentifier: node.modelIdentifier,
    remoteIp: node.remoteIp
  })
})

export const pendingNode = (request: Request): PendingNode => ({
  requestId: request.requestId,
  nodeId: request.nodeId,
  ...request.identity,
  caps: request.surface.caps,
  commands: request.surface.commands,
  requiredApproveScopes: approveScopes(request.surface.commands),
  silent: false,
  ts: request.requestedAt
})

export const pairedNode = (row: Approved, label?: string): PairedNode => ({
  nodeId: row.nodeId,
  ...row.identity,
  ...present({ displayName: label ?? row.identity.displayName }),
  caps: row.surface.caps,
  commands: row.surface.commands,
  createdAtMs: row.createdAt,
  approvedAtMs: row.approvedAt,
  ...present({
    lastConnectedAtMs: row.lastConnectedAt,
    lastSeenAtMs: row.lastSeenAt,
    lastSeenReason: row.lastSeenAt === null ? undefined : (row.lastSeenReason ?? "connect"),
    lastHostStats: row.hostStats
  })
})

/** The node host's command for a tool of an MCP server of its own. */
const MCP_CALL = "mcp.tools.call.v1"

const anyParameters = { type: "object", properties: {}, additionalProperties: true }

/** The tools whose command may be invoked; of two with one name the later. */
export const callable = (
  tools: ReadonlyArray<NodePluginTool>,
  commands: ReadonlyArray<string>
): ReadonlyArray<NodePluginTool> => [
  ...new Map(
    tools
      .filter(({ command, mcp }) => {
        const calls = command ?? (mcp === undefined ? undefined : MCP_CALL)
        return calls !== undefined && commands.includes(calls)
      })
      .map((tool) => [tool.name, { ...tool, parameters: tool.parameters ?? anyParameters }])
  ).values()
]

/** One node from what is stored and what is connected; at least one of the three is given. */
export const nodeRow = (
  nodeId: string,
  known: {
    readonly approved?: Approved | undefined
    readonly request?: Request | undefined
    readonly connection?: Connection | undefined
    /** What an operator calls it. */
    readonly label?: string | undefined
  },
  rules: CommandRules
): NodeRow => {
  const { approved, connection, label, request } = known
  const identity = connection ? identityOf(connection.node) : (approved?.identity ?? request?.identity)
  const surface = connection ? connection.approved : approved?.surface
  const commands = connection
    ? usable(connection.declared.commands, surface?.commands ?? []).filter((command) =>
        isAllowed(rules, connection.subject, command)
      )
    : (surface?.commands ?? []).toSorted()
  const seen =
    connection === undefined
      ? (approved?.lastSeenAt ?? undefined)
      : Math.max(connection.connectedAt, approved?.lastSeenAt ?? 0)
  return {
    nodeId,
    ...identity,
    ...present({ displayName: label ?? identity?.displayName }),
    caps: connection ? usable(connection.declared.caps, surface?.caps ?? []) : (surface?.caps ?? []),
    commands,
    ...present({
      pathEnv: connection?.node.pathEnv,
      permissions: connection?.node.permissions,
      connectedAtMs: connection?.connectedAt,
      lastConnectedAtMs: connection?.connectedAt ?? approved?.lastConnectedAt,
      lastSeenAtMs: seen,
      lastSeenReason: seen === undefined ? undefined : (approved?.lastSeenReason ?? "connect"),
      approvedAtMs: approved?.approvedAt,
      hostStats: connection?.hostStats ?? approved?.hostStats,
      nodePluginTools: connection === undefined ? undefined : callable(connection.tools, commands),
      nodeSkills:
        connection === undefined || approved === undefined
          ? undefined
          : connection.skills.map(({ description, name }) => ({ name, description })),
      runnerProtocolFeatures:
        connection === undefined || connection.features.length === 0 ? undefined : connection.features
    }),
    approvalState: request
      ? approved
        ? "pending-reapproval"
        : "pending-approval"
      : approved || connection?.subject.own
        ? "approved"
        : "unapproved",
    ...(request === undefined
      ? undefined
      : {
          pendingRequestId: request.requestId,
          pendingDeclaredCaps: request.surface.caps,
          pendingDeclaredCommands: request.surface.commands
        }),
    paired: true,
    connected: connection !== undefined
  }
}
