/**
 * `fetch` on top of the application's own `HttpClient`, for packages that want a `fetch` function.
 *
 * So an embedding app's client, proxy or recording sees the model providers' traffic too. An aborted signal interrupts
 * the request. Redirects are not followed: credentials never travel to an address that nobody configured.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpMethod from "effect/http/HttpMethod"
import * as Stream from "effect/Stream"

const services = Context.make(FetchHttpClient.RequestInit, { redirect: "manual" }).pipe(
  Context.add(HttpClient.TracerPropagationEnabled, false)
)

/** Bytes of one answer that are read; the longest that a model writes are far below it. */
const MOST_BYTES = 64 * 1024 * 1024

const withoutBody = new Set([101, 204, 205, 304])

/**
 * A `fetch` that sends by `client`. Request bodies must be text, which is all the provider packages send. A response of
 * server-sent events that breaks off ends without an error, so that what came before it is not lost: whoever reads it
 * sees that its last event is missing. One that does not end is cut off.
 */
export const fetchOver =
  (client: HttpClient.HttpClient): typeof globalThis.fetch =>
  (input, init) => {
    const signal = init?.signal ?? undefined
    const url = typeof input === "string" ? input : input instanceof URL ? input.href : input.url
    const method = (init?.method ?? "GET") as HttpMethod.HttpMethod
    const headers = Object.fromEntries(new Headers(init?.headers).entries())
    const plain = HttpClientRequest.make(method)(url, { headers })
    const request =
      typeof init?.body === "string"
        ? HttpClientRequest.bodyText(plain, init.body, headers["content-type"] ?? "application/json")
        : plain
    const answer = Effect.map(client.execute(request), (response) => {
      const isEventStream = (response.headers["content-type"] ?? "").includes("text/event-stream")
      const whole = isEventStream ? Stream.catch(response.stream, () => Stream.empty) : response.stream
      const bytes = Stream.limitBytes(whole, MOST_BYTES, () => Stream.empty)
      const body = withoutBody.has(response.status)
        ? null
        : Stream.toReadableStreamWith(bytes, services, signal === undefined ? {} : { signal })
      return new Response(body, { status: response.status, headers: { ...response.headers } })
    })
    return Effect.runPromiseWith(services)(answer, signal === undefined ? {} : { signal })
  }
