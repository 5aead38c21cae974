/**
 * A model provider on loopback, for tests: OpenAI's `chat/completions` and `responses` and Anthropic's `messages`, streamed
 * as server-sent events, with tool calls and everything that goes wrong with a provider.
 *
 * **When to use**
 *
 * In a test of how a real provider's package speaks with its server. What an agent does is tested with `ScriptedModel`.
 *
 * **Details**
 *
 * Each request takes the next reply of the script. Requests are kept, headers and body, so that a test can look at them.
 */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { eventsOf, type ProviderReply, type Wire } from "./provider/wire.ts"

export type { ProviderReply } from "./provider/wire.ts"

/** A request that arrived. */
export interface ProviderRequest {
  readonly path: string
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /** JSON as the value that it is, other text as it came. */
  readonly body: unknown
}

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

export class ProviderServer extends Context.Service<
  ProviderServer,
  {
    /** `http://127.0.0.1:<port>`, without a path. */
    readonly url: string
    readonly requests: Effect.Effect<ReadonlyArray<ProviderRequest>>
    /** Requests whose connection the client closed before the answer was complete. */
    readonly aborted: Effect.Effect<number>
    /** Adds replies to the end of the script. */
    readonly push: (...replies: ReadonlyArray<ProviderReply>) => Effect.Effect<void>
  }
>()("openclaw/testing/ProviderServer") {}

const wireOf = (path: string): Wire | undefined => {
  if (path.endsWith("/chat/completions")) return "openai-chat"
  if (path.endsWith("/responses")) return "openai-responses"
  return path.endsWith("/messages") ? "anthropic" : undefined
}

const errorBody = (status: number, message: string) =>
  JSON.stringify({ type: "error", error: { type: "provider_error", message, code: String(status) } })

/** Writes one event at a time, the first at once. */
const pace = (response: Http.ServerResponse, [event, ...rest]: ReadonlyArray<string>, paceMs: number): void => {
  if (event === undefined || response.destroyed) return void response.end()
  response.write(event)
  // A plain server without a fiber per request.
  // @effect-diagnostics-next-line globalTimers:off
  setTimeout(() => pace(response, rest, paceMs), paceMs)
}

const answer = (response: Http.ServerResponse, wire: Wire, reply: ProviderReply): void => {
  if (reply.status !== undefined && reply.status >= 300) {
    response.writeHead(reply.status, {
      "content-type": "application/json",
      ...(reply.retryAfter === undefined ? undefined : { "retry-after": reply.retryAfter }),
      ...reply.headers
    })
    response.end(errorBody(reply.status, reply.errorMessage ?? `status ${reply.status}`))
    return
  }
  if (reply.rawBody !== undefined) {
    response.writeHead(200, { "content-type": reply.contentType ?? "text/event-stream" })
    response.end(reply.rawBody)
    return
  }
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" })
  response.flushHeaders()
  if (reply.paceMs !== undefined && reply.end === undefined) {
    return pace(response, eventsOf(wire, reply).match(/[^]+?\n\n/g) ?? [], reply.paceMs)
  }
  response.write(eventsOf(wire, reply))
  // A held answer stays open until the client goes or the server stops.
  if (reply.end === "hold") return
  if (reply.end === "reset") {
    // The text must have left before the connection breaks, or nothing of it would be seen.
    setImmediate(() => response.destroy())
    return
  }
  response.end()
}

const make: Effect.Effect<ProviderServer["Service"], never, Scope.Scope> = Effect.gen(function* () {
  const replies: Array<ProviderReply> = []
  const requests: Array<ProviderRequest> = []
  let aborted = 0

  const server = Http.createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const path = request.url ?? "/"
      const wire = wireOf(path)
      const text = Buffer.concat(chunks).toString("utf8")
      requests.push({
        path,
        headers: request.headers,
        body: Option.getOrElse(decodeJson(text), () => text || undefined)
      })
      const reply = replies.shift()
      if (wire === undefined || reply === undefined) {
        response.writeHead(wire === undefined ? 404 : 400, { "content-type": "application/json" })
        const missing =
          wire === undefined
            ? `${path} is no path of a provider that this server plays`
            : `the script has no more replies: request ${requests.length} asks ${path}`
        response.end(errorBody(wire === undefined ? 404 : 400, missing))
        return
      }
      response.on("close", () => {
        if (!response.writableFinished && reply.end !== "reset") aborted++
      })
      answer(response, wire, reply)
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests: Effect.sync(() => [...requests]),
    aborted: Effect.sync(() => aborted),
    push: (...more) => Effect.sync(() => void replies.push(...more))
  }
})

/** A server of its own on a free port, until the scope closes. */
export const layer: Layer.Layer<ProviderServer> = Layer.effect(ProviderServer, make)
