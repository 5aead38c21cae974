/**
 * How nodes are named on the command line and shown in lists.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { BriefClient } from "../../../client/BriefClient.ts"
import { amountOf, DURATIONS } from "../../../layers/sessions/amount.ts"
import type { NodeRow, PendingNode } from "../../../protocol/methods/nodes.ts"
import { CommandFailed } from "../../errors.ts"
import { ago, plain, shortId, shortName, table } from "../../output.ts"

/** Shorter beginnings of an id are too easily typed for another node. */
const MIN_PREFIX = 4

const nameOf = (node: NodeRow): string => shortName(node.displayName ?? shortId(node.nodeId))

const known = (nodes: ReadonlyArray<NodeRow>): string =>
  nodes.length === 0
    ? "No node is known yet; start one with `openclaw node run`."
    : `Known: ${nodes.map((node) => `${nameOf(node)} (${shortId(node.nodeId)})`).join(", ")}.`

/**
 * The one node that `query` names: by its id, else its display name or address (whatever the case), else the start of its
 * id. What names more than one is refused: a display name is whatever the node says.
 */
export const pickNode = (nodes: ReadonlyArray<NodeRow>, query: string): Effect.Effect<NodeRow, CommandFailed> => {
  const wanted = query.trim().toLowerCase()
  const exact = nodes.filter((node) => node.nodeId.toLowerCase() === wanted)
  const named = nodes.filter(
    (node) => node.displayName?.trim().toLowerCase() === wanted || (wanted !== "" && node.remoteIp === wanted)
  )
  const begins = wanted.length < MIN_PREFIX ? [] : nodes.filter((node) => node.nodeId.toLowerCase().startsWith(wanted))
  const found = [exact, named, begins].find((candidates) => candidates.length > 0) ?? []
  const [only] = found
  if (only !== undefined && found.length === 1) return Effect.succeed(only)
  return Effect.fail(
    new CommandFailed({
      message:
        only === undefined
          ? `unknown node: ${plain(query)}\n${known(nodes)}`
          : `${plain(query)} names ${found.length} nodes.\nFix: give the node's id: ${found.map(({ nodeId }) => plain(nodeId)).join(", ")}`
    })
  )
}

/** Asks the Gateway for its nodes and picks one. */
export const resolveNode = Effect.fnUntraced(function* (client: BriefClient, query: string) {
  const { nodes = [] } = yield* client.call["node.list"]({})
  return yield* pickNode(nodes, query)
})

/** Which nodes `--connected` and `--last-connected` leave. */
export const wanted = Effect.fnUntraced(function* (flags: {
  readonly connected: boolean
  readonly lastConnected: string | undefined
}) {
  const within = flags.lastConnected === undefined ? undefined : amountOf(flags.lastConnected, DURATIONS, 1)
  if (flags.lastConnected !== undefined && within === undefined) {
    return yield* new CommandFailed({
      message: `--last-connected ${plain(flags.lastConnected)} is no duration.\nFix: write an amount with a unit, such as 24h or 7d.`
    })
  }
  const since = within === undefined ? undefined : (yield* Clock.currentTimeMillis) - within
  return (node: NodeRow): boolean =>
    (!flags.connected || node.connected === true) &&
    (since === undefined || (node.lastConnectedAtMs !== undefined && node.lastConnectedAtMs >= since))
})

/** That none is left of those that there are. */
export const noneLeft = ({ lastConnected }: { readonly lastConnected: string | undefined }): string =>
  lastConnected === undefined ? "No node is connected." : "No such node connected within that time."

const approvals = {
  approved: "approved",
  "pending-approval": "waits for approval",
  "pending-reapproval": "waits for approval of more",
  unapproved: "not approved"
} as const

export const approvalOf = (node: NodeRow): string | undefined =>
  node.approvalState === undefined ? undefined : approvals[node.approvalState]

export const connectionOf = (node: NodeRow, now: number): string =>
  node.connected === true
    ? `connected (${ago(now, node.connectedAtMs)})`
    : `disconnected (seen ${ago(now, node.lastSeenAtMs)})`

/** `paired · connected (3m ago) · approved` */
export const stateOf = (node: NodeRow, now: number): string =>
  [node.paired === true ? "paired" : "not paired", connectionOf(node, now), approvalOf(node)]
    .filter((part) => part !== undefined)
    .join(" · ")

/** `linux v0.1.0`; the family only where it says more than the platform. */
export const platformOf = (node: NodeRow): string => {
  const model = node.modelIdentifier ?? node.deviceFamily
  const says = model?.toLowerCase() === node.platform?.toLowerCase() ? undefined : model
  return [node.platform, says, node.version === undefined ? undefined : `v${node.version}`]
    .filter((part) => part !== undefined)
    .join(" ")
}

/** Requests for approval, with all commands in full: they are what is being approved. */
export const pendingTable = (pending: ReadonlyArray<PendingNode>, now: number): string =>
  table(
    ["Request", "Node", "Id", "Address", "Requested", "Commands"],
    pending.map((request) => [
      request.requestId,
      shortName(request.displayName ?? ""),
      shortId(request.nodeId),
      request.remoteIp ?? "",
      ago(now, request.ts),
      (request.commands ?? []).join(" ") || "(none)"
    ])
  )
