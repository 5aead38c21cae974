/**
 * Who may write to the agent from outside, and what they share.
 */
import type { OpenClawConfig, TelegramAccountConfig } from "../../services/ConfigSchema.ts"
import type { Peer } from "../../services/Channel.ts"
import { decide, normalize, policyOf } from "../channels/policy.ts"
import { type Facts, type Finding, finding, when } from "./Finding.ts"

interface Account {
  readonly path: string
  readonly policy: TelegramAccountConfig
}

const isAll = (entry: string | number): boolean => normalize(entry) === "*"
const isNumeric = (entry: string | number): boolean => /^-?\d+$/.test(normalize(entry))

/** The accounts that receive, each with what holds for it. */
const accountsOf = (config: OpenClawConfig): ReadonlyArray<Account> => {
  const section = config.channels?.telegram
  if (section === undefined || section.enabled === false) return []
  const named = Object.entries(section.accounts ?? {}).filter(([, account]) => account.enabled !== false)
  return named.length === 0
    ? [{ path: "channels.telegram", policy: section }]
    : named.map(([id]) => ({ path: `channels.telegram.accounts.${id}`, policy: policyOf(config, "telegram", id) }))
}

/** Nobody's id: whom no list names. */
const STRANGER = "\0"

/** Whether the channel would answer a stranger who addresses the bot there: its own rules say. */
const admits = ({ policy }: Account, chatType: Peer["chatType"], chatId: string): boolean =>
  decide(policy, { peer: { chatType, chatId }, sender: { id: STRANGER }, addressed: true }, []).kind === "admit"

const opensDirect = (each: Account): boolean => admits(each, "direct", STRANGER)
/** A group that is listed, or any, where everybody may speak. */
const opensGroups = (each: Account): boolean =>
  [STRANGER, ...Object.keys(each.policy.groups ?? {})].some((chatId) => admits(each, "group", chatId))

const account = (each: Account): ReadonlyArray<Finding> => {
  const { path, policy } = each
  const { allowFrom = [], dmPolicy = "pairing" } = policy
  const lists = [
    ["allowFrom", allowFrom],
    ["groupAllowFrom", policy.groupAllowFrom ?? []]
  ] as const
  const inert = lists.flatMap(([name, list]) => {
    const names = list.filter((entry) => !isAll(entry) && !isNumeric(entry)).length
    return names === 0 ? [] : [`${path}.${name} (${names})`]
  })
  return [
    ...when(
      opensDirect(each),
      finding(
        "channels.telegram.dm.open",
        "critical",
        "Everybody may write to the bot",
        dmPolicy === "open" && allowFrom.length === 0
          ? `${path}.dmPolicy is "open".`
          : `${path}.allowFrom lets everybody in ("*").`,
        `set ${path}.dmPolicy to "pairing" or "allowlist", and list people by their numeric ids`
      )
    ),
    ...when(
      opensGroups(each),
      finding(
        "channels.telegram.group.open",
        "warn",
        policy.groups === undefined
          ? "Every group that adds the bot may talk to it"
          : "Everybody in a group of the bot may talk to it",
        policy.groupPolicy === "open" ? `${path}.groupPolicy is "open".` : `${path} lets every sender of a group in.`,
        `set groupPolicy to "allowlist" and list who may write in groupAllowFrom${policy.groupPolicy === "open" ? "; `openclaw security audit --fix` does the first" : ""}`
      )
    ),
    ...when(
      inert.length > 0,
      finding(
        "channels.telegram.allowFrom.mutable_entries_inert",
        "warn",
        "People are listed by names, which let nobody in",
        `${inert.join(", ")}: a username can be taken by somebody else, so only numeric ids count.`,
        "replace them by numeric Telegram ids"
      )
    )
  ]
}

/** Several people in one conversation see what the others said. */
const shared = (config: OpenClawConfig, accounts: ReadonlyArray<Account>): ReadonlyArray<Finding> => {
  if ((config.session?.dmScope ?? "main") !== "main") return []
  const people = new Set(accounts.flatMap(({ policy }) => (policy.allowFrom ?? []).map(normalize)))
  const open = accounts.some(opensDirect)
  return when(
    open || people.size > 1,
    finding(
      "channels.telegram.dm.scope_main_multiuser",
      "warn",
      "People who write to the bot share one conversation",
      `${open ? "everybody" : `${people.size} people`} may write, and session.dmScope is "main": each can ask what the others said.`,
      'set session.dmScope to "per-channel-peer"'
    )
  )
}

const owners = (config: OpenClawConfig): ReadonlyArray<Finding> =>
  when(
    (config.commands?.ownerAllowFrom ?? []).some(isAll),
    finding(
      "commands.owner_wildcard",
      "warn",
      "Everybody is written down as an owner, which is nobody here",
      'commands.ownerAllowFrom has "*". This Gateway passes it over; for OpenClaw everybody who may write would be an owner.',
      "list the owners by their numeric ids, as telegram:<id>"
    )
  )

/** Whether strangers reach an agent at all. */
export const isOpen = (config: OpenClawConfig): boolean =>
  accountsOf(config).some((each) => opensDirect(each) || opensGroups(each))

export const channels = ({ config }: Facts): ReadonlyArray<Finding> => {
  const accounts = accountsOf(config)
  const hasGroups = accounts.some(({ policy }) =>
    Object.values(policy.groups ?? {}).some(
      ({ enabled, groupPolicy }) => enabled !== false && (groupPolicy ?? policy.groupPolicy) !== "disabled"
    )
  )
  return [
    ...accounts.flatMap(account),
    ...shared(config, accounts),
    ...owners(config),
    ...when(
      isOpen(config) || hasGroups,
      finding(
        "security.trust_model.multi_user_heuristic",
        "warn",
        "Several people seem to use one Gateway",
        `${isOpen(config) ? "a channel is open" : "groups are configured"}; whoever may write to an agent may use all that it can reach.`,
        "give people who do not trust each other a Gateway each, under an operating system user of its own"
      )
    )
  ]
}
