/**
 * What a provider's package throws, as an `AiError` with the right reason.
 *
 * The thrown value is decoded, not trusted. Texts that came from the provider are cut to one short line and cleaned of the
 * request's credentials; request bodies and URLs are left out.
 */
import * as AiError from "effect/ai/AiError"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as HttpClientError from "effect/http/HttpClientError"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/** `description` of the `NetworkError` of an answer that began and then broke off. */
export const STREAM_CUT = "the stream ended before the answer was complete"

/** `description` of the `NetworkError` of a provider that sends nothing for that long. */
export const silentFor = (ms: number): string => `nothing came for ${ms / 1000} s`

/** The seconds in such a description; `undefined` when it is another one. */
export const secondsOfSilence = (description: string | undefined): string | undefined =>
  /^nothing came for (\S+) s$/.exec(description ?? "")?.[1]

/** `constraint` of the `InvalidRequestError` of a conversation that is too long for the model. */
export const CONTEXT_LENGTH = "context_length"

/** `parameter` of the `InvalidRequestError` of a model that the provider does not have. */
export const UNKNOWN_MODEL = "model"

const Thrown = Schema.Struct({
  name: Schema.optional(Schema.String),
  message: Schema.optional(Schema.String),
  statusCode: Schema.optional(Schema.NullOr(Schema.Finite)),
  responseHeaders: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Schema.UndefinedOr(Schema.String)))),
  responseBody: Schema.optional(Schema.NullOr(Schema.String))
})
type Thrown = typeof Thrown.Type
const decodeThrown = Schema.decodeUnknownOption(Thrown)

const malformedNames = /^AI_(JSONParse|TypeValidation|InvalidResponseData|EmptyResponseBody|NoContentGenerated)Error$/

/** One short line without anything that looks like a credential. */
export const clean = (text: string, secrets: ReadonlyArray<Redacted.Redacted>): string => {
  const known = secrets.reduce((line, secret) => {
    const value = Redacted.value(secret)
    return value === "" ? line : line.replaceAll(value, "[secret]")
  }, text)
  const line = known
    .replace(/\b(sk|pk|key|xai|gsk)-[\w*-]{6,}/gi, "[secret]")
    .replace(/(https?:\/\/)[^\s/@]+@/gi, "$1")
    .replace(/\s+/g, " ")
    .trim()
  return line.length > 200 ? `${line.slice(0, 199)}…` : line
}

/** Milliseconds of `retry-after-ms` or `retry-after` (seconds or a date); `undefined` when there is none that makes sense. */
export const retryAfterMs = (
  headers: Readonly<Record<string, string | undefined>> | null | undefined,
  now: number
): number | undefined => {
  const exact = Number(headers?.["retry-after-ms"] ?? Number.NaN)
  if (Number.isFinite(exact) && exact >= 0) return exact
  const value = headers?.["retry-after"]?.trim()
  if (value === undefined || value === "") return undefined
  const seconds = Number(value)
  if (Number.isFinite(seconds)) return seconds >= 0 ? seconds * 1000 : undefined
  const date = DateTime.make(value)
  return Option.isSome(date) ? Math.max(0, DateTime.toEpochMillis(date.value) - now) : undefined
}

const tooLong = /context.?length|context window|prompt is too long|maximum context|too many tokens/i
const noQuota = /insufficient_quota|billing|credit balance/i

const fromStatus = (status: number, thrown: Thrown, description: string, now: number): AiError.AiErrorReason => {
  const said = `${thrown.message ?? ""} ${thrown.responseBody ?? ""}`
  const wait = retryAfterMs(thrown.responseHeaders, now)
  switch (status) {
    case 400:
    case 413:
    case 422:
      return new AiError.InvalidRequestError({
        description,
        ...(status === 413 || tooLong.test(said) ? { constraint: CONTEXT_LENGTH } : undefined)
      })
    case 401:
      return new AiError.AuthenticationError({ kind: "InvalidKey" })
    case 402:
      return new AiError.QuotaExhaustedError({})
    case 403:
      return new AiError.AuthenticationError({ kind: "InsufficientPermissions" })
    case 404:
      return new AiError.InvalidRequestError({ description, parameter: UNKNOWN_MODEL })
    case 429:
      return noQuota.test(said)
        ? new AiError.QuotaExhaustedError({})
        : new AiError.RateLimitError(wait === undefined ? {} : { retryAfter: Duration.millis(wait) })
    default:
      return status >= 500 || status === 408
        ? new AiError.InternalProviderError({
            description: `HTTP ${status}`,
            metadata: wait === undefined ? {} : { retryAfterMs: wait }
          })
        : new AiError.UnknownError({ description: `HTTP ${status}: ${description}` })
  }
}

/** A failure on one line, for the log: without the place of an address, and without general advice. */
export const oneLine = (error: AiError.AiError): string =>
  (error.message.split("\n", 1)[0] ?? "").replace(/ \(POST \)$/, "")

/** The `NetworkError` of a request that found nobody, or whose connection broke. */
export const network = (description: string): AiError.NetworkError =>
  // The address is left out on purpose: a base URL may carry credentials.
  new AiError.NetworkError({ reason: "TransportError", method: "POST", url: "", description })

/** The reason behind a thrown value. `now` is Unix milliseconds, for `retry-after` dates. */
export const reasonOf = (
  error: unknown,
  secrets: ReadonlyArray<Redacted.Redacted>,
  now: number
): AiError.AiErrorReason => {
  if (AiError.isAiError(error)) return error.reason
  if (HttpClientError.isHttpClientError(error)) return network("the provider could not be reached")
  const decoded = decodeThrown(error)
  if (Option.isNone(decoded)) return new AiError.UnknownError({ description: "the provider's package failed" })
  const thrown = decoded.value
  const description = clean(thrown.message ?? "no reason given", secrets)
  if (thrown.statusCode !== undefined && thrown.statusCode !== null && thrown.statusCode >= 300) {
    return fromStatus(thrown.statusCode, thrown, description, now)
  }
  // What a package says when the events ended without the one that ends an answer.
  if (thrown.name === "AI_InvalidResponseDataError" && /finish reason/i.test(description)) return network(STREAM_CUT)
  if (thrown.name !== undefined && malformedNames.test(thrown.name)) {
    return new AiError.InvalidResponseError({ description })
  }
  // A successful status whose body could not be read is a malformed answer; no status at all is a dead connection.
  if (thrown.name === "AI_APICallError") {
    return typeof thrown.statusCode === "number"
      ? new AiError.InvalidResponseError({ description })
      : network("the provider could not be reached")
  }
  return new AiError.InternalProviderError({ description })
}
