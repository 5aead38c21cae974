/**
 * `Models` from the configuration: `anthropic/…`, `openai/…`, any `models.providers.<name>`, and `builtin/offline`.
 *
 * The configuration is read at every resolve, so that an edited file counts from the next turn on. Keys come from the
 * configuration or, through Effect's `ConfigProvider`, from the environment.
 */
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Config } from "../../services/Config.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { Models, ModelUnavailable, type ResolvedModel } from "../../services/Models.ts"
import { adapt } from "./adapt.ts"
import { fetchOver } from "./fetchOver.ts"
import { keyOf } from "./keys.ts"
import * as Offline from "./offline.ts"
import { loadModel, targetOf } from "./providers.ts"
import * as Reference from "./reference.ts"
import { defaultPolicy, type RetryPolicy } from "./retry.ts"

/** The reference of the rule-driven assistant that needs no provider. */
export const OFFLINE_REF = "builtin/offline"

/** Models that are kept as they were made: a name may be anything, and anybody who writes may name one. */
export const MOST_MADE = 64

class PackageFailed extends Schema.TaggedError<PackageFailed>()("PackageFailed", { cause: Schema.Defect() }) {}

const unavailable = (model: string, reason: ModelUnavailable["reason"], message: string) =>
  new ModelUnavailable({ model, reason, message })

const notConfigured = unavailable(
  "",
  "not-configured",
  `No language model is configured: set agents.defaults.model in openclaw.json, for example to "anthropic/<model>", "openai/<model>" or "${OFFLINE_REF}".`
)

/** Models that are there already, by their full reference. */
export type OwnModels = ReadonlyMap<string, LanguageModel.LanguageModel>

const make = (policy: RetryPolicy, own: OwnModels) =>
  Effect.gen(function* () {
    const config = yield* Config
    const environment = yield* ConfigProvider.ConfigProvider
    const fetch = fetchOver(yield* HttpClient.HttpClient)
    const offline = yield* Offline.make

    const settings = config.get.pipe(
      Effect.tapError((error) => Effect.logError("the configuration cannot be used", error.message)),
      Effect.mapError(() =>
        unavailable(
          "",
          "not-configured",
          "The Gateway's configuration cannot be used; `openclaw config validate` says what is wrong with it."
        )
      )
    )

    const load = (ref: Reference.ModelRef, current: OpenClawConfig) =>
      Effect.gen(function* () {
        const name = `${ref.provider}/${ref.model}`
        const provider = current.models?.providers?.[ref.provider]
        const entry = provider?.models?.find((model) => model.id === ref.model)
        const target = targetOf(ref.provider, provider, entry)
        if ("reason" in target) return yield* unavailable(name, target.reason, target.message)
        const key = (yield* keyOf(target, current, environment))?.value
        if (target.needsKey && key === undefined) {
          return yield* unavailable(
            name,
            "missing-key",
            `There is no key for ${ref.provider}: set models.providers.${ref.provider}.apiKey in openclaw.json, or ${target.keyVariable} in the Gateway's environment.`
          )
        }
        const loaded = yield* Effect.tryPromise({
          try: () => loadModel(target, ref.model, key && Redacted.value(key), fetch),
          catch: (cause) => new PackageFailed({ cause })
        }).pipe(
          Effect.tapError(({ cause }) =>
            Effect.logError(`the package of model provider ${ref.provider} failed`, cause)
          ),
          Effect.mapError(() =>
            unavailable(name, "load-failed", `The package of model provider ${ref.provider} could not be loaded.`)
          )
        )
        const maxOutputTokens = entry?.maxTokens ?? provider?.maxTokens
        return yield* adapt(loaded.model, {
          secrets: [
            ...(key === undefined ? [] : [key]),
            ...Object.values(target.headers).map((value) => Redacted.make(value))
          ],
          retry: policy,
          ...(provider?.timeoutSeconds === undefined ? undefined : { silenceMs: provider.timeoutSeconds * 1000 }),
          ...(maxOutputTokens === undefined ? undefined : { maxOutputTokens }),
          ...(loaded.providerOptions === undefined ? undefined : { providerOptions: loaded.providerOptions })
        })
      })

    /** What was made for a configuration, for as long as that is the one in force; what was used last is at the end. */
    const made = new WeakMap<OpenClawConfig, Map<string, LanguageModel.LanguageModel>>()
    const loadOnce = (ref: Reference.ModelRef, current: OpenClawConfig) =>
      Effect.suspend(() => {
        const models = made.get(current) ?? new Map<string, LanguageModel.LanguageModel>()
        made.set(current, models)
        const name = `${ref.provider}/${ref.model}`
        const keep = (model: LanguageModel.LanguageModel) => {
          models.delete(name)
          models.set(name, model)
          const [oldest] = models.keys()
          if (models.size > MOST_MADE && oldest !== undefined) models.delete(oldest)
        }
        const known = models.get(name)
        return Effect.tap(known === undefined ? load(ref, current) : Effect.succeed(known), (model) =>
          Effect.sync(() => keep(model))
        )
      })

    const resolveOne = (ref: string, current: OpenClawConfig): Effect.Effect<ResolvedModel, ModelUnavailable> =>
      Effect.gen(function* () {
        const parsed = Reference.parse(ref, current)
        if (parsed === undefined) {
          return yield* unavailable(
            ref,
            "unknown-provider",
            `"${ref}" names no model: write it as "provider/model", or list it once under models.providers.<provider>.models.`
          )
        }
        const full = `${parsed.provider}/${parsed.model}`
        const service: LanguageModel.LanguageModel =
          own.get(full) ?? (full === OFFLINE_REF ? offline : yield* loadOnce(parsed, current))
        const entry = current.models?.providers?.[parsed.provider]?.models?.find(({ id }) => id === parsed.model)
        return {
          ref: full,
          ...parsed,
          service,
          ...(entry?.contextWindow === undefined ? undefined : { contextWindow: entry.contextWindow })
        }
      })

    /** The first of the references that can be used. Of several that cannot, the first is the one to tell about. */
    const firstOf = (
      [ref, ...others]: ReadonlyArray<string>,
      current: OpenClawConfig
    ): Effect.Effect<ResolvedModel, ModelUnavailable> => {
      if (ref === undefined) return Effect.fail(notConfigured)
      if (others.length === 0) return resolveOne(ref, current)
      const next = Effect.suspend(() => firstOf(others, current))
      return resolveOne(ref, current).pipe(
        Effect.map((model) => ({ ...model, next })),
        Effect.catch((error) => Effect.mapError(next, () => error))
      )
    }

    /** The configured choices; where there are none, the app's own first. */
    const choices = (current: OpenClawConfig, agentId: string | undefined) => {
      const configured = Reference.configured(current, agentId)
      return configured.length > 0 ? configured : [...own.keys()].slice(0, 1)
    }

    return Models.of({
      resolve: Effect.fn("Models.resolve")(function* (ref, agentId) {
        const current = yield* settings
        return yield* firstOf(ref === undefined ? choices(current, agentId) : [ref], current)
      }),
      defaultRef: Effect.map(
        Effect.orElseSucceed(settings, (): OpenClawConfig => ({})),
        (current) => choices(current, undefined)[0]
      )
    })
  })

/** Resolves models; `policy` says how often a call that fails before it answers is tried again. */
export const layerWith = (
  policy: RetryPolicy,
  own: OwnModels = new Map()
): Layer.Layer<Models, never, Config | HttpClient.HttpClient> => Layer.effect(Models, make(policy, own))

export const layer: Layer.Layer<Models, never, Config | HttpClient.HttpClient> = layerWith(defaultPolicy)
