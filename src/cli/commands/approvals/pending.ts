import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { ask } from "../../gateway.ts"
import { ago, duration, plain, print, table } from "../../output.ts"

/** Shows the commands that wait, each in full: that is what is decided about. */
export const run = Effect.fn("cli.approvals.pending")(function* ({ timeout }: { readonly timeout: number }) {
  const waiting = yield* ask(
    {
      scopes: ["operator.admin", "operator.approvals"],
      timeoutMs: timeout,
      waitingFor: "Asking for what waits"
    },
    (client) => client.call["exec.approval.list"]({})
  )
  const now = yield* Clock.currentTimeMillis
  const approvals = waiting.map(({ createdAtMs, expiresAtMs, id, request }) => ({
    id,
    kind: "exec",
    summary: request.command,
    agentId: request.agentId ?? null,
    sessionKey: request.sessionKey ?? null,
    host: request.host ?? null,
    nodeId: request.nodeId ?? null,
    cwd: request.cwd ?? null,
    allowedDecisions: request.allowedDecisions ?? ["allow-once", "allow-always", "deny"],
    createdAtMs,
    expiresAtMs
  }))
  yield* print({ approvals }, () =>
    approvals.length === 0
      ? "No pending approvals."
      : [
          table(
            ["Id", "Agent", "Session", "Asked", "Ends in", "Where"],
            approvals.map((approval) => [
              approval.id,
              approval.agentId ?? "",
              approval.sessionKey ?? "",
              ago(now, approval.createdAtMs),
              duration(approval.expiresAtMs - now),
              approval.nodeId ?? approval.host ?? ""
            ])
          ),
          ...approvals.map(({ allowedDecisions, cwd, id, summary }) =>
            [
              "",
              `${plain(id)}${cwd === null ? "" : ` in ${plain(cwd)}`}:`,
              `  ${plain(summary)}`,
              `  openclaw approvals resolve ${plain(id)} ${allowedDecisions.join("|")}`
            ].join("\n")
          )
        ].join("\n")
  )
})
