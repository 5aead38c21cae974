/**
 * Calls to the Bot API. The token stands in the URL, so no URL leaves this file: not in an error, a log or a span.
 */
import type { Opts } from "@grammyjs/types"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { neverConnected } from "./neverConnected.ts"
import { Envelope } from "./Types.ts"

/** Where Telegram is when `apiRoot` does not say otherwise. */
export const defaultApiRoot = "https://api.telegram.org"

/** Longest answer that is read; 100 updates of the longest messages are far below it. */
const maxAnswerBytes = 32 * 1024 * 1024

/**
 * A call that did not succeed.
 *
 * `refused`: Telegram answered that it did not do it. `unreached`: the request never got there. `lost`: it may have been
 * carried out, the answer is missing or not to be read.
 */
export class TelegramError extends Schema.TaggedError<TelegramError>()("TelegramError", {
  method: Schema.String,
  kind: Schema.Literals(["refused", "unreached", "lost"]),
  /** Telegram's `error_code`, or the HTTP status when the answer was not Telegram's. */
  code: Schema.optional(Schema.Int),
  /** The answer came from the Bot API itself. */
  genuine: Schema.Boolean,
  message: Schema.String,
  /** Milliseconds that Telegram asks to wait. */
  retryAfterMs: Schema.optional(Schema.Finite),
  /** The group became another chat, which has this id. */
  movedTo: Schema.optional(Schema.NonEmptyString)
}) {}

/** Methods that every Bot API has. */
const everywhere = new Set(["getMe", "getUpdates", "sendMessage", "editMessageText"])

/** Telegram says that no bot has this token: by 401, or by 404 for a method that is always there. */
export const isTokenRefused = (error: TelegramError): boolean =>
  error.genuine && (error.code === 401 || (error.code === 404 && everywhere.has(error.method)))

export interface ApiOptions {
  /** Bot API root without `/bot<token>`. */
  readonly apiRoot: string
  readonly token: Redacted.Redacted
  /** Milliseconds for a call that does not wait for updates. */
  readonly timeoutMs: number
}

/** A file that goes with a call; its parameters name it as `attach://<field>` or by the field itself. */
export interface Upload {
  readonly field: string
  readonly name: string
  readonly mimeType: string
  readonly bytes: Uint8Array
}

/** The parameters as a form: what is no text is JSON, as the Bot API wants it. */
const formOf = (params: object, files: ReadonlyArray<Upload>): FormData => {
  const form = new FormData()
  for (const [key, value] of Object.entries(params)) {
    if (value !== undefined) form.set(key, typeof value === "string" ? value : JSON.stringify(value))
  }
  for (const { bytes, field, mimeType, name } of files) {
    form.set(field, new File([new Uint8Array(bytes)], name, { type: mimeType }))
  }
  return form
}

export interface Api {
  /** Calls a method and decodes its result. `waitMs` is added to the time limit. */
  readonly call: <M extends keyof Opts<never>, S extends Schema.ConstraintDecoder<unknown>>(
    method: M,
    params: Opts<never>[M],
    result: S,
    waitMs?: number,
    files?: ReadonlyArray<Upload>
  ) => Effect.Effect<S["Type"], TelegramError>
}

const decodeEnvelope = Schema.decodeUnknownEffect(Envelope)

const readText = (response: HttpClientResponse) => {
  const decoder = new TextDecoder()
  return Stream.runFoldEffect(
    response.stream,
    () => ({ bytes: 0, text: "" }),
    (read, chunk) => {
      const bytes = read.bytes + chunk.length
      return bytes > maxAnswerBytes
        ? Effect.fail("too long" as const)
        : Effect.succeed({ bytes, text: read.text + decoder.decode(chunk, { stream: true }) })
    }
  ).pipe(Effect.map((read) => read.text + decoder.decode()))
}

/** Seconds of an answer that a proxy gave, if it gave them as a number. */
const retryAfterHeader = (response: HttpClientResponse): number | undefined => {
  const seconds = Number(response.headers["retry-after"])
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : undefined
}

