/**
 * Whether a model answers: one real, tiny request; and which models a provider has.
 */
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientError } from "effect/http/HttpClientError"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Config } from "../../services/Config.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { Models, type ResolvedModel } from "../../services/Models.ts"
import { explain } from "../agent/explain.ts"
import { UNKNOWN_MODEL } from "../models/errors.ts"
import { type ProviderTarget, targetOf } from "../models/providers.ts"
import { explainUnreached, knock } from "./reach.ts"

/**
 * `key`: none, or a wrong one. `model`: the provider does not have it. `unreachable`: nobody answers there. `busy`: the
 * provider takes no requests now, or the account has nothing left. No part of it holds the key.
 */
export class ModelCheckFailed extends Schema.TaggedError<ModelCheckFailed>()("ModelCheckFailed", {
  model: Schema.String,
  kind: Schema.Literals(["setting", "key", "model", "unreachable", "busy", "other"]),
  detail: Schema.String,
  fix: Schema.String
}) {
  override get message() {
    return `${this.detail}.\nFix: ${this.fix}.`
  }
}

export interface ModelAnswered {
  /** `provider/model` */
  readonly ref: string
  readonly text: string
  readonly elapsedMs: number
}

/** A sentence `what; what to do.` in its two parts. */
const parts = (sentence: string): { readonly detail: string; readonly fix: string } => {
  const text = sentence.replace(/\.$/, "")
  const at = text.indexOf("; ")
  return at === -1
    ? { detail: text, fix: "try again, or choose another model" }
    : { detail: text.slice(0, at), fix: text.slice(at + 2) }
}

const kindOf = ({ reason }: AiError.AiError): ModelCheckFailed["kind"] => {
  switch (reason._tag) {
    case "AuthenticationError":
      return "key"
    case "NetworkError":
      return "unreachable"
    case "RateLimitError":
    case "QuotaExhaustedError":
    case "InternalProviderError":
      return "busy"
    case "InvalidRequestError":
      return reason.parameter === UNKNOWN_MODEL ? "model" : "other"
    default:
      return "other"
  }
}

/** Where a reference leads to, by the configuration; `undefined` when to no server. */
export const serverOf = (config: OpenClawConfig, provider: string): ProviderTarget | undefined => {
  const target = targetOf(provider, config.models?.providers?.[provider])
  return "reason" in target ? undefined : target
}

/** Why a text can be no key: what no header carries was copied along with it. `undefined` when it can be one. */
export const keyProblem = (text: string): string | undefined =>
  /^[\x21-\x7E]+$/.test(text) ? undefined : "a key is one word, of plain letters, digits and signs"

const PROMPT = "This is a connection test. Answer with the one word: ready"
/** Characters of an answer that are enough: nothing more is waited for. */
const ENOUGH = 200

const failed = Effect.fnUntraced(function* (error: AiError.AiError, resolved: ResolvedModel) {
  const kind = kindOf(error)
  // There need not be a Gateway, and so no log that has the cause.
  const said =
    error.reason._tag === "UnknownError"
      ? {
          detail: `${resolved.provider} gave an answer that is none of a model${error.reason.description === undefined ? "" : ` (${error.reason.description.replace(/[:.\s]+$/, "")})`}`,
          fix: "look at its address, and at whose protocol it speaks"
        }
      : parts(explain(error, resolved, false).message)
  const plain = new ModelCheckFailed({ model: resolved.ref, kind, ...said })
  const server = serverOf(yield* Effect.orDie(Effect.flatMap(Config, ({ get }) => get)), resolved.provider)
  if (kind !== "unreachable" || server === undefined) return plain
  // The provider's package hides why nobody answered.
  const asked = yield* Effect.result(Effect.timeoutOption(knock(server.baseUrl), "5 seconds"))
  return Result.isSuccess(asked)
    ? plain
    : new ModelCheckFailed({ model: resolved.ref, kind, ...explainUnreached(server.baseUrl, asked.failure) })
})

/**
 * Has the model say one word. `ref` is the configuration's own choice when left out. It is given so many milliseconds in
 * all, 30,000 when left out.
 */
