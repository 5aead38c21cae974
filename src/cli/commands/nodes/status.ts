import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { ask } from "../../gateway.ts"
import { print, shortId, shortName, table } from "../../output.ts"
import { noneLeft, platformOf, stateOf, wanted } from "./shared.ts"

/** Prints `node.list`. */
export const run = Effect.fn("cli.nodes.status")(function* (flags: {
  readonly connected: boolean
  readonly lastConnected: string | undefined
  readonly timeout: number
}) {
  const isWanted = yield* wanted(flags)
  const answer = yield* ask({ scopes: ["operator.read"], timeoutMs: flags.timeout }, (client) =>
    client.call["node.list"]({})
  )
  const all = answer.nodes ?? []
  const nodes = all.filter(isWanted)
  const now = yield* Clock.currentTimeMillis
  yield* print({ ...answer, nodes }, () => {
    if (nodes.length < all.length && nodes.length === 0) return noneLeft(flags)
    if (nodes.length === 0) return "No nodes yet. Start one with `openclaw node run` on the machine that it shall be."
    const known = nodes.length
    const paired = nodes.filter((node) => node.paired === true).length
    const connected = nodes.filter((node) => node.connected === true).length
    const waits = nodes.some((node) => node.approvalState?.startsWith("pending"))
    return [
      `Known: ${known} · Paired: ${paired} · Connected: ${connected}`,
      "",
      table(
        ["Node", "Id", "Address", "Detail", "Status", "Caps"],
        nodes.map((node) => [
          shortName(node.displayName ?? ""),
          shortId(node.nodeId),
          node.remoteIp ?? "",
          platformOf(node),
          stateOf(node, now),
          (node.caps ?? []).join(", ")
        ])
      ),
      ...(waits ? ["", "Some nodes wait for approval: `openclaw nodes pending` shows what they ask for."] : [])
    ].join("\n")
  })
})
