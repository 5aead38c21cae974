/**
 * Who may decide in a chat whether a command runs: the people that the configuration names, by the channel's immutable ids.
 */
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"

/** An id as `commands.ownerAllowFrom` writes it (`telegram:555`), or bare; `undefined` when it is for another channel. */
const idFor = (channel: string, entry: string | number): string | undefined => {
  const text = String(entry).trim()
  const match = /^([a-z]+):(.+)$/i.exec(text)
  if (match === null) return /^\d+$/.test(text) ? text : undefined
  const [, prefix = "", id = ""] = match
  const named = prefix.toLowerCase() === "tg" ? "telegram" : prefix.toLowerCase()
  return named === channel && /^\d+$/.test(id) ? id : undefined
}

const idsFor = (channel: string, entries: ReadonlyArray<string | number>): ReadonlyArray<string> => [
  ...new Set(entries.flatMap((entry) => idFor(channel, entry) ?? []))
]

/** The people of a channel to whom the Gateway belongs: `commands.ownerAllowFrom`. `*` is nobody. */
export const ownersOf = (config: OpenClawConfig, channel: string): ReadonlyArray<string> =>
  idsFor(channel, config.commands?.ownerAllowFrom ?? [])

/** Nobody where nobody is named: who may write to the bot may not decide for its owner. */
export const approversOf = (config: OpenClawConfig, channel: string, accountId: string): ReadonlyArray<string> => {
  const section = channel === "telegram" ? config.channels?.telegram : undefined
  const named = section?.accounts?.[accountId]?.execApprovals?.approvers ?? section?.execApprovals?.approvers
  return named === undefined ? ownersOf(config, channel) : idsFor(channel, named)
}

/** Whether they are told in their chats. They may decide there either way. */
export const isTold = (config: OpenClawConfig, channel: string, accountId: string): boolean => {
  const section = channel === "telegram" ? config.channels?.telegram : undefined
  return (section?.accounts?.[accountId]?.execApprovals?.enabled ?? section?.execApprovals?.enabled) !== false
}

/** Whether a question in a direct chat has buttons. A list of capabilities by name is an older way to say the same. */
export const hasButtons = (config: OpenClawConfig, channel: string, accountId: string): boolean => {
  const section = channel === "telegram" ? config.channels?.telegram : undefined
  for (const said of [section?.accounts?.[accountId]?.capabilities, section?.capabilities]) {
    if (said === undefined || !("inlineButtons" in said) || said.inlineButtons === undefined) continue
    return said.inlineButtons !== "off" && said.inlineButtons !== "group"
  }
  return true
}