export const checkModel = Effect.fn("Checks.checkModel")(function* (
  ref?: string,
  timeoutMs = 30_000
): Effect.fn.Return<ModelAnswered, ModelCheckFailed, Models | Config | HttpClient.HttpClient> {
  const models = yield* Models
  const resolved = yield* Effect.mapError(
    models.resolve(ref),
    ({ message, model, reason }) =>
      new ModelCheckFailed({
        model,
        kind: reason === "missing-key" ? "key" : "setting",
        ...partsOfSetting(message)
      })
  )
  const started = yield* Clock.currentTimeMillis
  const text = yield* LanguageModel.streamText({ prompt: PROMPT }).pipe(
    Stream.scan(
      () => "",
      (before, part) => (part.type === "text-delta" ? before + part.delta : before)
    ),
    Stream.takeUntil((all) => all.length >= ENOUGH),
    Stream.runLast,
    Effect.map((last) => Option.getOrElse(last, () => "").slice(0, ENOUGH)),
    Effect.provideService(LanguageModel.LanguageModel, resolved.service),
    Effect.catch((error) => Effect.flatMap(failed(error, resolved), Effect.fail)),
    Effect.timeoutOrElse({
      duration: timeoutMs,
      orElse: () =>
        Effect.fail(
          new ModelCheckFailed({
            model: resolved.ref,
            kind: "unreachable",
            detail: `${resolved.provider} gave no answer within ${Math.round(timeoutMs / 1000)} s`,
            fix: "try again; a model on this machine may still be loading"
          })
        )
    })
  )
  return { ref: resolved.ref, text: text.trim(), elapsedMs: (yield* Clock.currentTimeMillis) - started }
})

/** `what: what to do.` */
const partsOfSetting = (message: string): { readonly detail: string; readonly fix: string } => {
  const text = message.replace(/\.$/, "")
  const at = text.indexOf(": ")
  return at === -1
    ? { detail: text, fix: "run `openclaw onboard`, or correct the configuration" }
    : { detail: text.slice(0, at), fix: text.slice(at + 2) }
}

/** The provider's list cannot be had. `key`: it refuses the key. */
export class ModelListFailed extends Schema.TaggedError<ModelListFailed>()("ModelListFailed", {
  kind: Schema.Literals(["key", "unreachable", "unsupported"]),
  detail: Schema.String,
  fix: Schema.String
}) {
  override get message() {
    return `${this.detail}.\nFix: ${this.fix}.`
  }
}

const List = Schema.fromJsonString(Schema.Struct({ data: Schema.Array(Schema.Struct({ id: Schema.NonEmptyString })) }))
const decodeList = Schema.decodeUnknownEffect(List)
/** Bytes; the longest lists have some hundred models. */
const MAX_LIST = 4_000_000

const keyHeaders = ({ api }: ProviderTarget, key: Redacted.Redacted | undefined): Record<string, string> => {
  if (key === undefined) return {}
  const value = Redacted.value(key)
  return api === "anthropic-messages"
    ? { "x-api-key": value, "anthropic-version": "2023-06-01" }
    : { authorization: `Bearer ${value}` }
}

const unsupported = (name: string) =>
  new ModelListFailed({
    kind: "unsupported",
    detail: `${name} does not list its models`,
    fix: "name the model as the provider's own pages do"
  })

/**
 * The ids of a provider's models, in its order. Costs nothing at a provider, and tells a wrong key from a right one wherever
 * the provider asks for one.
 */
export const listModels = Effect.fn("Checks.listModels")(
  function* (
    target: ProviderTarget,
    key: Redacted.Redacted | undefined
  ): Effect.fn.Return<ReadonlyArray<string>, ModelListFailed, HttpClient.HttpClient | Scope.Scope> {
    // A scoped request is aborted when its answer is not read to the end.
    const client = HttpClient.withScope(yield* HttpClient.HttpClient)
    const unreached = (error: HttpClientError) =>
      new ModelListFailed({ kind: "unreachable", ...explainUnreached(target.baseUrl, error) })
    const request = HttpClientRequest.get(`${target.baseUrl}/models`).pipe(
      HttpClientRequest.setHeaders({ ...target.headers, ...keyHeaders(target, key) }),
      HttpClientRequest.acceptJson
    )
    const response = yield* Effect.mapError(client.execute(request), unreached)
    if (response.status === 401 || response.status === 403) {
      return yield* new ModelListFailed({
        kind: "key",
        detail:
          key === undefined ? `${target.name} asks for a key` : `${target.name} refuses this key (${response.status})`,
        fix: "copy the key again from the provider's page, whole and without spaces"
      })
    }
    if (response.status !== 200) return yield* unsupported(target.name)
    const text = yield* response.stream.pipe(
      Stream.mapError(unreached),
      Stream.limitBytes(MAX_LIST, () => Stream.fail(unsupported(target.name))),
      Stream.decodeText,
      Stream.mkString
    )
    const { data } = yield* Effect.mapError(decodeList(text), () => unsupported(target.name))
    return data.map(({ id }) => id)
  },
  (effect, target) =>
    effect.pipe(
      Effect.scoped,
      Effect.timeoutOrElse({
        duration: "10 seconds",
        orElse: () =>
          Effect.fail(
            new ModelListFailed({
              kind: "unreachable",
              detail: `${target.name} did not answer within 10 s`,
              fix: "check the network and the address, then try again"
            })
          )
      }),
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" })
    )
)
