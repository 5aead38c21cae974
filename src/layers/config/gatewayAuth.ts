/**
 * The Gateway's own credential and port: which of flags, environment and file decides.
 *
 * OpenClaw's order: for a credential the flag, then the file, then the environment (a configured credential is not
 * overruled by a variable that a shell happens to carry); for the port the flag, then the environment, then the file.
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { isBlank } from "../../domain/blank.ts"
import { DEFAULT_PORT } from "../../domain/Endpoint.ts"
import type { ConfigProblem, ConfigUnreadable } from "../../services/Config.ts"
import { Config, ConfigInvalid, SettingInvalid } from "../../services/Config.ts"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import { Redactor } from "../logging/Redactor.ts"
import { getAt } from "./path.ts"
import { secretsOf } from "./redact.ts"
import type { Env } from "./substitute.ts"

export type CredentialSource = "flag" | "config" | "environment" | "generated"

/** How the Gateway knows its friends. With `trusted-proxy` a password is for programs on this machine only. */
export type GatewayCredential =
  | { readonly mode: "none" }
  | { readonly mode: "trusted-proxy"; readonly password?: Redacted.Redacted<string> }
  | { readonly mode: "token"; readonly token: Redacted.Redacted<string>; readonly source: CredentialSource }
  | { readonly mode: "password"; readonly password: Redacted.Redacted<string>; readonly source: CredentialSource }

export interface GatewayFlags {
  /** `--auth` */
  readonly auth?: string | undefined
  /** `--token` */
  readonly token?: string | undefined
  /** `--password` */
  readonly password?: string | undefined
  /** `--port` */
  readonly port?: number | undefined
}

export interface GatewaySources {
  readonly flags: GatewayFlags
  readonly env: Env
  readonly config: OpenClawConfig
  /** The port where nothing says another; 18789 when left out. */
  readonly defaultPort?: number | undefined
}

/** What `--auth` may say. */
const MODES = ["none", "token", "password"] as const

const nonEmpty = (value: string | undefined): string | undefined => {
  return value === undefined || isBlank(value) ? undefined : value.trim()
}

interface Found {
  readonly value: Redacted.Redacted<string>
  readonly source: CredentialSource
}

const first = (...candidates: ReadonlyArray<readonly [CredentialSource, string | undefined]>): Found | undefined => {
  for (const [source, candidate] of candidates) {
    const value = nonEmpty(candidate)
    if (value !== undefined) return { value: Redacted.make(value), source }
  }
  return undefined
}

/**
 * The credential, or `None` when the mode is `token` and there is no token yet. Pure.
 *
 * Without a mode, what was given decides: `--token` or `--password`, then what is configured. Both a token and a password
 * of the same rank are a problem, because nobody can know which one is meant.
 */
export const resolveCredential = (
  sources: GatewaySources
): Result.Result<Option.Option<GatewayCredential>, ConfigProblem> => {
  const { config, env, flags } = sources
  const auth = config.gateway?.auth
  const token = first(["flag", flags.token], ["config", auth?.token], ["environment", env["OPENCLAW_GATEWAY_TOKEN"]])
  const password = first(
    ["flag", flags.password],
    ["config", auth?.password],
    ["environment", env["OPENCLAW_GATEWAY_PASSWORD"]]
  )
  const asToken = (found: Found) =>
    leftBehind(found)
      ? problem(tokenAt[found.source], LEFT_BEHIND, "a token; `openssl rand -hex 32` makes one")
      : some({ mode: "token", token: found.value, source: found.source })
  const asPassword = (found: Found) =>
    leftBehind(found)
      ? problem(passwordAt[found.source], LEFT_BEHIND, "a password")
      : some({ mode: "password", password: found.value, source: found.source })

  const asked = nonEmpty(flags.auth)
  const mode = asked === undefined ? auth?.mode : MODES.find((known) => known === asked)
  if (asked !== undefined && mode === undefined)
    return problem("--auth", JSON.stringify(asked), `one of ${quoted(MODES)}`)
  if (mode === undefined) {
    if (token === undefined && password === undefined) return Result.succeed(Option.none())
    if (password === undefined || (token !== undefined && rank(token) < rank(password))) return asToken(token!)
    if (token === undefined || rank(password) < rank(token)) return asPassword(password)
    return twoGiven(token!.source)
  }
  switch (mode) {
    case "none":
      return some({ mode })
    case "trusted-proxy":
      if (password !== undefined && leftBehind(password)) return asPassword(password)
      return token === undefined
        ? some({ mode, ...(password === undefined ? undefined : { password: password.value }) })
        : problem(tokenAt[token.source], "a token", 'none, because gateway.auth.mode is "trusted-proxy"')
    case "token":
      return token === undefined ? Result.succeed(Option.none()) : asToken(token)
    case "password":
      if (password !== undefined) return asPassword(password)
      return asked === undefined
        ? problem("gateway.auth.password", "nothing", "a password, or --password, or OPENCLAW_GATEWAY_PASSWORD")
        : problem(
            "--auth password",
            "no password",
            "one by --password, OPENCLAW_GATEWAY_PASSWORD or gateway.auth.password"
          )
  }
}

