/**
 * What the configuration says of agents and session keys, as far as requests need it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SessionKey from "../../domain/SessionKey.ts"
import { invalidRequest } from "../../protocol/GatewayError.ts"
import { Config } from "../../services/Config.ts"
import { agentsOf, defaultAgentId, type OpenClawConfig, primaryModel } from "../../services/ConfigSchema.ts"

export interface Agents {
  readonly defaultAgentId: string
  readonly ids: ReadonlyArray<string>
  readonly mainKey: string
  /** `provider/model` of the default agent, when one is configured. */
  readonly model: string | undefined
  readonly dmScope: string
}

/** What a configuration says of them. */
export const of = (config: OpenClawConfig): Agents => {
  const list = agentsOf(config)
  const chosen = defaultAgentId(config)
  const model = list.find(({ id }) => id === chosen)?.model
  return {
    defaultAgentId: chosen,
    ids: list.length === 0 ? [chosen] : list.map(({ id }) => id),
    mainKey: config.session?.mainKey ?? "main",
    model: primaryModel(model) ?? primaryModel(config.agents?.defaults?.model),
    dmScope: config.session?.dmScope ?? "main"
  }
}

/** As the configuration says now; no Gateway starts without a good one. */
export const current: Effect.Effect<Agents, never, Config> = Effect.gen(function* () {
  const config = yield* Config
  return of(yield* Effect.orDie(config.get))
})

const decodeKey = Schema.decodeUnknownOption(SessionKey.SessionKey)

/**
 * The conversation that a request means: `main` and other short keys belong to the agent named, or the default one. It need
 * not be one of an agent that is configured still: what an earlier one said can be read.
 */
export const sessionKey = Effect.fnUntraced(function* (input: string, agentId?: string) {
  const agents = yield* current
  const agent = agentId ?? agents.defaultAgentId
  const full = input.startsWith("agent:") ? input : `agent:${agent}:${input === "main" ? agents.mainKey : input}`
  const key = decodeKey(full)
  if (Option.isNone(key)) return yield* invalidRequest("sessionKey is longer than 512 characters")
  const owner = SessionKey.agentIdOf(key.value)
  if (owner === undefined || full === `agent:${owner}:`) {
    return yield* invalidRequest("sessionKey must be a name, or agent:<agent id>:<name>")
  }
  if (agentId !== undefined && agentId !== owner) {
    return yield* invalidRequest(`agent id "${agentId}" is not that of the session key`)
  }
  return { key: key.value, agentId: owner, agents }
})

/** The same for a request that adds to the conversation: its agent must be there to answer. */
export const liveSessionKey = Effect.fnUntraced(function* (input: string, agentId?: string) {
  const found = yield* sessionKey(input, agentId)
  if (found.agents.ids.includes(found.agentId)) return found
  return yield* invalidRequest(`unknown agent id "${found.agentId}"`)
})
