/**
 * Model references in the configuration: which one an agent uses, and what `provider/model` means.
 */
import { agentsOf, type ModelChoice, type OpenClawConfig } from "../../services/ConfigSchema.ts"

export interface ModelRef {
  readonly provider: string
  readonly model: string
}

const candidates = (choice: ModelChoice): ReadonlyArray<string> => {
  if (choice === undefined) return []
  if (typeof choice === "string") return [choice]
  return [...(choice.primary === undefined ? [] : [choice.primary]), ...(choice.fallbacks ?? [])]
}

/** The references to try for an agent, first choice first. An agent's own choice replaces the default as a whole. */
export const configured = (config: OpenClawConfig, agentId: string | undefined): ReadonlyArray<string> => {
  const agent = agentsOf(config).find((entry) => entry.id === agentId)
  const own = candidates(agent?.model)
  return own.length > 0 ? own : candidates(config.agents?.defaults?.model)
}

/** Splits at the first slash: model ids may contain more. A bare id is looked up in the configured providers' models. */
export const parse = (ref: string, config: OpenClawConfig): ModelRef | undefined => {
  const text = ref.trim()
  const slash = text.indexOf("/")
  if (slash > 0 && slash < text.length - 1) {
    return { provider: text.slice(0, slash), model: text.slice(slash + 1) }
  }
  if (slash >= 0 || text === "") return undefined
  const owners = Object.entries(config.models?.providers ?? {}).filter(([, provider]) =>
    provider.models?.some((model) => model.id === text)
  )
  const owner = owners.length === 1 ? owners[0]?.[0] : undefined
  return owner === undefined ? undefined : { provider: owner, model: text }
}
