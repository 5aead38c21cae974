/**
 * Which model the demo talks to: a provider whose key is in the environment, a local Ollama, else the built-in assistant.
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schema from "effect/Schema"
import { Environment } from "../../Environment.ts"

export interface DemoModel {
  readonly ref: string
  /** The configuration's `models` section that makes the reference work. */
  readonly models?: unknown
  /** Why this one. */
  readonly because: string
}

const OLLAMA = "http://127.0.0.1:11434"

const Tags = Schema.Struct({ models: Schema.Array(Schema.Struct({ name: Schema.NonEmptyString })) })

/** The first model of an Ollama on this machine, asked for 300 ms at most. */
const ollama = Effect.gen(function* () {
  const response = yield* HttpClient.get(`${OLLAMA}/api/tags`)
  const { models } = yield* HttpClientResponse.schemaBodyJson(Tags)(response)
  return models[0]?.name
}).pipe(
  Effect.timeout("300 millis"),
  Effect.orElseSucceed(() => undefined)
)

/** Chooses. A provider's key is used where it lies, in the environment; it is written nowhere. */
export const choose: Effect.Effect<DemoModel, never, Environment | HttpClient.HttpClient> = Effect.gen(function* () {
  const { variables } = yield* Environment
  const has = (name: string) => (variables[name] ?? "").trim() !== ""
  if (has("ANTHROPIC_API_KEY")) {
    return { ref: "anthropic/claude-sonnet-4-5", because: "ANTHROPIC_API_KEY is set" }
  }
  if (has("OPENAI_API_KEY")) return { ref: "openai/gpt-5.2", because: "OPENAI_API_KEY is set" }
  const local = yield* ollama
  if (local !== undefined) {
    return {
      ref: `ollama/${local}`,
      models: { providers: { ollama: { baseUrl: `${OLLAMA}/v1`, models: [{ id: local }] } } },
      because: "Ollama runs on this machine"
    }
  }
  return {
    ref: "builtin/offline",
    because: "no provider key and no Ollama were found; this one follows rules and is no language model"
  }
})
