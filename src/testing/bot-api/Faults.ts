/**
 * Faults: what a network, a proxy or Telegram itself may do to a call instead of answering it.
 */
import type { ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type { Json } from "./State.ts"

export type FaultKind =
  /** An answer with `ok: false`; `status` is the HTTP status, `code` when left out. */
  | {
      readonly kind: "refuse"
      readonly code: number
      readonly description: string
      readonly parameters?: Json
      readonly status?: number
    }
  /** An answer that is not from the Bot API, as a proxy gives one. */
  | { readonly kind: "html"; readonly status: number }
  /** Any body at all, with status 200. */
  | { readonly kind: "body"; readonly body: string }
  /** A JSON answer that ends in the middle, the connection closed orderly. */
  | { readonly kind: "cut-json" }
  /** An answer whose connection dies in the middle of the body. */
  | { readonly kind: "cut-body" }
  /** Half of the answer, and then nothing. */
  | { readonly kind: "slow-body" }
  /** The connection is closed without an answer. */
  | { readonly kind: "drop" }
  /** No answer at all. */
  | { readonly kind: "hang" }

export type Fault = FaultKind & {
  /** Only calls of this method; any when left out. */
  readonly method?: string
  /** How many calls go well before it: none when left out. */
  after?: number
  /** How many calls it meets: 1 when left out. */
  times?: number
  /** The call is carried out all the same: only its answer is lost. */
  readonly carriedOut?: boolean
}

/** The next fault for a method; counts it down. */
export const take = (faults: Array<Fault>, method: string): Fault | undefined => {
  const index = faults.findIndex((fault) => fault.method === undefined || fault.method === method)
  const fault = faults[index]
  if (fault === undefined) return undefined
  if (fault.after !== undefined && fault.after > 0) {
    fault.after -= 1
    return undefined
  }
  const left = (fault.times ?? 1) - 1
  if (left <= 0) faults.splice(index, 1)
  else fault.times = left
  return fault
}

export const refusal = (code: number, description: string, parameters?: Json, status = code) =>
  HttpServerResponse.jsonUnsafe(
    { ok: false, error_code: code, description, ...(parameters === undefined ? undefined : { parameters }) },
    { status }
  )

const half = (body: string) => new TextEncoder().encode(body.slice(0, Math.max(1, body.length >> 1)))

/** How a connection misbehaves, which an HTTP response alone cannot say. */
export interface Wire {
  /** Sends half of an answer that promises more than it has; then the connection dies, or the rest never comes. */
  readonly half: (
    request: HttpServerRequest,
    bytes: Uint8Array,
    then: "dies" | "stalls"
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse>
  /** Closes the connection without an answer. */
  readonly drop: (request: HttpServerRequest) => Effect.Effect<never>
}

/** A connection of Node's server. HTTP/1 is all that it speaks, so the response is Node's plain one. */
export const socket: Wire = {
  half: (request, bytes, then) =>
    Effect.sync(() => {
      const response = NodeHttpServerRequest.toServerResponse(request) as ServerResponse
      response.writeHead(200, { "content-type": "application/json", "content-length": bytes.length * 2 + 1_000 })
      response.write(bytes, () => {
        if (then === "dies") response.destroy()
      })
    }).pipe(Effect.andThen(Effect.never)),
  drop: (request) =>
    Effect.sync(() => NodeHttpServerRequest.toServerResponse(request).destroy()).pipe(Effect.andThen(Effect.never))
}

/** Answers with a fault. `body` is what the answer would have been. */
export const answer = (
  fault: Fault,
  wire: Wire,
  request: HttpServerRequest,
  body: string
): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  const json = { contentType: "application/json" } as const
  switch (fault.kind) {
    case "refuse":
      return Effect.succeed(refusal(fault.code, fault.description, fault.parameters, fault.status))
    case "html":
      return Effect.succeed(
        HttpServerResponse.text(`<html><head><title>${fault.status}</title></head><body>nginx</body></html>`, {
          status: fault.status,
          contentType: "text/html"
        })
      )
    case "body":
      return Effect.succeed(HttpServerResponse.text(fault.body, json))
    case "cut-json":
      return Effect.succeed(HttpServerResponse.uint8Array(half(body), json))
    case "cut-body":
      return wire.half(request, half(body), "dies")
    case "slow-body":
      return wire.half(request, half(body), "stalls")
    case "drop":
      return wire.drop(request)
    case "hang":
      return Effect.never
  }
}
