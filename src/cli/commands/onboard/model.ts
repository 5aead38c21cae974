/**
 * Step 1: which model answers. Nothing is kept before it has answered once.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { checkModel, keyProblem, serverOf } from "../../../layers/checks/model.ts"
import * as ConfigLayer from "../../../layers/config/Config.ts"
import { keyVariable, type ProviderTarget } from "../../../layers/models/providers.ts"
import * as Models from "../../../layers/models/Models.ts"
import { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { plain } from "../../output.ts"
import { waiting } from "../../progress.ts"
import * as State from "../../state.ts"
import { type Decided, type Secret, set, untouched } from "./Draft.ts"
import type { AuthChoice } from "./choices.ts"
import { fromVariable, inFile, type OnboardFlags, type Reader } from "./flags.ts"

/** The server that a model is at, and how it is talked to. */
export interface Place {
  /** The provider's name in the configuration. */
  readonly provider: string
  readonly baseUrl?: string | undefined
  readonly api?: string | undefined
}

export interface Plan extends Place {
  readonly model: string
  readonly key?: Secret | undefined
}

export const OFFLINE: Plan = { provider: "builtin", model: "offline" }
export const refOf = ({ model, provider }: Plan): string => `${provider}/${model}`

const decodeConfig = Schema.decodeUnknownEffect(OpenClawConfig)

/** What of a plan goes over the configuration for a try. */
const overridesOf = (plan: Plan, key: string | undefined) => ({
  models: {
    providers: {
      [plan.provider]: {
        ...(plan.baseUrl === undefined ? undefined : { baseUrl: plan.baseUrl }),
        ...(plan.api === undefined ? undefined : { api: plan.api }),
        ...(key === undefined ? undefined : { apiKey: key })
      }
    }
  }
})

/** Where the plan's requests would go; `undefined` when its address is none. */
export const targetOf = (config: OpenClawConfig, plan: Place): ProviderTarget | undefined =>
  serverOf(
    {
      ...config,
      models: {
        providers: {
          ...config.models?.providers,
          [plan.provider]: {
            ...config.models?.providers?.[plan.provider],
            ...(plan.baseUrl === undefined ? undefined : { baseUrl: plan.baseUrl }),
            ...(plan.api === undefined ? undefined : { api: plan.api })
          }
        }
      }
    },
    plan.provider
  )

/** One real, tiny request with the plan as it would be stored. */
export const tryOut = Effect.fn("cli.onboard.tryOut")(function* (plan: Plan) {
  const { variables } = yield* Environment
  const { configFile } = yield* State.plan
  const overrides = yield* Effect.orDie(
    decodeConfig(overridesOf(plan, plan.key === undefined ? undefined : Redacted.value(plan.key.value)))
  )
  const layer = Models.layerWith({ attempts: 1, baseMs: 0, maxMs: 0 }).pipe(
    Layer.provideMerge(ConfigLayer.layer({ file: configFile, env: variables, overrides })),
    Layer.provideMerge(ConfigProvider.layer(ConfigProvider.fromUnknown(variables)))
  )
  return yield* checkModel(refOf(plan)).pipe(Effect.provide(layer), waiting(`Asking ${plain(refOf(plan))}`))
})

/** `present`: the choice that is there, whose fallbacks stay. */
export const decided = (
  plan: Plan,
  present: OpenClawConfig,
  checked: { readonly elapsedMs: number } | undefined
): Decided => {
  const at = ["models", "providers", plan.provider]
  const choice = present.agents?.defaults?.model
  const model = ["agents", "defaults", "model", ...(typeof choice === "object" ? ["primary"] : [])]
  return {
    changes: [
      ...(plan.baseUrl === undefined ? [] : [set([...at, "baseUrl"], plan.baseUrl)]),
      ...(plan.api === undefined ? [] : [set([...at, "api"], plan.api)]),
      ...(plan.key === undefined ? [] : [set([...at, "apiKey"], plan.key.stored)]),
      set(model, refOf(plan))
    ],
    shown: `${refOf(plan)}${checked === undefined ? ", not tried" : `, answered in ${checked.elapsedMs} ms`}${
      typeof plan.key?.stored === "object" ? `, key in ${plan.key.stored.id}` : ""
    }`,
    report: { ref: refOf(plan), checked: checked !== undefined, elapsedMs: checked?.elapsedMs }
  }
}

const COMPATIBLE = {
  openai: "openai-completions",
  "openai-responses": "openai-responses",
  anthropic: "anthropic-messages"
} as const

/** The name of a server of one's own in the configuration. */
export const CUSTOM = "custom"

export const placeOf = (choice: AuthChoice, flags: OnboardFlags): Place | undefined => {
  switch (choice) {
    case "apiKey":
    case "anthropic-api-key":
      return { provider: "anthropic" }
    case "openai-api-key":
      return { provider: "openai" }
    case "openrouter-api-key":
      return { provider: "openrouter" }
    case "ollama":
      return { provider: "ollama", baseUrl: flags.customBaseUrl }
    case "custom-api-key":
      return {
        provider: flags.customProviderId ?? CUSTOM,
        baseUrl: flags.customBaseUrl,
        api: COMPATIBLE[flags.customCompatibility ?? "openai"]
      }
    default:
      return undefined
  }
}

