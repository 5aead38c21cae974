/**
 * Models that the app brings, beside those of the configuration.
 */
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { Config } from "../../services/Config.ts"
import type { Models } from "../../services/Models.ts"
import { layerWith } from "./Models.ts"
import { defaultPolicy } from "./retry.ts"

/** Provider and name, as configurations write them. */
export type ModelRef = `${string}/${string}`

/**
 * Models by reference (`provider/model`): what the configuration calls so is one of these, and the first of them answers
 * where it names no model at all. Every other reference is looked for in the configuration as ever.
 */
export const models = <E, R>(
  own: Readonly<Record<ModelRef, Layer.Layer<LanguageModel.LanguageModel, E, R>>>
): Layer.Layer<Models, E, R | Config | HttpClient.HttpClient> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const built = yield* Effect.forEach(Object.entries(own), ([ref, layer]) =>
        Effect.map(
          Effect.flatMap(Layer.buildWithScope(layer, scope), (context) =>
            Effect.provideContext(LanguageModel.LanguageModel, context)
          ),
          (model) => [ref, model] as const
        )
      )
      return layerWith(defaultPolicy, new Map(built))
    })
  )

/** What a function that stands in for a model is asked. */
export interface Asked {
  /** What the user said last. */
  readonly text: string
  /** The whole prompt: system, conversation, results of tools. */
  readonly messages: ReadonlyArray<Prompt.Message>
}

const textOf = (message: Prompt.Message | undefined): string =>
  message === undefined
    ? ""
    : typeof message.content === "string"
      ? message.content
      : message.content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n")

const end: Response.FinishPartEncoded = {
  type: "finish",
  reason: "stop",
  usage: { inputTokens: {}, outputTokens: {} }
}

/** An error of the function, as a turn tells of it. It is not tried again. */
const failed = (error: { readonly message: string }) =>
  AiError.make({
    module: "Gateway",
    method: "model",
    reason: new AiError.InvalidRequestError({ description: error.message })
  })

/**
 * A function as a model: it gives the whole reply at once, and calls no tools.
 *
 * When to use: rules, a template, another service that answers. A model that streams or calls tools is a `LanguageModel` of
 * `effect/ai`.
 */
export const model = <E extends { readonly message: string }, R>(
  answer: (asked: Asked) => Effect.Effect<string, E, R>
): Layer.Layer<LanguageModel.LanguageModel, never, R> =>
  Layer.effect(
    LanguageModel.LanguageModel,
    Effect.gen(function* () {
      const context = yield* Effect.context<R>()
      const reply = ({ prompt }: LanguageModel.ProviderOptions) =>
        answer({
          text: textOf(prompt.content.findLast((message) => message.role === "user")),
          messages: prompt.content
        }).pipe(Effect.mapError(failed), Effect.provideContext(context))
      return yield* LanguageModel.make({
        generateText: (options) => Effect.map(reply(options), (text) => [{ type: "text", text }, end]),
        streamText: (options) =>
          Stream.unwrap(
            Effect.map(reply(options), (delta) =>
              Stream.fromIterable<Response.StreamPartEncoded>([
                { type: "text-start", id: "0" },
                { type: "text-delta", id: "0", delta },
                { type: "text-end", id: "0" },
                end
              ])
            )
          )
      })
    })
  )
