/**
 * Whether a server can be reached at all, and what its clock says: one request without credentials.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import * as Option from "effect/Option"
import { neverConnected } from "../telegram/neverConnected.ts"

/** What is in the way, in words that name the host and no more of an address. */
export interface Unreached {
  readonly detail: string
  readonly fix: string
}

/** The host of an address, as people know it; an address that is none is not repeated. */
export const hostOf = (url: string): string => URL.parse(url)?.host || "the address"

/** Why a request never got there, and what to do about it. */
export const explainUnreached = (url: string, error: HttpClientError): Unreached => {
  const host = hostOf(url)
  const code = neverConnected(error)
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAI_FAIL":
      return {
        detail: `the name ${host} cannot be found (DNS: ${code})`,
        fix: "check the spelling of the address, and that this machine is online"
      }
    case "ECONNREFUSED":
      return {
        detail: `nothing listens at ${host} (connection refused)`,
        fix: "start the server there, or correct the address and its port"
      }
    case undefined:
      return { detail: `the connection to ${host} broke`, fix: "try again; look at the network if it stays so" }
    default:
      return /CERT|SSL|SIGNED|VERIFY|ISSUER/.test(code)
        ? {
            detail: `the certificate of ${host} is not accepted (${code})`,
            fix: "look at this machine's clock, and at who answers there; NODE_EXTRA_CA_CERTS names an authority of your own"
          }
        : { detail: `${host} cannot be reached (${code})`, fix: "check the network and the address" }
  }
}

export interface Answered {
  /** Milliseconds that the server's clock is ahead of this machine's; a `Date` header counts whole seconds. */
  readonly skewMs: number | undefined
}

/** Asks for the address once, with no credentials and no redirect followed. Whatever the status is, the server is there. */
export const knock = Effect.fn("Checks.knock")(
  function* (url: string) {
    const client = HttpClient.withScope(yield* HttpClient.HttpClient)
    const before = yield* Clock.currentTimeMillis
    const { headers } = yield* client.get(url)
    const after = yield* Clock.currentTimeMillis
    const date = Option.map(DateTime.make(headers["date"] ?? ""), DateTime.toEpochMillis)
    // The header names the beginning of its second.
    const skewMs = Option.map(date, (at) => at + 500 - (before + after) / 2)
    return { skewMs: Option.getOrUndefined(skewMs) } satisfies Answered
  },
  Effect.scoped,
  (effect) =>
    effect.pipe(
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" })
    )
)
