import * as Effect from "effect/Effect"
import type { AgentSummary } from "../../../protocol/methods/agents.ts"
import { ask } from "../../gateway.ts"
import { fields, plain, print } from "../../output.ts"

const given = <K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } =>
  value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: string })

const block = (agent: AgentSummary, isDefault: boolean): string => {
  const { emoji, name } = agent.identity ?? {}
  const identity = [emoji, name ?? (emoji === undefined ? undefined : agent.name)].filter((text) => text !== undefined)
  const title = agent.name === undefined || agent.name === agent.id ? "" : ` (${plain(agent.name)})`
  const rest = fields([
    ["Identity", identity.length === 0 ? undefined : identity.join(" ")],
    ["Workspace", agent.workspace],
    ["Model", agent.model?.primary],
    ["Fallbacks", agent.model?.fallbacks?.join(", ")]
  ])
  const below = rest === "" ? [] : rest.split("\n").map((line) => `  ${line}`)
  return [`- ${plain(agent.id)}${title}${isDefault ? " (default)" : ""}`, ...below].join("\n")
}

/** Prints `agents.list`, in the form of OpenClaw's own command. */
export const run = Effect.fn("cli.agents.list")(function* (flags: { readonly timeout: number }) {
  const { agents, defaultId } = yield* ask({ scopes: ["operator.read"], timeoutMs: flags.timeout }, (client) =>
    client.call["agents.list"]({})
  )
  yield* print(
    agents.map((agent) => ({
      id: agent.id,
      ...given("name", agent.name),
      ...given("identityName", agent.identity?.name),
      ...given("identityEmoji", agent.identity?.emoji),
      ...given("workspace", agent.workspace),
      ...given("model", agent.model?.primary),
      isDefault: agent.id === defaultId
    })),
    () => ["Agents:", ...agents.map((agent) => block(agent, agent.id === defaultId))].join("\n")
  )
})
