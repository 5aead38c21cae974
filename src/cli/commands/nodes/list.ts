import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { ask } from "../../gateway.ts"
import { print, shortId, shortName, table } from "../../output.ts"
import { approvalOf, connectionOf, pendingTable, platformOf } from "./shared.ts"

/** Prints `node.pair.list` as JSON; for people, paired nodes with their connection, and requests. */
export const run = Effect.fn("cli.nodes.list")(function* (flags: {
  readonly connected: boolean
  readonly timeout: number
}) {
  const [pairs, all] = yield* ask(
    { scopes: ["operator.read", "operator.pairing"], timeoutMs: flags.timeout },
    (client) => Effect.all([client.call["node.pair.list"]({}), client.call["node.list"]({})])
  )
  const now = yield* Clock.currentTimeMillis
  const rows = (all.nodes ?? []).filter((node) => !flags.connected || node.connected === true)
  const ids = new Set(rows.map(({ nodeId }) => nodeId))
  const paired = flags.connected ? pairs.paired.filter(({ nodeId }) => ids.has(nodeId)) : pairs.paired
  yield* print({ ...pairs, paired }, () => {
    const summary = `Pending: ${pairs.pending.length} · Known: ${rows.length}`
    if (rows.length === 0 && pairs.pending.length === 0) {
      return flags.connected
        ? "No node is connected."
        : "No nodes yet. Start one with `openclaw node run --host <gateway> --port <port>` on the machine that it shall be."
    }
    const nodes = table(
      ["Node", "Id", "Address", "Platform", "Connection", "Approval"],
      rows.map((node) => [
        shortName(node.displayName ?? ""),
        shortId(node.nodeId),
        node.remoteIp ?? "",
        platformOf(node),
        connectionOf(node, now),
        approvalOf(node) ?? ""
      ])
    )
    return [
      summary,
      ...(pairs.pending.length === 0
        ? []
        : ["", pendingTable(pairs.pending, now), "Approve one with `openclaw nodes approve <request>`."]),
      ...(rows.length === 0 ? [] : ["", nodes])
    ].join("\n")
  })
})
