/**
 * What an approval is bound to: exactly the command, folder, variables, agent and session that a person saw.
 */
import { createHash } from "node:crypto"
import { sortedEntries } from "../../domain/sortedEntries.ts"
import type { ApprovalRequest, SystemRunPlan } from "../../protocol/methods/approvals.ts"
import { type Approval, ApprovalRefused, type Claim, type Granted } from "../../services/ExecApprovals.ts"

type Env = Readonly<Record<string, string>>

/** SHA-256 of the variables, whatever their order; `null` without any. Their values are not kept. */
export const envHash = (env: Env | undefined): string | null => {
  const entries = sortedEntries(env ?? {})
  return entries.length === 0 ? null : createHash("sha256").update(JSON.stringify(entries)).digest("hex")
}

export const bindingOf = (
  plan: SystemRunPlan,
  env: Env | undefined
): NonNullable<ApprovalRequest["systemRunBinding"]> => ({
  argv: plan.argv,
  cwd: plan.cwd,
  agentId: plan.agentId,
  sessionKey: plan.sessionKey,
  envHash: envHash(env)
})

/** Names of the variables, for those who decide. */
export const envKeysOf = (env: Env | undefined): ReadonlyArray<string> | undefined => {
  const entries = sortedEntries(env ?? {})
  return entries.length === 0 ? undefined : entries.map(([key]) => key)
}

const refused = (code: string, message: string) => new ApprovalRefused({ code, message })

const same = (given: string | undefined, approved: string | null): boolean =>
  given === undefined || given === "" || given === approved

/** Why an approval does not allow a run, or what it allows. Whether it was used before is not looked at. */
export const check = (approval: Approval | undefined, claim: Claim, now: number): Granted | ApprovalRefused => {
  if (approval === undefined) return refused("UNKNOWN_APPROVAL_ID", "unknown or expired approval id")
  const { asker, decision, request } = approval
  const { systemRunBinding: binding, systemRunPlan: plan } = request
  if (now > approval.expiresAtMs) return refused("APPROVAL_EXPIRED", "approval expired")
  if (typeof request.nodeId !== "string") {
    return refused("APPROVAL_NODE_BINDING_MISSING", "approval id missing node binding")
  }
  if (request.nodeId !== claim.nodeId) {
    return refused("APPROVAL_NODE_MISMATCH", "approval id not valid for this node")
  }
  if (asker.deviceId === undefined) {
    if (asker.connId !== claim.asker.connId) {
      return refused("APPROVAL_CLIENT_MISMATCH", "approval id not valid for this client")
    }
  } else if (asker.deviceId !== claim.asker.deviceId) {
    return refused("APPROVAL_DEVICE_MISMATCH", "approval id not valid for this device")
  }
  const mismatch = refused("APPROVAL_REQUEST_MISMATCH", "approval id does not match request")
  if (request.host !== "node" || plan === undefined || plan === null || binding === undefined || binding === null) {
    return mismatch
  }
  const isSame =
    JSON.stringify(claim.argv) === JSON.stringify(binding.argv) &&
    same(claim.rawCommand, plan.commandText) &&
    same(claim.cwd, binding.cwd) &&
    same(claim.agentId, binding.agentId) &&
    same(claim.sessionKey, binding.sessionKey) &&
    envHash(claim.env) === binding.envHash
  if (!isSame) return mismatch
  const isAllowed = approval.status === "allowed" && (decision === "allow-once" || decision === "allow-always")
  if (!isAllowed || (claim.decision !== undefined && claim.decision !== decision)) return required
  return { plan, decision }
}

/** The one answer for all that was not allowed, or not for this run. */
export const required = refused("APPROVAL_REQUIRED", "approval required")
