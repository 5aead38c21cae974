/**
 * The flags that every command understands.
 */
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as globals from "./globals.ts"

const json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(Flag.withDescription("Print machine-readable JSON"), Flag.withDefault(false))
})

const profile = GlobalFlag.Setting("profile")({
  flag: Flag.String("profile").pipe(
    Flag.withDescription("Use configuration, state, port and service of their own, under this name"),
    Flag.optional
  )
})

const dev = GlobalFlag.Setting("dev")({
  flag: Flag.Boolean("dev").pipe(
    Flag.withDescription("The profile dev: port 19001; `gateway run` makes its configuration"),
    Flag.withDefault(false)
  )
})

const url = GlobalFlag.Setting("url")({
  flag: Flag.String("url").pipe(
    Flag.withDescription("Gateway address (ws:// or wss://); needs --token or --password"),
    Flag.optional
  )
})

const token = GlobalFlag.Setting("token")({
  flag: Flag.String("token").pipe(Flag.withDescription("The Gateway's token"), Flag.optional)
})

const password = GlobalFlag.Setting("password")({
  flag: Flag.String("password").pipe(Flag.withDescription("The Gateway's password"), Flag.optional)
})

const tlsFingerprint = GlobalFlag.Setting("tls-fingerprint")({
  flag: Flag.String("tls-fingerprint").pipe(
    Flag.withDescription("SHA-256 of the certificate that the Gateway must show (wss:// only)"),
    Flag.optional
  )
})

export const all = [json, profile, dev, url, token, password, tlsFingerprint] as const

/** What they said, for the commands. */
export const layer = Layer.mergeAll(
  Layer.effect(globals.Json, json),
  Layer.effect(globals.Profile, profile),
  Layer.effect(globals.Dev, dev),
  Layer.effect(globals.Url, url),
  Layer.effect(globals.Token, token),
  Layer.effect(globals.Password, password),
  Layer.effect(globals.TlsFingerprint, tlsFingerprint)
)

/** For a command that logs while it runs: what `--log-level` said. */
export const withLogLevel = <A, E, R>(command: Effect.Effect<A, E, R>) =>
  Effect.flatMap(GlobalFlag.LogLevel, (level) => Effect.provideService(command, globals.LogLevel, level))
