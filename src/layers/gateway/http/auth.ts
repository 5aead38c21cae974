/**
 * Who an HTTP request comes from: the shared secret as a Bearer credential, judged with the WebSocket's own lockout.
 */
import * as Effect from "effect/Effect"
import { type OperatorScope, satisfies } from "../../../protocol/Role.ts"
import { Authenticator } from "../../../services/Authenticator.ts"
import { type Exchange, failed, header } from "./respond.ts"

const bearer = (exchange: Exchange): string | undefined =>
  /^Bearer +(\S.*)$/i.exec(header(exchange, "authorization") ?? "")?.[1]

/** Where no secret is asked for, whoever calls may narrow what the call is allowed to do. */
const narrowed = (exchange: Exchange, scopes: ReadonlyArray<string>): ReadonlyArray<string> => {
  const asked = exchange.request.headers["x-openclaw-scopes"]
  if (asked === undefined) return scopes
  const wanted = String(asked)
    .split(",")
    .map((scope) => scope.trim())
  return wanted.filter((scope) => scopes.includes(scope))
}

const seconds = (millis: number) => Math.max(1, Math.ceil(millis / 1000))

/**
 * The scopes of the caller, or `undefined` after the refusal was sent. `deviceTokens`: a paired operator's device token does
 * too, as the page sends it.
 */
export const authorize = Effect.fnUntraced(function* (
  exchange: Exchange,
  options?: { readonly deviceTokens: boolean }
) {
  const authenticator = yield* Authenticator
  return yield* authenticator
    .authorize({
      ...exchange,
      credential: bearer(exchange),
      deviceTokens: options?.deviceTokens === true
    })
    .pipe(
      Effect.map((scopes) => (authenticator.mode === "none" ? narrowed(exchange, scopes) : scopes)),
      Effect.catch((error) =>
        Effect.sync(() => {
          switch (error._tag) {
            case "LockedOut":
              failed(
                exchange,
                429,
                "rate_limited",
                "Too many failed authentication attempts. Please try again later.",
                {
                  "retry-after": seconds(error.retryAfterMs)
                }
              )
              break
            case "RegistryStorageFailed":
              failed(exchange, 503, "api_error", "the device registry cannot be read; try again")
              break
            case "ProxyAttributionRequired":
              failed(exchange, 403, "proxy_attribution_required", error.message)
              break
            case "ProxyIdentityRefused":
              failed(exchange, 401, "unauthorized", error.message, { "www-authenticate": "Bearer" })
              break
            default:
              failed(exchange, 401, "unauthorized", "Unauthorized", { "www-authenticate": "Bearer" })
          }
          return undefined
        })
      )
    )
})

/** Whether the caller has the scope; sends the refusal where not. */
export const allowed = (exchange: Exchange, scopes: ReadonlyArray<string>, required: OperatorScope): boolean => {
  if (satisfies(scopes, required)) return true
  failed(exchange, 403, "forbidden", `missing scope: ${required}`)
  return false
}
