/**
 * The HTTP side of the Bot API server: `/bot<token>/<method>` and `/file/bot<token>/<path>`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Multipart from "effect/http/Multipart"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Faults from "./Faults.ts"
import { Refused, type Upload } from "./Calls.ts"
import { methods } from "./Methods.ts"
import type { Json, State } from "./State.ts"

const unreadable = new Refused({ code: 400, message: "Bad Request: can't parse the request" })

const JsonBody = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
const decodeBody = Schema.decodeUnknownEffect(JsonBody)

interface Input {
  readonly params: Json
  readonly uploads: ReadonlyArray<Upload>
}

const readForm = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  const params: Record<string, unknown> = {}
  const uploads: Array<Upload> = []
  yield* Stream.runForEach(
    request.multipartStream,
    Effect.fnUntraced(function* (part) {
      if (Multipart.isFile(part)) {
        uploads.push({ field: part.key, name: part.name, bytes: yield* part.contentEffect })
      } else {
        params[part.key] = part.value
      }
    })
  )
  return { params, uploads }
})

const readInput = Effect.fnUntraced(
  function* (request: HttpServerRequest.HttpServerRequest, query: URLSearchParams) {
    const fromQuery = Object.fromEntries(query)
    if (request.method === "GET") return { params: fromQuery, uploads: [] } satisfies Input
    const type = (request.headers["content-type"] ?? "").toLowerCase()
    if (type.startsWith("multipart/form-data")) {
      const form = yield* readForm(request)
      return { params: { ...fromQuery, ...form.params }, uploads: form.uploads }
    }
    const body = yield* request.text
    if (type.startsWith("application/json")) {
      const params = body.trim() === "" ? {} : yield* decodeBody(body)
      return { params: { ...fromQuery, ...params }, uploads: [] }
    }
    return { params: { ...fromQuery, ...Object.fromEntries(new URLSearchParams(body)) }, uploads: [] }
  },
  Effect.mapError(() => unreadable)
)

const callMethod = Effect.fnUntraced(function* (
  state: State,
  wire: Faults.Wire,
  name: string,
  request: HttpServerRequest.HttpServerRequest,
  query: URLSearchParams
) {
  const method = methods[name.toLowerCase()]
  if (method === undefined) return yield* new Refused({ code: 404, message: "Not Found: method not found" })
  const input = yield* readInput(request, query)
  state.calls.push({ method: name, params: input.params })
  state.notify()
  const fault = Faults.take(state.faults, name)
  state.journal?.({
    at: yield* Clock.currentTimeMillis,
    call: name,
    params: input.params,
    ...(input.uploads.length === 0 ? undefined : { uploads: input.uploads }),
    ...(fault === undefined ? undefined : { fault: { kind: fault.kind, carriedOut: fault.carriedOut === true } })
  })
  if (fault !== undefined && fault.carriedOut !== true) {
    return yield* Faults.answer(fault, wire, request, JSON.stringify({ ok: true, result: true }))
  }
  const result = yield* method(state, input.params, input.uploads)
  const answer = { ok: true, result }
  return fault === undefined
    ? HttpServerResponse.jsonUnsafe(answer)
    : yield* Faults.answer(fault, wire, request, JSON.stringify(answer))
})

const readFile = (state: State, path: string) => {
  const file = [...state.files.values()].find((candidate) => candidate.path === path)
  return file === undefined
    ? Effect.fail(new Refused({ code: 404, message: "Not Found" }))
    : Effect.succeed(HttpServerResponse.uint8Array(file.bytes, { contentType: "application/octet-stream" }))
}

const route = /^\/(file\/)?bot([^/]+)\/(.+)$/

/** The server as one handler. */
export const app = (state: State, wire: Faults.Wire) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const url = new URL(request.url, "http://localhost")
    const match = route.exec(decodeURIComponent(url.pathname))
    if (match === null) return yield* new Refused({ code: 404, message: "Not Found" })
    const [, file, token, rest] = match
    if (!/^\d+:[\w-]+$/.test(token!)) return yield* new Refused({ code: 404, message: "Not Found" })
    if (token !== state.token) return yield* new Refused({ code: 401, message: "Unauthorized" })
    return yield* file === undefined
      ? callMethod(state, wire, rest!, request, url.searchParams)
      : readFile(state, rest!)
  }).pipe(
    Effect.catchTag("Refused", (refused) =>
      Effect.succeed(Faults.refusal(refused.code, refused.message, refused.parameters))
    ),
    // The server runs handlers uninterruptibly; a long poll must end with its connection.
    Effect.interruptible
  )
