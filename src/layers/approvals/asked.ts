/**
 * What a client asks approval for, checked and settled as the request that those who decide see.
 */
import * as Effect from "effect/Effect"
import { honestPreview, honestText } from "../../domain/CommandLine.ts"
import { type GatewayError, invalidRequest } from "../../protocol/GatewayError.ts"
import type { ApprovalDecision, ExecApprovalRequestParams, SystemRunPlan } from "../../protocol/methods/approvals.ts"
import type { Asker, Delivery, NewApproval } from "../../services/ExecApprovals.ts"
import { bindingOf, envKeysOf } from "./binding.ts"
import { isShowable } from "./display.ts"

const DEFAULT_TIMEOUT_MS = 30 * 60_000
const LONGEST_TIMEOUT_MS = 30 * 24 * 60 * 60_000

/** OpenClaw keeps ids of this form for what plugins ask. */
const RESERVED = "plugin:"

/** An id is copied into commands and addresses: nothing that means something there. */
const ID = /^[A-Za-z0-9._:-]{1,128}$/
const isId = (id: string) => ID.test(id) && id !== "." && id !== ".."
const badId = invalidRequest(
  "approval id must be 1-128 characters using only letters, numbers, '.', '_', ':', or '-', and cannot be '.' or '..'",
  { details: { code: "EXEC_APPROVAL_ID_INVALID", reason: "INVALID_APPROVAL_ID" } }
)
const tooLong = invalidRequest("command exceeds exec approval display limit", {
  details: { reason: "EXEC_APPROVAL_COMMAND_DISPLAY_LIMIT" }
})

/** Where every command needs a person, none can be allowed for ever. */
export const decisionsFor = (options: {
  readonly ask: string | null | undefined
  readonly unavailable?: ReadonlyArray<string> | undefined
}): ReadonlyArray<ApprovalDecision> =>
  options.ask === "always" || options.unavailable?.includes("allow-always") === true
    ? ["allow-once", "deny"]
    : ["allow-once", "allow-always", "deny"]

/** Other words than the plan's own, for people: only such as say the same. */
const previewOf = (words: string | null | undefined, { argv, commandText }: SystemRunPlan): string | null =>
  typeof words !== "string" || words === commandText ? null : honestPreview(words, argv)

const settle = (params: ExecApprovalRequestParams) => {
  const { systemRunPlan: plan } = params
  if (plan === undefined) return { command: params.command ?? "", plan: null, binding: null }
  const commandPreview = previewOf(plan.commandPreview ?? params.command, plan)
  return {
    command: honestText(plan.commandText, plan.argv),
    plan: { ...plan, commandPreview },
    binding: bindingOf(plan, params.env)
  }
}

const problemOf = ({ command, host, id, nodeId, systemRunPlan }: ExecApprovalRequestParams): string | undefined => {
  if (id?.startsWith(RESERVED) === true) return `approval ids starting with ${RESERVED} are reserved`
  if (id === "." || id === "..") return `the approval id ${id} cannot be part of a path`
  if (host === "node") {
    if (typeof nodeId !== "string") return "nodeId is required for host=node"
    if (systemRunPlan === undefined) return "systemRunPlan is required for host=node"
    if (systemRunPlan.argv.length === 0 || systemRunPlan.commandText === "") return "systemRunPlan is empty"
    return undefined
  }
  if (systemRunPlan !== undefined) {
    return systemRunPlan.argv.length === 0 || systemRunPlan.commandText === "" ? "systemRunPlan is empty" : undefined
  }
  return command === undefined ? "command is required" : undefined
}

/** What one question may take up, as text; it is kept for a month, and parts of it go to people. */
const LARGEST = 262_144

const deliveryOf = ({ deliverToApprovalClientsOnly, suppressDelivery }: ExecApprovalRequestParams): Delivery => {
  if (suppressDelivery === true) return "none"
  return deliverToApprovalClientsOnly === true ? "clients" : "all"
}

export const newApproval = Effect.fnUntraced(function* (
  params: ExecApprovalRequestParams,
  asker: Asker
): Effect.fn.Return<NewApproval, GatewayError> {
  if (JSON.stringify(params).length > LARGEST) return yield* tooLong
  const problem = problemOf(params)
  if (problem !== undefined) return yield* invalidRequest(problem)
  if (params.id !== undefined && !isId(params.id)) return yield* badId
  const { binding, command, plan } = settle(params)
  if (!isShowable(command)) return yield* tooLong
  const envKeys = envKeysOf(params.env)
  return {
    id: params.id,
    asker,
    timeoutMs: Math.min(params.timeoutMs ?? DEFAULT_TIMEOUT_MS, LONGEST_TIMEOUT_MS),
    allowedDecisions: decisionsFor({ ask: params.ask, unavailable: params.unavailableDecisions }),
    delivery: deliveryOf(params),
    waitsUntold: params.requireDeliveryRoute === false,
    request: {
      command,
      ...(envKeys === undefined ? undefined : { envKeys }),
      systemRunBinding: binding,
      systemRunPlan: plan,
      cwd: plan?.cwd ?? params.cwd ?? null,
      nodeId: params.nodeId ?? null,
      host: params.host ?? null,
      security: params.security ?? null,
      ask: params.ask ?? null,
      warningText: params.warningText ?? null,
      scope: params.scope ?? null,
      agentId: plan?.agentId ?? params.agentId ?? null,
      resolvedPath: params.resolvedPath ?? null,
      sessionKey: plan?.sessionKey ?? params.sessionKey ?? null,
      sessionId: params.sessionId ?? null,
      runId: params.runId ?? null,
      toolCallId: params.toolCallId ?? null,
      turnSourceChannel: params.turnSourceChannel ?? null,
      turnSourceTo: params.turnSourceTo ?? null,
      turnSourceAccountId: params.turnSourceAccountId ?? null,
      turnSourceThreadId: params.turnSourceThreadId ?? null
    }
  }
})
