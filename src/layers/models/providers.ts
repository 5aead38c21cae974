/**
 * The providers: where each one is, which key it takes, and how its package is loaded.
 *
 * A package is imported when the first model that needs it is resolved. Base URL and key are always passed, so that no
 * package looks into the environment by itself.
 */
import type { LanguageModelV4, SharedV4ProviderOptions } from "@ai-sdk/provider"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"

export type ProviderConfig = NonNullable<NonNullable<OpenClawConfig["models"]>["providers"]>[string]

/** The wire formats that are spoken, by the names of `models.providers.<name>.api`. */
export const apiKinds = ["openai-completions", "openai-responses", "anthropic-messages", "ollama"] as const
export type ApiKind = (typeof apiKinds)[number]

/** A provider that a call can be made to. */
export interface ProviderTarget {
  readonly name: string
  readonly api: ApiKind
  /** With the version segment that the package expects, without a trailing slash. */
  readonly baseUrl: string
  readonly headers: Readonly<Record<string, string>>
  /** Refuses to run without a key. A server of one's own often needs none. */
  readonly needsKey: boolean
  /** The environment variable that may hold the key. */
  readonly keyVariable: string
}

interface Known {
  readonly api: ApiKind
  readonly baseUrl: string
  readonly needsKey: boolean
}

/** Providers that need no `baseUrl` in the configuration. */
const known: Readonly<Record<string, Known>> = {
  anthropic: { api: "anthropic-messages", baseUrl: "https://api.anthropic.com", needsKey: true },
  openai: { api: "openai-completions", baseUrl: "https://api.openai.com/v1", needsKey: true },
  openrouter: { api: "openai-completions", baseUrl: "https://openrouter.ai/api/v1", needsKey: true },
  ollama: { api: "ollama", baseUrl: "http://127.0.0.1:11434", needsKey: false }
}

/** The names of those. */
export const PRESETS: ReadonlyArray<string> = Object.keys(known)

const isApiKind = (value: string): value is ApiKind => (apiKinds as ReadonlyArray<string>).includes(value)

/** `ANTHROPIC_API_KEY` for `anthropic`, `MY_LLM_API_KEY` for `my-llm`. */
export const keyVariable = (name: string): string => `${name.toUpperCase().replace(/[^A-Z0-9]+/g, "_")}_API_KEY`

/** Anthropic's and Ollama's addresses are written without the version; their endpoints used here stand under `/v1`. */
const versioned = (api: ApiKind, url: string): string => {
  const base = url.replace(/\/+$/, "")
  return (api === "anthropic-messages" || api === "ollama") && !base.endsWith("/v1") ? `${base}/v1` : base
}

export type TargetProblem = { readonly reason: "unknown-provider" | "load-failed"; readonly message: string }

/** The target that a provider's name and configuration mean, or what is wrong with it; a model's own entry goes before its provider's. The problem never shows the URL. */
export const targetOf = (
  name: string,
  config: ProviderConfig | undefined,
  model?: NonNullable<ProviderConfig["models"]>[number]
): ProviderTarget | TargetProblem => {
  const preset = Object.hasOwn(known, name) ? known[name] : undefined
  const at = `models.providers.${name}`
  const address = config?.baseUrl ?? preset?.baseUrl
  if (address === undefined) {
    return {
      reason: "unknown-provider",
      message: `There is no model provider "${name}": set ${at}.baseUrl in openclaw.json, or use one of ${Object.keys(known).join(", ")}.`
    }
  }
  const api = model?.api ?? config?.api ?? preset?.api ?? "openai-completions"
  if (!isApiKind(api)) {
    return {
      reason: "load-failed",
      message: `${at}.api is "${api}", which this Gateway does not speak; use one of ${apiKinds.join(", ")}.`
    }
  }
  const url = URL.parse(address)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return { reason: "load-failed", message: `${at}.baseUrl is no http or https address.` }
  }
  if (url.username !== "" || url.password !== "") {
    return {
      reason: "load-failed",
      message: `${at}.baseUrl must not contain a user name or password; use ${at}.apiKey or ${at}.headers.`
    }
  }
  return {
    name,
    api,
    baseUrl: versioned(api, address),
    headers: { ...config?.headers, ...model?.headers },
    needsKey: config?.baseUrl === undefined && (preset?.needsKey ?? false),
    keyVariable: keyVariable(name)
  }
}

export interface LoadedModel {
  readonly model: LanguageModelV4
  readonly providerOptions?: SharedV4ProviderOptions
}

/** Imports the provider's package and makes the model. No request is sent. */
export const loadModel = async (
  target: ProviderTarget,
  modelId: string,
  apiKey: string | undefined,
  fetch: typeof globalThis.fetch
): Promise<LoadedModel> => {
  const settings = { baseURL: target.baseUrl, headers: target.headers, fetch }
  switch (target.api) {
    case "anthropic-messages": {
      const { createAnthropic } = await import("@ai-sdk/anthropic")
      return { model: createAnthropic({ ...settings, apiKey: apiKey ?? "none" }).languageModel(modelId) }
    }
    case "openai-responses": {
      const { createOpenAI } = await import("@ai-sdk/openai")
      const model = createOpenAI({ ...settings, apiKey: apiKey ?? "none" }).responses(modelId)
      // The transcript is ours: nothing is kept on the provider's side.
      return { model, providerOptions: { openai: { store: false } } }
    }
    case "openai-completions":
    case "ollama": {
      if (target.name === "openai") {
        const { createOpenAI } = await import("@ai-sdk/openai")
        return { model: createOpenAI({ ...settings, apiKey: apiKey ?? "none" }).chat(modelId) }
      }
      const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible")
      const provider = createOpenAICompatible({
        ...settings,
        name: target.name,
        includeUsage: true,
        ...(apiKey === undefined ? undefined : { apiKey })
      })
      return { model: provider.languageModel(modelId) }
    }
  }
}
