/**
 * The shared secret: which one a Gateway has, and which one a client offers.
 */
import { createHash } from "node:crypto"
import * as Redacted from "effect/Redacted"
import type { ConnectParams } from "../../protocol/Connect.ts"
import type { AuthMethod } from "../../services/Authenticator.ts"
import type { GatewayAuth } from "./options.ts"

export const digest = (text: string) => createHash("sha256").update(text, "utf8").digest()

export const trimmed = (text: string | undefined): string | undefined => text?.trim() || undefined

/** What the client offers as the shared secret: either field does; of two the one that this Gateway's secret is named after. */
export const offeredSecret = (auth: ConnectParams["auth"], mode: AuthMethod): string | undefined => {
  const token = trimmed(auth?.token)
  const password = trimmed(auth?.password)
  return mode === "password" ? (password ?? token) : (token ?? password)
}

/** A secret that whoever holds it is let in for. Behind a proxy that knows its users only programs of this machine are. */
export const secretOf = (auth: GatewayAuth): string | undefined => {
  if (auth.mode === "none") return undefined
  const secret = auth.mode === "token" ? auth.token : auth.password
  return secret === undefined ? undefined : Redacted.value(secret)
}
