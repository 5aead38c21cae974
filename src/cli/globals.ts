/**
 * What the flags that every command understands said. The flags themselves are in `settings.ts`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { LogLevel as Level } from "effect/LogLevel"
import * as Option from "effect/Option"

export class Json extends Context.Service<Json, boolean>()("openclaw/cli/Json") {}

export class Profile extends Context.Service<Profile, Option.Option<string>>()("openclaw/cli/Profile") {}

export class Dev extends Context.Service<Dev, boolean>()("openclaw/cli/Dev") {}

export class Url extends Context.Service<Url, Option.Option<string>>()("openclaw/cli/Url") {}

export class Token extends Context.Service<Token, Option.Option<string>>()("openclaw/cli/Token") {}

export class Password extends Context.Service<Password, Option.Option<string>>()("openclaw/cli/Password") {}

export class TlsFingerprint extends Context.Service<TlsFingerprint, Option.Option<string>>()(
  "openclaw/cli/TlsFingerprint"
) {}

/** Least level of what is logged, where the command line names one. */
export class LogLevel extends Context.Service<LogLevel, Option.Option<Level>>()("openclaw/cli/LogLevel") {}

export type Globals = Json | Profile | Dev | Url | Token | Password | TlsFingerprint

/** What the command line says of the Gateway that is meant. */
export const connection = Effect.gen(function* () {
  return {
    url: Option.getOrUndefined(yield* Url),
    token: Option.getOrUndefined(yield* Token),
    password: Option.getOrUndefined(yield* Password),
    tlsFingerprint: Option.getOrUndefined(yield* TlsFingerprint)
  }
})