const order: ReadonlyArray<CredentialSource> = ["flag", "config", "environment", "generated"]
const rank = (found: Found): number => order.indexOf(found.source)
const tokenAt: Readonly<Record<CredentialSource, string>> = {
  flag: "--token",
  config: "gateway.auth.token",
  environment: "OPENCLAW_GATEWAY_TOKEN",
  generated: "gateway.auth.token"
}
const passwordAt: Readonly<Record<CredentialSource, string>> = {
  flag: "--password",
  config: "gateway.auth.password",
  environment: "OPENCLAW_GATEWAY_PASSWORD",
  generated: "gateway.auth.password"
}
/** What a script writes that had no secret to write. Everybody would know it. */
const leftBehind = ({ value }: Found): boolean => /^(?:undefined|null)$/i.test(Redacted.value(value))
export const LEFT_BEHIND = 'the word "undefined" or "null", which a script left behind'
const quoted = (words: ReadonlyArray<string>): string => words.map((word) => JSON.stringify(word)).join(", ")
const some = (credential: GatewayCredential) => Result.succeed(Option.some(credential))
const problem = (path: string, value: string, expected: string) => Result.fail<ConfigProblem>({ path, value, expected })

/** A token and a password of the same rank: the problem stands where they do. */
const twoGiven = (source: CredentialSource) => {
  switch (source) {
    case "flag":
      return problem("--token and --password", "both", "one of them, or --auth to say which one is meant")
    case "environment":
      return problem(
        "OPENCLAW_GATEWAY_TOKEN and OPENCLAW_GATEWAY_PASSWORD",
        "both",
        "one of them, or --auth to say which one is meant"
      )
    default:
      return problem(
        "gateway.auth.mode",
        "nothing",
        'one of "token", "password": both a token and a password are given'
      )
  }
}

/** A problem of `resolveCredential` or `resolvePort` as an error that names what is to blame: a flag, a variable, the file. */
export const settingError = (file: string, found: ConfigProblem): ConfigInvalid | SettingInvalid =>
  /^(?:--|OPENCLAW_)/.test(found.path)
    ? new SettingInvalid({ source: found.path, value: found.value, expected: found.expected })
    : new ConfigInvalid({ file, problems: [found] })

/** `--port`, then `OPENCLAW_GATEWAY_PORT`, then `gateway.port`, then the profile's. 0 by flag or environment takes any free port. */
export const resolvePort = (sources: GatewaySources): Result.Result<number, ConfigProblem> => {
  const { config, env, flags } = sources
  const checked = (path: string, value: number, shown: string) =>
    Number.isInteger(value) && value >= 0 && value <= 65_535
      ? Result.succeed(value)
      : problem(path, shown, "a port, which is a whole number from 0 to 65535 (0 takes a free one)")
  if (flags.port !== undefined) return checked("--port", flags.port, String(flags.port))
  const fromEnv = nonEmpty(env["OPENCLAW_GATEWAY_PORT"])
  if (fromEnv !== undefined) {
    const value = /^\d{1,5}$/.test(fromEnv) ? Number(fromEnv) : Number.NaN
    return checked("OPENCLAW_GATEWAY_PORT", value, JSON.stringify(fromEnv.slice(0, 20)))
  }
  return Result.succeed(config.gateway?.port ?? sources.defaultPort ?? DEFAULT_PORT)
}

/**
 * The credential to start with. When none is configured, a token of 48 hexadecimal digits is made; `keepGenerated` stores
 * it once the Gateway stands. The credential is made known to the log's redactor.
 */
export const gatewayCredential = Effect.fn("gatewayCredential")(function* (
  sources: Pick<GatewaySources, "env" | "flags">
): Effect.fn.Return<GatewayCredential, ConfigInvalid | ConfigUnreadable | SettingInvalid, Config> {
  const config = yield* Config
  const decided = yield* Effect.mapError(
    Effect.fromResult(resolveCredential({ ...sources, config: yield* config.get })),
    (found) => settingError(config.file, found)
  )
  const credential = Option.isSome(decided) ? decided.value : yield* generate(config)
  const redactor = yield* Effect.serviceOption(Redactor)
  if (Option.isSome(redactor)) {
    const secret =
      credential.mode === "token" ? credential.token : credential.mode === "none" ? undefined : credential.password
    if (secret !== undefined) yield* redactor.value.add(secretsOf({ token: Redacted.value(secret) }))
  }
  return credential
})

const generate = Effect.fnUntraced(function* (config: Config["Service"]) {
  // Something is written there that has no value here (`"${NAME}"`): replacing it would destroy what its author meant.
  const written = getAt(yield* config.raw, ["gateway", "auth", "token"])
  if (written !== undefined && !(typeof written === "string" && isBlank(written))) {
    return yield* new ConfigInvalid({
      file: config.file,
      problems: [
        {
          path: "gateway.auth.token",
          value:
            typeof written === "string" ? "a text whose variable has no value" : "a secret reference without a value",
          expected: "a token; set the variable that it names, or remove the key so that one is made"
        }
      ]
    })
  }
  const token = Redacted.make(randomBytes(24).toString("hex"))
  return { mode: "token", token, source: "generated" } as const
})

/**
 * Stores a token that was made, as `gateway.auth.token`, so that clients on this machine find it and the next start has
 * the same one. Asked for once the Gateway listens: a start that fails leaves no file behind.
 */
export const keepGenerated = Effect.fn("keepGenerated")(function* (credential: GatewayCredential) {
  if (credential.mode !== "token" || credential.source !== "generated") return
  const config = yield* Config
  yield* config.set("gateway.auth.token", Redacted.value(credential.token))
  yield* Effect.logInfo(`made a gateway token and stored it in ${config.file} as gateway.auth.token`)
})
