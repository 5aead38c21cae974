/**
 * Tells requests that certainly never left from those that may have arrived.
 */
import type { HttpClientError } from "effect/http/HttpClientError"

/**
 * Codes of failures that happen before the first byte of a request is written. A network that goes away says the same of a
 * connection that is in use, so its codes count only with the system call that connects.
 */
const beforeSending = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EAI_FAIL",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "ERR_SSL_WRONG_VERSION_NUMBER"
])

const field = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null && key in value ? (value as Record<string, unknown>)[key] : undefined

/** The first code in a chain of causes that says so; only codes from the list above are ever returned. */
const codeOf = (cause: unknown, depth = 0): string | undefined => {
  if (depth > 5 || cause === undefined || cause === null) return undefined
  const code = field(cause, "code")
  if (typeof code === "string" && (beforeSending.has(code) || field(cause, "syscall") === "connect")) {
    return /^[A-Z_]{1,40}$/.test(code) ? code : "connect"
  }
  const errors = field(cause, "errors")
  const first = Array.isArray(errors) ? codeOf(errors[0], depth + 1) : undefined
  return first ?? codeOf(field(cause, "cause"), depth + 1)
}

/** A short reason when the request certainly never arrived; `undefined` when it may have. Names no URL. */
export const neverConnected = (error: HttpClientError): string | undefined => {
  const { reason } = error
  switch (reason._tag) {
    case "InvalidUrlError":
      return "apiRoot is not a URL"
    case "EncodeError":
      return "the request cannot be encoded"
    case "TransportError":
      return codeOf(reason.cause)
    default:
      return undefined
  }
}
