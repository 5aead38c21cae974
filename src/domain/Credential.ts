/**
 * What a client shows a Gateway to be let in. The secret is redacted: printing, logging or serialising one shows nothing.
 */
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/**
 * One secret and what it is: the Gateway's shared `token` or `password`, a `deviceToken` that a Gateway issued to this
 * device, or the one-time `bootstrapToken` of a setup code.
 */
export const Credential = Schema.Struct({
  kind: Schema.Literals(["token", "password", "deviceToken", "bootstrapToken"]),
  secret: Schema.Redacted(Schema.NonEmptyString)
}).pipe(Schema.brand("Credential"))
export type Credential = typeof Credential.Type
export type CredentialKind = Credential["kind"]

const of =
  (kind: CredentialKind) =>
  (secret: string): Credential =>
    Credential.make({ kind, secret: Redacted.make(secret, { label: kind }) })

export const token = of("token")
export const password = of("password")
export const deviceToken = of("deviceToken")
export const bootstrapToken = of("bootstrapToken")

/** The secret itself, for the one place that writes it into a `connect` frame. */
export const reveal = (credential: Credential): string => Redacted.value(credential.secret)
