/**
 * `models.list`, `models.authStatus`: read from the configuration as it is now. Nobody is asked over the network.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { invalidRequest } from "../../../protocol/GatewayError.ts"
import { type ModelChoice, ModelsMethods, type ProviderAuth } from "../../../protocol/methods/models.ts"
import { Config } from "../../../services/Config.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { Models } from "../../../services/Models.ts"
import { keyOf } from "../../models/keys.ts"
import { targetOf } from "../../models/providers.ts"
import * as Reference from "../../models/reference.ts"
import * as Time from "../../now.ts"
import { Access } from "../Access.ts"
import * as Agents from "../Agents.ts"
import * as SessionRows from "../SessionRows.ts"

/** The provider that is this program itself. */
const BUILTIN = "builtin"

const providersOf = (config: OpenClawConfig) => config.models?.providers ?? {}

/** `default`, and how soon the others are tried. */
const tagOf = (chosen: ReadonlyArray<string>, ref: string): ReadonlyArray<string> => {
  const at = chosen.indexOf(ref)
  return at < 0 ? [] : [at === 0 ? "default" : `fallback#${at}`]
}

/** The references that an agent uses, in full, first choice first. */
export const chosenBy = (config: OpenClawConfig, agentId: string): ReadonlyArray<string> =>
  Reference.configured(config, agentId).flatMap((ref) => {
    const parsed = Reference.parse(ref, config)
    return parsed === undefined ? [] : [`${parsed.provider}/${parsed.model}`]
  })

/** What answers `models.list`, also as part of other answers. */
export const makeList = Effect.gen(function* () {
  const config = yield* Config
  const models = yield* Models
  const settings = Effect.orDie(config.get)

  const choiceOf = Effect.fnUntraced(function* (
    current: OpenClawConfig,
    chosen: ReadonlyArray<string>,
    ref: string,
    withDetails: boolean
  ): Effect.fn.Return<ReadonlyArray<ModelChoice>> {
    const slash = ref.indexOf("/")
    const [provider, id] = [ref.slice(0, slash), ref.slice(slash + 1)]
    const entry = providersOf(current)[provider]?.models?.find((model) => model.id === id)
    const usable = yield* Effect.result(models.resolve(ref))
    const tags = tagOf(chosen, ref)
    const missing = Result.isFailure(usable) && usable.failure.reason === "missing-key"
    return [
      {
        id,
        name: entry?.name === undefined || entry.name === "" ? id : entry.name,
        provider,
        ...(entry?.contextWindow === undefined ? undefined : { contextWindow: entry.contextWindow }),
        ...(withDetails ? { input: ["text"] } : undefined),
        reasoning: false,
        ...(tags.length === 0 ? undefined : { tags }),
        thinkingLevels: SessionRows.thinking.thinkingLevels,
        thinkingDefault: SessionRows.thinking.thinkingDefault,
        available: Result.isSuccess(usable),
        ...(missing ? { unavailableReason: "missing-auth" as const } : undefined)
      }
    ]
  })

  return Effect.fn("Gateway.models.list")(function* (params: {
    readonly agentId?: string | undefined
    readonly sessionKey?: string | undefined
    readonly provider?: string | undefined
    readonly includeDetails?: boolean | undefined
  }) {
    const { defaultAgentId, ids } = yield* Agents.current
    const agentId =
      params.sessionKey === undefined
        ? params.agentId
        : (yield* Agents.liveSessionKey(params.sessionKey, params.agentId)).agentId
    if (agentId !== undefined && !ids.includes(agentId)) {
      return yield* invalidRequest(`unknown agent id "${agentId}"`)
    }
    const current = yield* settings
    const configured = chosenBy(current, agentId ?? defaultAgentId)
    const fallback = configured.length === 0 ? yield* models.defaultRef : undefined
    const chosen = fallback !== undefined && fallback.includes("/") ? [fallback] : configured
    const listed = Object.entries(providersOf(current)).flatMap(([provider, { models: entries = [] }]) =>
      entries.map(({ id }) => `${provider}/${id}`)
    )
    const refs = new Set([...chosen, ...listed].filter((ref) => !ref.startsWith("/") && !ref.endsWith("/")))
    const wanted = [...refs].filter((ref) => params.provider === undefined || ref.startsWith(`${params.provider}/`))
    if (params.provider !== undefined && wanted.length === 0 && !Object.hasOwn(providersOf(current), params.provider)) {
      return yield* invalidRequest(`unknown model provider "${params.provider}"`)
    }
    const withDetails = params.includeDetails === true
    return {
      models: (yield* Effect.forEach(wanted, (ref) => choiceOf(current, chosen, ref, withDetails))).flat()
    }
  })
})

export const layer = ModelsMethods.middleware(Access).toLayer(
  Effect.gen(function* () {
    const config = yield* Config
    const environment = yield* ConfigProvider.ConfigProvider
    const settings = Effect.orDie(config.get)
    const list = yield* makeList

    const authOf = Effect.fnUntraced(function* (
      current: OpenClawConfig,
      name: string
    ): Effect.fn.Return<ReadonlyArray<ProviderAuth>> {
      const target = targetOf(name, providersOf(current)[name])
      if ("reason" in target) return []
      const key = yield* keyOf(target, current, environment)
      // A server of one's own that takes no key has nothing to tell.
      if (key === undefined && !target.needsKey) return []
      return [
        {
          provider: name,
          authProvider: name,
          displayName: name,
          status: key === undefined ? "missing" : "static",
          profiles: [],
          ...(key === undefined ? undefined : { apiKey: { source: key.source } })
        }
      ]
    })

    const authStatus = Effect.fn("Gateway.models.authStatus")(function* (params: {
      readonly agentId?: string | undefined
    }) {
      const { ids } = yield* Agents.current
      const agentId = params.agentId === "" ? undefined : params.agentId
      if (agentId !== undefined && !ids.includes(agentId)) {
        return yield* invalidRequest(`unknown agent id "${agentId}"`, {
          details: { code: "UNKNOWN_AGENT_ID", agentId }
        })
      }
      const current = yield* settings
      const used = (agentId === undefined ? ids : [agentId]).flatMap((id) => chosenBy(current, id))
      const names = new Set([
        ...Object.keys(providersOf(current)),
        ...used.map((ref) => ref.slice(0, ref.indexOf("/")))
      ])
      names.delete(BUILTIN)
      names.delete("")
      const providers = (yield* Effect.forEach(names, (name) => authOf(current, name))).flat()
      return { ts: yield* Time.now, providers }
    })

    return { "models.list": list, "models.authStatus": authStatus }
  })
)
