import * as Effect from "effect/Effect"
import { GatewayError } from "../../../protocol/GatewayError.ts"
import type { ApprovalDecision } from "../../../protocol/methods/approvals.ts"
import { CommandFailed } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { plain, print } from "../../output.ts"

const failed = (message: string) => new CommandFailed({ message })

/** The same word again is no error; another one after it is. */
export const run = Effect.fn("cli.approvals.resolve")(function* (flags: {
  readonly id: string
  readonly decision: ApprovalDecision
  readonly reason: string | undefined
  readonly timeout: number
}) {
  const { decision, id } = flags
  const answer = yield* ask(
    {
      scopes: ["operator.admin", "operator.approvals"],
      timeoutMs: flags.timeout,
      waitingFor: "Telling the Gateway"
    },
    Effect.fnUntraced(
      function* (client) {
        const { approval } = yield* client.call["approval.get"]({ id })
        const { allowedDecisions } = approval.presentation
        if (!allowedDecisions.includes(decision)) {
          return yield* failed(`${decision} is not possible here.\nFix: say one of ${allowedDecisions.join(", ")}.`)
        }
        return yield* client.call["approval.resolve"]({ id, kind: approval.presentation.kind, decision })
      },
      Effect.mapError((error) =>
        error instanceof GatewayError && error.message === "approval not found"
          ? failed(`no approval has the id ${plain(id)}.\nFix: take the id from \`openclaw approvals pending\`.`)
          : error
      )
    )
  )
  const { applied, approval } = answer
  if (!applied && approval.decision !== decision) {
    return yield* failed(
      approval.status === "expired"
        ? `${plain(id)} expired before anybody answered.\nFix: let the agent ask again.`
        : `${plain(id)} is already resolved: ${approval.decision ?? approval.status}.\nFix: none is needed; \`openclaw approvals pending\` shows what still waits.`
    )
  }
  const note = flags.reason === undefined ? "" : ` (${plain(flags.reason)})`
  yield* print({ ...answer, ...(flags.reason === undefined ? undefined : { note: flags.reason }) }, () =>
    applied
      ? `${decision}: ${plain(approval.presentation.commandText)}${note}`
      : `already resolved (same decision)${note}`
  )
})
