/**
 * One HTTP request and its answer, and the shapes that answers have.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import type { Origin } from "../../../services/Ingress.ts"

/** A request whose `Host` and `Origin` were judged. */
export interface Exchange extends Origin {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** As it was sent, still encoded, without the query. */
  readonly path: string
  /** Milliseconds that the whole body may take, and that the client may read nothing of the answer. */
  readonly bodyTimeoutMs: number
}

export type Headers = Readonly<Record<string, string | number>>

const always: Headers = { "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" }

export const send = (response: ServerResponse, status: number, body: string | Uint8Array, headers: Headers): void => {
  response.writeHead(status, { ...always, "content-length": Buffer.byteLength(body), ...headers })
  response.end(body)
}

export const json = (response: ServerResponse, status: number, body: unknown, headers: Headers = {}): void =>
  send(response, status, JSON.stringify(body), {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
    ...headers
  })

export const text = (response: ServerResponse, status: number, body: string, headers: Headers = {}): void =>
  send(response, status, body, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", ...headers })

export const notFound = ({ response }: Exchange, headers: Headers = {}): void =>
  text(response, 404, "Not Found", headers)

export const methodNotAllowed = ({ response }: Exchange, allow: string): void =>
  text(response, 405, "Method Not Allowed", { allow })

/** The error of every HTTP API but `/tools/invoke`, in OpenAI's shape. */
export const failed = (
  { response }: Exchange,
  status: number,
  type: string,
  message: string,
  headers: Headers = {}
): void => json(response, status, { error: { message, type } }, headers)

/** Begins an answer whose body is written piece by piece. */
export const begin = (response: ServerResponse, status: number, headers: Headers): void => {
  response.writeHead(status, { ...always, ...headers })
}

/**
 * Writes a piece and waits until there is room for the next. A client that reads nothing for too long is cut. Whoever is gone
 * reads nothing either: see `gone`.
 */
export const write = ({ bodyTimeoutMs, response }: Exchange, piece: string | Uint8Array): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (response.write(piece)) return resume(Effect.void)
    const drained = () => resume(Effect.void)
    response.once("drain", drained)
    return Effect.sync(() => response.off("drain", drained))
  }).pipe(Effect.timeoutOrElse({ duration: bodyTimeoutMs, orElse: () => Effect.sync(() => void response.destroy()) }))

/** Completes when the client closed the connection before it had its answer. */
export const gone = ({ response }: Exchange): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (response.destroyed) return resume(Effect.void)
    const closed = () => resume(Effect.void)
    response.once("close", closed)
    return Effect.sync(() => response.off("close", closed))
  })

/** One header; of several with this name the first. */
export const header = ({ request }: Exchange, name: string): string | undefined => {
  const value = request.headers[name]
  const first = Array.isArray(value) ? value[0] : value
  const trimmed = first?.trim()
  return trimmed === "" ? undefined : trimmed
}
