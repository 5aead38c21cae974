/**
 * Looks at what `audit` judges. Nothing is made.
 */
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Config } from "../../services/Config.ts"
import { resolveCredential, settingError } from "../config/gatewayAuth.ts"
import { certificateIn } from "../gateway/tls/certificate.ts"
import { filesOf } from "../gateway/tls/settings.ts"
import { inspect } from "../state-dir/privateFiles.ts"
import type { AuthFacts, Facts, Rights } from "./audit.ts"

const rights = Effect.fnUntraced(function* (path: string) {
  const found = yield* inspect(yield* FileSystem.FileSystem, path)
  return Option.getOrUndefined(
    Option.map(found, ({ mode, type }): Rights => ({ path, mode: mode & 0o777, link: type === "SymbolicLink" }))
  )
})

const authOf = Effect.fnUntraced(function* (env: Readonly<Record<string, string | undefined>>) {
  const config = yield* Config
  const found = yield* Effect.mapError(
    Effect.fromResult(resolveCredential({ flags: {}, env, config: yield* config.get })),
    (problem) => settingError(config.file, problem)
  )
  // Where there is none, a long one is made at the first start.
  if (Option.isNone(found)) return { mode: "token", source: "generated" } satisfies AuthFacts
  const { value } = found
  if (value.mode === "none" || value.mode === "trusted-proxy") return { mode: value.mode } satisfies AuthFacts
  const secret = Redacted.value(value.mode === "token" ? value.token : value.password)
  return {
    mode: value.mode,
    source: value.source,
    secretLength: secret.length,
    placeholder: secret === "undefined" || secret === "null"
  } satisfies AuthFacts
})

/** `stateDir`: absolute path, which need not exist. */
export const look = Effect.fn("Security.look")(function* (options: {
  readonly stateDir: string
  readonly env: Readonly<Record<string, string | undefined>>
}) {
  const fs = yield* FileSystem.FileSystem
  const config = yield* Config
  // First, because reading the configuration takes the rights of others on it away.
  const configFile = yield* rights(config.file)
  const current = yield* config.get
  const tls = filesOf(current.gateway?.tls, config.file, (...segments) => join(options.stateDir, ...segments))
  const pem = tls === undefined ? "" : yield* Effect.orElseSucceed(fs.readFileString(tls.certPath), () => "")
  const facts: Facts = {
    config: current,
    auth: yield* authOf(options.env),
    stateDir: yield* rights(options.stateDir),
    configFile,
    tlsKey: tls === undefined ? undefined : yield* rights(tls.keyPath),
    certificateValidTo: Option.getOrUndefined(Option.map(certificateIn(pem), ({ validTo }) => validTo)),
    now: yield* Clock.currentTimeMillis
  }
  return facts
})

/**
 * Takes the rights of others away from the state directory and the configuration; links are left alone. Returns the paths
 * that were changed.
 */
export const tighten = Effect.fn("Security.tighten")(function* ({ configFile, stateDir }: Facts) {
  const fs = yield* FileSystem.FileSystem
  const changed: Array<string> = []
  for (const [of, mode] of [
    [stateDir, 0o700],
    [configFile, 0o600]
  ] as const) {
    if (of === undefined || of.link || (of.mode & 0o077) === 0) continue
    yield* fs.chmod(of.path, mode)
    changed.push(of.path)
  }
  return changed
})
