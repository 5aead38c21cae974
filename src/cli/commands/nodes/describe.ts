import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { NodeRow } from "../../../protocol/methods/nodes.ts"
import { ask } from "../../gateway.ts"
import { ago, fields, plain, print } from "../../output.ts"
import { approvalOf, connectionOf, platformOf, resolveNode } from "./shared.ts"

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`

const statsOf = ({ hostStats }: NodeRow): string | undefined =>
  hostStats === undefined
    ? undefined
    : [
        `${hostStats.cpuCount} CPUs`,
        hostStats.loadAverage === undefined ? undefined : `load ${hostStats.loadAverage.join(" ")}`,
        `${gigabytes(hostStats.memoryFreeBytes)} of ${gigabytes(hostStats.memoryTotalBytes)} memory free`,
        hostStats.diskAvailableBytes === undefined ? undefined : `${gigabytes(hostStats.diskAvailableBytes)} disk free`
      ]
        .filter((part) => part !== undefined)
        .join(" · ")

const bullets = (title: string, names: ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  names === undefined || names.length === 0 ? [] : ["", title, ...[...names].sort().map((name) => `- ${plain(name)}`)]

const human = (node: NodeRow, now: number): string =>
  [
    fields([
      ["Id", node.nodeId],
      ["Name", node.displayName],
      ["Platform", platformOf(node)],
      ["Address", node.remoteIp],
      ["Pairing", node.paired === true ? "paired" : "not paired"],
      ["Connection", connectionOf(node, now)],
      ["Last seen", node.lastSeenAtMs === undefined ? undefined : ago(now, node.lastSeenAtMs)],
      ["Machine", statsOf(node)],
      ["PATH", node.pathEnv],
      ["Approval", approvalOf(node)],
      ["Request", node.pendingRequestId],
      ["Caps", node.caps?.join(", ")]
    ]),
    ...bullets("Commands", node.commands),
    ...bullets("Commands that wait for approval", node.pendingDeclaredCommands),
    ...(node.pendingRequestId === undefined
      ? []
      : ["", `Approve them with \`openclaw nodes approve ${plain(node.pendingRequestId)}\`.`])
  ].join("\n")

/** Prints `node.describe`. */
export const run = Effect.fn("cli.nodes.describe")(function* (flags: {
  readonly node: string
  readonly timeout: number
}) {
  const answer = yield* ask({ scopes: ["operator.read"], timeoutMs: flags.timeout }, (client) =>
    Effect.flatMap(resolveNode(client, flags.node), ({ nodeId }) => client.call["node.describe"]({ nodeId }))
  )
  const now = yield* Clock.currentTimeMillis
  yield* print(answer, () => human(answer, now))
})
