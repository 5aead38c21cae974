/**
 * Approvals as the wire shows them.
 */
import type { ApprovalDecision, ApprovalSnapshot, Decided, PendingApproval } from "../../protocol/methods/approvals.ts"
import type { Approval } from "../../services/ExecApprovals.ts"
import { escapedOrNull } from "./display.ts"

export const decisionsOf = ({ request }: Approval): ReadonlyArray<ApprovalDecision> =>
  request.allowedDecisions ?? ["allow-once", "allow-always", "deny"]

export const pendingOf = ({ createdAtMs, expiresAtMs, id, request }: Approval): PendingApproval => ({
  id,
  request,
  createdAtMs,
  expiresAtMs,
  approvalKind: "exec"
})

/** Only a person's word is a decision here; time that ran out, or nobody there to ask, is none. */
export const decidedOf = ({ createdAtMs, decision, expiresAtMs, id, reason }: Approval): Decided => ({
  id,
  decision: reason === "user" || reason === "malformed-verdict" ? (decision ?? null) : null,
  createdAtMs,
  expiresAtMs
})

/** Clients may ask with empty names; what shows an approval has no word for those. */
const named = (name: string | null | undefined): string | null =>
  typeof name === "string" && name !== "" ? name : null

const source = ({ request }: Approval) => {
  const agentId = named(request.agentId)
  const sessionKey = named(request.sessionKey)
  return {
    ...(agentId === null ? undefined : { agentId }),
    ...(sessionKey === null ? undefined : { sessionKey })
  }
}

/** The other words for it, as a person may see them. */
export const previewOf = ({ request }: Approval): string | null => escapedOrNull(request.systemRunPlan?.commandPreview)

/** Without working directory, variables and plan. */
export const snapshotOf = (approval: Approval): ApprovalSnapshot => {
  const { decision, id, reason, request, resolvedAtMs, resolver, status } = approval
  return {
    id,
    status,
    presentation: {
      kind: "exec",
      commandText: request.command,
      commandPreview: previewOf(approval),
      warningText: request.warningText ?? null,
      host: request.host ?? null,
      nodeId: named(request.nodeId),
      agentId: named(request.agentId),
      allowedDecisions: decisionsOf(approval)
    },
    urlPath: `/approve/${encodeURIComponent(id)}`,
    createdAtMs: approval.createdAtMs,
    expiresAtMs: approval.expiresAtMs,
    ...(status === "pending"
      ? undefined
      : { resolvedAtMs: resolvedAtMs ?? approval.expiresAtMs, source: source(approval) }),
    ...(reason === undefined ? undefined : { reason }),
    ...(decision === undefined ? undefined : { decision }),
    ...(resolver === undefined ? undefined : { resolver })
  }
}
