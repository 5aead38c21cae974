/**
 * Every wire format as a configured provider, and a call of it with what it came to.
 */
import type * as AiError from "effect/ai/AiError"
import type * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { RetryPolicy } from "../../src/layers/models/retry.ts"
import { Models } from "../../src/services/Models.ts"
import * as Server from "../../src/testing/ProviderServer.ts"
import { modelsLayer } from "./fixtures.ts"

export const KEY = "test-key-5f1c0a"

const tools = Toolkit.make(
  Tool.make("nodes", {
    description: "Lists nodes",
    parameters: Schema.Struct({ action: Schema.String, node: Schema.optional(Schema.String) }),
    success: Schema.String
  })
)

export interface Wire {
  readonly name: string
  readonly ref: string
  readonly path: string
  readonly api?: string
  readonly keyHeader: string
  readonly keyValue: string
}

export const wires: ReadonlyArray<Wire> = [
  {
    name: "anthropic",
    ref: "anthropic/test-model",
    path: "/v1/messages",
    keyHeader: "x-api-key",
    keyValue: KEY
  },
  {
    name: "openai",
    ref: "openai/test-model",
    path: "/v1/chat/completions",
    keyHeader: "authorization",
    keyValue: `Bearer ${KEY}`
  },
  {
    name: "openai responses",
    ref: "openai/test-model",
    api: "openai-responses",
    path: "/v1/responses",
    keyHeader: "authorization",
    keyValue: `Bearer ${KEY}`
  },
  {
    name: "openai-compatible",
    ref: "local/vendor/test-model",
    path: "/v1/chat/completions",
    keyHeader: "authorization",
    keyValue: `Bearer ${KEY}`
  },
  {
    name: "ollama",
    ref: "ollama/test-model",
    api: "ollama",
    path: "/v1/chat/completions",
    keyHeader: "authorization",
    keyValue: `Bearer ${KEY}`
  }
]

export const withModel = <A, E>(
  wire: Wire,
  use: (server: Server.ProviderServer["Service"], ref: string) => Effect.Effect<A, E, Models>,
  policy?: RetryPolicy,
  settings: { readonly timeoutSeconds?: number } = {}
) =>
  Effect.gen(function* () {
    const server = yield* Server.ProviderServer
    const name = wire.ref.slice(0, wire.ref.indexOf("/"))
    const addsVersion = wire.name === "anthropic" || wire.api === "ollama"
    const provider = {
      baseUrl: addsVersion ? server.url : `${server.url}/v1`,
      apiKey: KEY,
      ...settings,
      ...(wire.api === undefined ? undefined : { api: wire.api }),
      ...(name === "anthropic" ? { api: "anthropic-messages" } : undefined)
    }
    return yield* use(server, wire.ref).pipe(
      Effect.provide(
        modelsLayer({ models: { providers: { [name]: provider } } }, policy === undefined ? {} : { policy })
      )
    )
  }).pipe(Effect.provide(Server.layer))

export const stream = (ref: string, prompt: Prompt.RawInput = "hello") =>
  Models.use((models) => models.resolve(ref)).pipe(
    Effect.map((model) =>
      model.service.streamText({
        prompt,
        toolkit: tools,
        disableToolCallResolution: true,
        toolCallValidation: "deferred"
      })
    ),
    Stream.unwrap
  )

/** The parts that came, and how it ended. */
export const collect = (ref: string, prompt?: Prompt.RawInput) =>
  Effect.gen(function* () {
    const parts: Array<Response.AnyPart> = []
    const exit = yield* stream(ref, prompt).pipe(
      Stream.runForEach((part) => Effect.sync(() => void parts.push(part))),
      Effect.result
    )
    return { parts, error: exit._tag === "Failure" ? exit.failure : undefined }
  })

export const textOf = (parts: ReadonlyArray<Response.AnyPart>) =>
  parts.flatMap((part) => (part.type === "text-delta" ? [part.delta] : [])).join("")

export const reasonOf = (error: unknown): AiError.AiErrorReason => (error as AiError.AiError).reason

export const until = (condition: Effect.Effect<boolean>): Effect.Effect<void> =>
  Effect.flatMap(condition, (met) => (met ? Effect.void : Effect.andThen(Effect.sleep(5), until(condition))))
