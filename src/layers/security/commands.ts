/**
 * What those who are let in can have done: commands of nodes, tools over HTTP, programs that run unasked.
 */
import { DENIED } from "../gateway/http/tools.ts"
import { isDangerous, isKnown, rulesOf } from "../nodes/policy.ts"
import { isOpen } from "./channels.ts"
import { type ExecRule, type Facts, type Finding, finding, isRemote, when } from "./Finding.ts"

const nodes = ({ config }: Facts): ReadonlyArray<Finding> => {
  const { allow, deny } = rulesOf(config)
  const dangerous = [...allow].filter((command) => isDangerous(command) && !deny.has(command))
  const ineffective = [...deny].filter((command) => !isKnown(command))
  return [
    ...when(
      dangerous.length > 0,
      finding(
        "gateway.nodes.allow_commands_dangerous",
        isRemote(config.gateway ?? {}) ? "critical" : "warn",
        "Nodes may be asked for what reaches into a life",
        `gateway.nodes.commands.allow has ${dangerous.join(", ")}.`,
        "keep there what you use; each node still needs an approval for it"
      )
    ),
    ...when(
      ineffective.length > 0,
      finding(
        "gateway.nodes.deny_commands_ineffective",
        "warn",
        "What is denied is no command of a node",
        `gateway.nodes.commands.deny has ${ineffective.map((name) => JSON.stringify(name)).join(", ")}; entries are exact names, not patterns and not shell text.`,
        "name the commands, for example system.run"
      )
    )
  ]
}

const http = ({ config }: Facts): ReadonlyArray<Finding> => {
  const gateway = config.gateway ?? {}
  const opened = (gateway.tools?.allow ?? []).filter((tool) => DENIED.has(tool))
  return [
    ...when(
      gateway.http?.endpoints?.chatCompletions?.enabled === true,
      finding(
        "gateway.http.session_key_override_enabled",
        "info",
        "Whoever has the secret may write into any conversation over HTTP",
        "gateway.http.endpoints.chatCompletions is enabled, and x-openclaw-session-key chooses the session.",
        "leave the endpoint off where nothing uses it"
      )
    ),
    ...when(
      opened.length > 0,
      finding(
        "gateway.tools_invoke_http.dangerous_allow",
        isRemote(gateway) ? "critical" : "warn",
        "Tools that reach programs and machines are given over HTTP",
        `gateway.tools.allow has ${opened.join(", ")}.`,
        "take them out of gateway.tools.allow"
      )
    )
  ]
}

const list = (rules: ReadonlyArray<ExecRule>): string => rules.map(({ where }) => where).join(", ")

const programs = ({ config, execRules = [] }: Facts): ReadonlyArray<Finding> => {
  const open = isOpen(config)
  const unasked = execRules.filter(({ ask, security }) => security === "full" && ask === "off")
  const full = execRules.filter(({ security }) => security === "full")
  const skills = execRules.filter(({ autoAllowSkills }) => autoAllowSkills)
  return [
    ...when(
      full.length > 0,
      finding(
        "tools.exec.security_full_configured",
        open || unasked.length > 0 ? "critical" : "warn",
        unasked.length > 0 ? "Every program runs here without a question" : "Every program may run here",
        `exec-approvals.json says "full" for ${list(full)}${unasked.length > 0 ? `, and asks nobody for ${list(unasked)}` : ""}.`,
        'set security to "allowlist" and ask to "on-miss" (`openclaw approvals set`)'
      )
    ),
    ...when(
      skills.length > 0,
      finding(
        "tools.exec.auto_allow_skills_enabled",
        "warn",
        "What a skill names runs without a question",
        `exec-approvals.json has autoAllowSkills for ${list(skills)}.`,
        "set autoAllowSkills to false and list the programs"
      )
    ),
    ...when(
      open && full.length > 0,
      finding(
        "security.exposure.open_channels_with_exec",
        "critical",
        "Strangers reach an agent that can run programs",
        "a channel is open to everybody, and this machine runs every program.",
        'close the channel, or set security to "allowlist"'
      )
    )
  ]
}

const flags = ({ dangerousFlags = [] }: Facts): ReadonlyArray<Finding> =>
  dangerousFlags.map((path) =>
    finding(
      "config.insecure_or_dangerous_flags",
      "warn",
      "A switch that opens what is closed is on",
      `${path} is true. This Gateway does not know it and stays closed; OpenClaw's would open.`,
      `run \`openclaw config unset ${path}\``
    )
  )

export const commands = (facts: Facts): ReadonlyArray<Finding> => [
  ...nodes(facts),
  ...http(facts),
  ...programs(facts),
  ...flags(facts)
]