const optional = <K extends string, V>(key: K, value: V | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V }

export const make = Effect.fnUntraced(function* (
  options: ApiOptions
): Effect.fn.Return<Api, never, HttpClient.HttpClient> {
  // A scoped request is aborted when its answer is not read to the end.
  const client = HttpClient.withScope(yield* HttpClient.HttpClient)
  const token = Redacted.value(options.token)
  const root = options.apiRoot.replace(/\/+$/, "")
  const hide = (text: string) => text.replaceAll(token, "<token>").slice(0, 300)

  const failure = (method: string, fields: Omit<ConstructorParameters<typeof TelegramError>[0], "method">) =>
    new TelegramError({ ...fields, method })

  const transportFailure = (method: string) => (error: HttpClientError) => {
    const unreached = neverConnected(error)
    return unreached === undefined
      ? failure(method, { kind: "lost", genuine: false, message: `the connection broke during ${method}` })
      : failure(method, { kind: "unreached", genuine: false, message: `cannot reach the Bot API (${unreached})` })
  }

  const notTelegram = (method: string, response: HttpClientResponse) => {
    const { status } = response
    const message = `${method} was answered with status ${status} and something that is not the Bot API's JSON`
    // An error of the client's is an answer to a request that was not carried out, whoever gave it.
    const kind = status >= 400 && status < 500 ? "unreached" : "lost"
    return failure(method, {
      kind,
      code: status,
      genuine: false,
      message,
      ...optional("retryAfterMs", retryAfterHeader(response))
    })
  }

  const exchange = Effect.fnUntraced(function* (method: string, params: object, files: ReadonlyArray<Upload>) {
    const request = HttpClientRequest.post(`${root}/bot${token}/${method}`).pipe(
      files.length === 0
        ? HttpClientRequest.bodyJsonUnsafe(params)
        : HttpClientRequest.bodyFormData(formOf(params, files)),
      HttpClientRequest.acceptJson
    )
    const response = yield* Effect.mapError(client.execute(request), transportFailure(method))
    const text = yield* readText(response).pipe(
      Effect.mapError((problem) =>
        failure(method, {
          kind: "lost",
          genuine: false,
          message: `the answer to ${method} ${problem === "too long" ? "is too long" : "broke off"}`
        })
      )
    )
    const envelope = yield* Effect.mapError(decodeEnvelope(text), () => notTelegram(method, response))
    if (envelope.ok) return envelope.result
    const code = envelope.error_code ?? response.status
    const seconds = envelope.parameters?.retry_after
    const moved = envelope.parameters?.migrate_to_chat_id
    const description = hide(envelope.description ?? "no description")
    return yield* failure(method, {
      kind: code >= 500 ? "lost" : "refused",
      code,
      genuine: true,
      message: `Telegram refused ${method}: ${code} ${description}${moved === undefined ? "" : ` (the chat is now ${moved})`}`,
      ...optional("retryAfterMs", seconds === undefined ? undefined : Math.max(0, seconds * 1_000)),
      ...optional("movedTo", moved === undefined ? undefined : String(moved))
    })
  }, Effect.scoped)

  const call: Api["call"] = (method, params, result, waitMs = 0, files = []) => {
    const limit = options.timeoutMs + waitMs
    return exchange(method, params, files).pipe(
      Effect.flatMap((value) =>
        Schema.decodeUnknownEffect(result)(value).pipe(
          Effect.mapError(() =>
            failure(method, { kind: "lost", genuine: true, message: `the result of ${method} is not to be understood` })
          )
        )
      ),
      Effect.timeoutOrElse({
        duration: Duration.millis(limit),
        orElse: () =>
          Effect.fail(
            failure(method, { kind: "lost", genuine: false, message: `no answer to ${method} within ${limit} ms` })
          )
      }),
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true)
    )
  }

  return { call }
})
