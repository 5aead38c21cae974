import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { ask } from "../../gateway.ts"
import { print, shortId, shortName, table } from "../../output.ts"
import { approvalOf, connectionOf, noneLeft, pendingTable, platformOf, wanted } from "./shared.ts"

/** Prints `node.pair.list` as JSON; for people, paired nodes with their connection, and requests. */
export const run = Effect.fn("cli.nodes.list")(function* (flags: {
  readonly connected: boolean
  readonly lastConnected: string | undefined
  readonly timeout: number
}) {
  const isWanted = yield* wanted(flags)
  const [pairs, all] = yield* ask(
    { scopes: ["operator.read", "operator.pairing"], timeoutMs: flags.timeout },
    (client) => Effect.all([client.call["node.pair.list"]({}), client.call["node.list"]({})])
  )
  const now = yield* Clock.currentTimeMillis
  const rows = (all.nodes ?? []).filter(isWanted)
  const ids = new Set(rows.map(({ nodeId }) => nodeId))
  const isPart = flags.connected || flags.lastConnected !== undefined
  const paired = isPart ? pairs.paired.filter(({ nodeId }) => ids.has(nodeId)) : pairs.paired
  yield* print({ ...pairs, paired }, () => {
    const summary = `Pending: ${pairs.pending.length} · Known: ${rows.length}`
    if (rows.length === 0 && pairs.pending.length === 0) {
      return isPart
        ? noneLeft(flags)
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