const FLAG_OF: Readonly<Record<string, readonly [name: string, value: (flags: OnboardFlags) => string | undefined]>> = {
  anthropic: ["anthropic-api-key", (flags) => flags.anthropicApiKey],
  openai: ["openai-api-key", (flags) => flags.openaiApiKey],
  openrouter: ["openrouter-api-key", (flags) => flags.openrouterApiKey]
}

/** The key: given, in a file, or in the provider's variable; by reference where it is in the variable. */
const keyFrom = Effect.fnUntraced(function* (flags: OnboardFlags, reader: Reader, provider: string) {
  const [name, value] = FLAG_OF[provider] ?? ["custom-api-key", (given: OnboardFlags) => given.customApiKey]
  const variable = keyVariable(provider)
  const inShell = yield* fromVariable(variable)
  if (flags.secretInputMode === "ref") {
    if (inShell !== undefined) return inShell
    return yield* new CommandFailed({
      message: `--secret-input-mode ref keeps the key in ${variable}, which has no value here.\nFix: set ${variable}, here and where the Gateway runs; or leave the flag out.`
    })
  }
  const given = (yield* reader.flag(name, value(flags))) ?? (yield* reader.file("api-key-file", flags.apiKeyFile))
  const problem = keyProblem(Redacted.value(given ?? inShell?.value ?? Redacted.make("none")))
  if (problem !== undefined) {
    return yield* missing(`the key for ${plain(provider)} can be none: ${problem}.`, "copy it again, and nothing else.")
  }
  if (given !== undefined) return inFile(given)
  return inShell === undefined || flags.secretInputMode === undefined ? inShell : inFile(inShell.value)
})

/** The choice that is meant where only a key is given. */
const choiceOf = (flags: OnboardFlags): AuthChoice | undefined => {
  if (flags.authChoice !== undefined) return flags.authChoice
  if (flags.anthropicApiKey !== undefined) return "anthropic-api-key"
  if (flags.openaiApiKey !== undefined) return "openai-api-key"
  if (flags.openrouterApiKey !== undefined) return "openrouter-api-key"
  return flags.customBaseUrl !== undefined || flags.customApiKey !== undefined ? "custom-api-key" : undefined
}

/** Whether the flags say anything of this step. */
export const isGiven = (flags: OnboardFlags): boolean => choiceOf(flags) !== undefined || flags.model !== undefined

const missing = (what: string, fix: string) => new CommandFailed({ message: `${what}\nFix: ${fix}` })

/** The plan that the flags describe; nothing where they leave the model as it is. */
const planFrom = Effect.fnUntraced(function* (flags: OnboardFlags, reader: Reader, present: OpenClawConfig) {
  const choice = choiceOf(flags)
  if (choice === "skip") return undefined
  if (choice === "offline") return OFFLINE
  if (choice === undefined) {
    if (flags.model === undefined) return undefined
    const [provider = "", ...rest] = flags.model.split("/")
    if (provider === "" || rest.length === 0) {
      return yield* missing(
        `--model ${plain(flags.model)} names no provider.`,
        "write it as provider/model, or add --auth-choice."
      )
    }
    return { provider, model: rest.join("/"), key: yield* keyFrom(flags, reader, provider) } satisfies Plan
  }
  const place = placeOf(choice, flags)
  if (place === undefined) return undefined
  if (place.provider === (flags.customProviderId ?? CUSTOM) && place.baseUrl === undefined) {
    return yield* missing(
      "--auth-choice custom-api-key needs the server's address.",
      "pass --custom-base-url, such as http://127.0.0.1:8080/v1."
    )
  }
  const own =
    flags.model?.startsWith(`${place.provider}/`) === true ? flags.model.slice(place.provider.length + 1) : flags.model
  const model = flags.customModelId ?? own
  if (model === undefined) {
    return yield* missing(
      `--auth-choice ${choice} needs the model's name.`,
      "pass --model, such as the provider's own pages name it."
    )
  }
  const key = yield* keyFrom(flags, reader, place.provider)
  const target = targetOf(present, place)
  if (
    target?.needsKey === true &&
    key === undefined &&
    present.models?.providers?.[place.provider]?.apiKey === undefined
  ) {
    return yield* missing(
      `there is no key for ${place.provider}.`,
      `set ${keyVariable(place.provider)}, or pass --api-key-file, or --${place.provider}-api-key - with the key on standard input.`
    )
  }
  return { ...place, model, key } satisfies Plan
})

/** The whole step by flags. Fails where the model does not answer, unless nothing is to be tried. */
export const byFlags = Effect.fn("cli.onboard.model")(function* (
  flags: OnboardFlags,
  reader: Reader,
  present: OpenClawConfig
) {
  const plan = yield* planFrom(flags, reader, present)
  if (plan === undefined) return untouched
  return decided(plan, present, flags.skipChecks ? undefined : yield* tryOut(plan))
})
