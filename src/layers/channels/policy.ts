/**
 * Who may talk to the bot, and where: OpenClaw's `dmPolicy`, `groupPolicy`, `groups` and allow-lists, as a pure decision.
 *
 * Only the channel's immutable ids count. A list that names an `@username` never matches it, because a username can be
 * given up and taken by somebody else.
 */
import type { InboundMessage } from "../../services/Channel.ts"
import type { OpenClawConfig, TelegramAccountConfig } from "../../services/ConfigSchema.ts"

export type Policy = Pick<TelegramAccountConfig, "dmPolicy" | "allowFrom" | "groupPolicy" | "groupAllowFrom" | "groups">

export type Decision =
  | { readonly kind: "admit" }
  /** A stranger who may ask to be let in. */
  | { readonly kind: "pair" }
  /** Not answered. `reason` is for the log and says nothing of the text. */
  | { readonly kind: "drop"; readonly reason: string }

/** What of a message decides. */
export type Asking = Pick<InboundMessage, "addressed"> & {
  readonly peer: Pick<InboundMessage["peer"], "chatType" | "chatId">
  readonly sender: Pick<InboundMessage["sender"], "id">
}

type Ids = Policy["allowFrom"]

const admit: Decision = { kind: "admit" }
const drop = (reason: string): Decision => ({ kind: "drop", reason })

/** An entry of a list without the channel's name before it. */
export const normalize = (entry: string | number): string =>
  String(entry)
    .trim()
    .replace(/^(?:telegram|tg):/i, "")

const lists = (ids: Ids, id: string): boolean =>
  (ids ?? []).some((entry) => {
    const normalized = normalize(entry)
    return normalized === "*" || normalized === id
  })

const hasWildcard = (ids: Ids): boolean => (ids ?? []).some((entry) => normalize(entry) === "*")

/**
 * The policy of one channel account: what the account says, else what the channel says. A channel that names its senders
 * sets a bound: an account's `*` cannot open what the channel closed.
 */
export const policyOf = (config: OpenClawConfig, channel: string, accountId: string): Policy => {
  const section = channel === "telegram" ? config.channels?.telegram : undefined
  const account = section?.accounts?.[accountId]
  const bound = section?.allowFrom ?? []
  const isWidened = bound.length > 0 && !hasWildcard(bound) && hasWildcard(account?.allowFrom)
  return { ...section, ...account, ...(isWidened ? { allowFrom: bound } : undefined) }
}

const decideDirect = (policy: Policy, senderId: string, paired: ReadonlyArray<string>): Decision => {
  const listed = lists(policy.allowFrom, senderId)
  switch (policy.dmPolicy ?? "pairing") {
    case "disabled":
      return drop("direct messages are disabled")
    case "open":
      // Named senders narrow an open policy; without any it is open to all.
      return (policy.allowFrom ?? []).length === 0 || listed ? admit : drop("the sender is not in allowFrom")
    case "allowlist":
      return listed ? admit : drop("the sender is not in allowFrom")
    case "pairing":
      return listed || paired.includes(senderId) ? admit : { kind: "pair" }
  }
}

const decideGroup = (policy: Policy, message: Asking): Decision => {
  const { groups } = policy
  const { chatId } = message.peer
  const entry = { ...groups?.["*"], ...groups?.[chatId] }
  const groupPolicy = entry.groupPolicy ?? policy.groupPolicy ?? "allowlist"
  if (groupPolicy === "disabled") return drop("groups are disabled")
  if (entry.enabled === false) return drop("this group is disabled")
  const isListed = groups !== undefined && (groups[chatId] !== undefined || groups["*"] !== undefined)
  if (!isListed && !(groups === undefined && groupPolicy === "open")) return drop("the group is not in groups")
  // Being let in by pairing opens direct messages only.
  const senders =
    entry.allowFrom ?? (groupPolicy === "open" ? undefined : (policy.groupAllowFrom ?? policy.allowFrom ?? []))
  if (senders !== undefined && !lists(senders, message.sender.id)) {
    return drop(
      message.sender.id.startsWith("-")
        ? "the sender writes in the name of a chat, so nobody can tell who it is; groupPolicy is not open"
        : "the sender is not in groupAllowFrom"
    )
  }
  if ((entry.requireMention ?? true) && !message.addressed) return drop("the bot was not mentioned")
  return admit
}

/** Decides about one message. `paired` are the ids that were let in by pairing. */
export const decide = (policy: Policy, message: Asking, paired: ReadonlyArray<string>): Decision => {
  switch (message.peer.chatType) {
    case "direct":
      return decideDirect(policy, message.sender.id, paired)
    case "group":
      return decideGroup(policy, message)
    case "channel":
      return drop("posts of channels are not answered")
  }
}

const listWarnings = (path: string, ids: Ids): ReadonlyArray<string> =>
  (ids ?? []).flatMap((entry) => {
    const id = normalize(entry)
    if (id === "*" || /^\d+$/.test(id)) return []
    return [
      /^-\d+$/.test(id)
        ? `${path} has ${id}, which is a group: groups belong in "groups", people in this list`
        : `${path} has "${id}", which never matches: use the numeric Telegram user id, because usernames change hands`
    ]
  })

const ownWarnings = (path: string, policy: Policy): ReadonlyArray<string> => [
  ...listWarnings(`${path}.allowFrom`, policy.allowFrom),
  ...listWarnings(`${path}.groupAllowFrom`, policy.groupAllowFrom),
  ...Object.entries(policy.groups ?? {}).flatMap(([id, group]) =>
    listWarnings(`${path}.groups.${id}.allowFrom`, group.allowFrom)
  )
]

const emptyWarnings = (path: string, { allowFrom = [], dmPolicy }: Policy): ReadonlyArray<string> =>
  dmPolicy === "allowlist" && allowFrom.length === 0
    ? [`${path}.dmPolicy is "allowlist" and allowFrom is empty: nobody can write to the bot`]
    : []

/** What in the configuration does not do what it seems to. */
export const warningsOf = (config: OpenClawConfig): ReadonlyArray<string> => {
  const section = config.channels?.telegram
  if (section === undefined) return []
  const path = "channels.telegram"
  const accounts = Object.entries(section.accounts ?? {})
  return [
    ...ownWarnings(path, section),
    ...(accounts.length === 0 ? emptyWarnings(path, section) : []),
    ...accounts.flatMap(([id, account]) => [
      ...ownWarnings(`${path}.accounts.${id}`, account),
      ...emptyWarnings(`${path}.accounts.${id}`, policyOf(config, "telegram", id))
    ])
  ]
}
