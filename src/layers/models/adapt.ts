/**
 * One adapter for every provider package of the AI SDK: its `LanguageModelV4` as `effect/ai`'s `LanguageModel`.
 *
 * Interrupting a call aborts its HTTP request, and so does a provider that sends nothing for `silenceMs`. Errors are `AiError`s (errors.ts); transient ones are tried again before the
 * answer begins (retry.ts). An answer that ends without the provider saying so is an error, never a short answer.
 */
import type { LanguageModelV4, LanguageModelV4StreamPart, SharedV4ProviderOptions } from "@ai-sdk/provider"
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Response from "effect/ai/Response"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { network, reasonOf, silentFor, STREAM_CUT } from "./errors.ts"
import { contentParts, isComplete, streamPart } from "./parts.ts"
import { callOptions } from "./prompt.ts"
import { defaultPolicy, retrying, retryingUntil, type RetryPolicy } from "./retry.ts"

export interface AdaptSettings {
  /** Never shown in an error. */
  readonly secrets: ReadonlyArray<Redacted.Redacted>
  readonly maxOutputTokens?: number
  readonly providerOptions?: SharedV4ProviderOptions
  readonly retry?: RetryPolicy
  /** Milliseconds that a provider may send nothing, before its answer and in it; 120,000 when left out. */
  readonly silenceMs?: number
}

const DEFAULT_SILENCE_MS = 120_000

/** What a failed promise or stream threw, on its way to becoming an `AiError`. */
interface Thrown {
  readonly thrown: unknown
}
const thrown = (error: unknown): Thrown => ({ thrown: error })

const isAnswer = (part: Response.StreamPartEncoded) => part.type !== "response-metadata"

/** The model as a service value. */
export const adapt = (model: LanguageModelV4, settings: AdaptSettings): Effect.Effect<LanguageModel.LanguageModel> => {
  const policy = settings.retry ?? defaultPolicy
  const silenceMs = settings.silenceMs ?? DEFAULT_SILENCE_MS
  const fail = (method: string, reason: AiError.AiErrorReason) =>
    Effect.fail(AiError.make({ module: model.provider, method, reason }))
  const failThrown = (method: string) => (error: Thrown) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => fail(method, reasonOf(error.thrown, settings.secrets, now)))

  const silent = (method: string) => ({
    duration: silenceMs,
    orElse: () => fail(method, network(silentFor(silenceMs)))
  })

  const generate = (options: LanguageModel.ProviderOptions) =>
    Effect.tryPromise({
      try: (signal) => Promise.resolve(model.doGenerate({ ...callOptions(options, settings), abortSignal: signal })),
      catch: thrown
    }).pipe(
      Effect.catch(failThrown("generateText")),
      Effect.timeoutOrElse(silent("generateText")),
      Effect.flatMap((result) =>
        isComplete(result.finishReason)
          ? Effect.succeed(contentParts(result.content, result.finishReason, result.usage))
          : fail("generateText", network(STREAM_CUT))
      )
    )

  const convert = (part: LanguageModelV4StreamPart) => {
    if (part.type === "error") return failThrown("streamText")(thrown(part.error))
    if (part.type === "finish" && !isComplete(part.finishReason)) return fail("streamText", network(STREAM_CUT))
    return Effect.succeed(streamPart(part))
  }

  const stream = (options: LanguageModel.ProviderOptions) =>
    Effect.tryPromise({
      try: (signal) => Promise.resolve(model.doStream({ ...callOptions(options, settings), abortSignal: signal })),
      catch: thrown
    }).pipe(
      Effect.catch(failThrown("streamText")),
      Effect.timeoutOrElse(silent("streamText")),
      Effect.map((result) => {
        let finished = false
        const parts = Stream.fromReadableStream({ evaluate: () => result.stream, onError: thrown }).pipe(
          Stream.catch((error) => Stream.fromEffect(failThrown("streamText")(error))),
          Stream.timeoutOrElse({
            duration: silenceMs,
            orElse: () => Stream.fromEffect(silent("streamText").orElse())
          }),
          Stream.mapEffect(convert),
          Stream.filter((part) => part !== undefined),
          Stream.map((part) => {
            finished ||= part.type === "finish"
            return part
          })
        )
        const end = Stream.suspend(() =>
          finished ? Stream.empty : Stream.fromEffect(fail("streamText", network(STREAM_CUT)))
        )
        return Stream.concat(parts, end)
      }),
      Stream.unwrap
    )

  return LanguageModel.make({
    generateText: (options) => retrying(generate(options), policy),
    streamText: (options) => retryingUntil(stream(options), isAnswer, policy)
  })
}
