/**
 * Flags that every command understands.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"

export const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(Flag.withDescription("Print machine-readable JSON"), Flag.withDefault(false))
})

export const Profile = GlobalFlag.Setting("profile")({
  flag: Flag.String("profile").pipe(
    Flag.withDescription("Use configuration, state, port and service of their own, under this name"),
    Flag.optional
  )
})

export const Dev = GlobalFlag.Setting("dev")({
  flag: Flag.Boolean("dev").pipe(
    Flag.withDescription("The profile dev: port 19001; `gateway run` makes its configuration"),
    Flag.withDefault(false)
  )
})

export const Url = GlobalFlag.Setting("url")({
  flag: Flag.String("url").pipe(
    Flag.withDescription("Gateway address (ws:// or wss://); needs --token or --password"),
    Flag.optional
  )
})

export const Token = GlobalFlag.Setting("token")({
  flag: Flag.String("token").pipe(Flag.withDescription("The Gateway's token"), Flag.optional)
})

export const Password = GlobalFlag.Setting("password")({
  flag: Flag.String("password").pipe(Flag.withDescription("The Gateway's password"), Flag.optional)
})

export const TlsFingerprint = GlobalFlag.Setting("tls-fingerprint")({
  flag: Flag.String("tls-fingerprint").pipe(
    Flag.withDescription("SHA-256 of the certificate that the Gateway must show (wss:// only)"),
    Flag.optional
  )
})

export const all = [Json, Profile, Dev, Url, Token, Password, TlsFingerprint] as const

/** What the command line says of the Gateway that is meant. */
export const connection = Effect.gen(function* () {
  return {
    url: Option.getOrUndefined(yield* Url),
    token: Option.getOrUndefined(yield* Token),
    password: Option.getOrUndefined(yield* Password),
    tlsFingerprint: Option.getOrUndefined(yield* TlsFingerprint)
  }
})
