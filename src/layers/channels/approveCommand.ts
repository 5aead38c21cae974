/**
 * `/approve <id> allow-once|allow-always|deny`, by somebody whom the configuration names as an owner.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ApprovalDecision } from "../../protocol/methods/approvals.ts"
import type { InboundMessage } from "../../services/Channel.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { ApprovalNotFound, type ExecApprovals } from "../../services/ExecApprovals.ts"
import { approversOf } from "../approvals/approvers.ts"
import { decisionsOf } from "../approvals/snapshot.ts"

const decode = Schema.decodeUnknownOption(ApprovalDecision)

export const usage = "Write `/approve <id> allow-once`, `allow-always` or `deny`."
export const notAllowed =
  "You may not decide this. The owner of the bot names who may in `commands.ownerAllowFrom` of openclaw.json."

/** OpenClaw takes these too. */
const words = new Map<string, ApprovalDecision>([
  ["allow", "allow-once"],
  ["once", "allow-once"],
  ["allowonce", "allow-once"],
  ["always", "allow-always"],
  ["allowalways", "allow-always"],
  ["reject", "deny"],
  ["block", "deny"]
])

const decisionOf = (word: string) => {
  const low = word.toLowerCase()
  return decode(words.get(low) ?? low)
}

/**
 * The decision, as part of the caller's transaction: a message that counts as dealt with has decided. What is said of it, and
 * what is done after the commit.
 */
export const approve = Effect.fnUntraced(function* (
  approvals: ExecApprovals["Service"],
  config: OpenClawConfig,
  { peer, sender }: InboundMessage,
  rest: string
): Effect.fn.Return<{ readonly text: string; readonly carryOut?: Effect.Effect<void> }> {
  if (!approversOf(config, peer.channel, peer.accountId).includes(sender.id)) return { text: notAllowed }
  const [first = "", second = "", ...more] = rest.split(/\s+/).filter((part) => part !== "")
  const isTurned = Option.isSome(decisionOf(first))
  const [id, decision] = isTurned ? [second, decisionOf(first)] : [first, decisionOf(second)]
  if (id === "" || more.length > 0 || Option.isNone(decision)) return { text: usage }
  const found = yield* Effect.result(approvals.pick(id))
  if (found._tag === "Failure") return { text: `${found.failure.message}.` }
  const approval = found.success
  if (!decisionsOf(approval).includes(decision.value)) {
    return { text: `${decision.value} is not possible for this command. ${usage}` }
  }
  const by = { kind: "channel", id: `${peer.channel}:${sender.id}` } as const
  const decided = yield* Effect.result(approvals.decide(approval.id, decision.value, by))
  if (decided._tag === "Failure") return { text: `${decided.failure.message}.` }
  const { applied, carryOut } = decided.success
  return {
    text: applied ? `${decision.value}: \`${approval.id}\`` : `${new ApprovalNotFound({ id }).message}.`,
    carryOut
  }
})
