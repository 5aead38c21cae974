/**
 * The Bot API server without a socket: an `HttpClient` whose requests of that address are answered in this process.
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import type { Wire } from "./Faults.ts"
import { app } from "./Http.ts"
import type { State } from "./State.ts"

/** What a handler dies of whose connection was closed without an answer. */
const DROPPED = Symbol("openclaw/testing/dropped")

const broken = (request: HttpClientRequest.HttpClientRequest, description: string) =>
  new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, description }) })

const wire = (request: HttpClientRequest.HttpClientRequest): Wire => ({
  half: (_, bytes, then) =>
    Effect.succeed(
      HttpServerResponse.stream(
        Stream.concat(
          Stream.succeed(bytes),
          then === "stalls" ? Stream.never : Stream.fail(broken(request, "the connection was reset"))
        ),
        { contentType: "application/json" }
      )
    ),
  drop: () => Effect.die(DROPPED)
})

/** The request as a server has it. A form has no boundary before it is written out. */
const received = (request: HttpClientRequest.HttpClientRequest) =>
  request.body._tag === "FormData"
    ? Effect.map(Effect.orDie(HttpClientRequest.toWeb(request)), HttpServerRequest.fromWeb)
    : Effect.succeed(HttpServerRequest.fromClientRequest(request))

/** Requests to `url` reach the server of this process, all others go where `otherwise` sends them. */
export const route = (state: State, url: string, otherwise: HttpClient.HttpClient): HttpClient.HttpClient => {
  const own = HttpClient.make((request) =>
    received(request).pipe(
      Effect.flatMap((arrived) =>
        Effect.provideService(app(state, wire(request)), HttpServerRequest.HttpServerRequest, arrived)
      ),
      Effect.map((response) => HttpServerResponse.toClientResponse(response, { request })),
      Effect.catchDefect((defect) =>
        defect === DROPPED ? Effect.fail(broken(request, "the connection was closed")) : Effect.die(defect)
      )
    )
  )
  return HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
    Effect.flatMap((request) =>
      request.url.startsWith(`${url}/`) ? own.execute(request) : otherwise.execute(request)
    ),
    Effect.succeed
  )
}
