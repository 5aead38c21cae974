/**
 * Which Gateway a command talks to, and what it shows it. A pure function of flags, environment and configuration.
 *
 * The first address that is given decides: `--url`, `OPENCLAW_GATEWAY_URL`, `gateway.remote.url` (when `gateway.mode` is
 * `remote`), else this machine's own Gateway. Secrets never travel further than their source allows:
 *
 * | address                | token and password come from                                                   |
 * | ---------------------- | ------------------------------------------------------------------------------ |
 * | `--url`                | `--token`, `--password`; without either nothing is dialled                     |
 * | `OPENCLAW_GATEWAY_URL` | those flags, else the environment; never the file                              |
 * | `gateway.remote.url`   | flags; token: file, environment; password: environment, file (`gateway.remote`) |
 * | this machine           | flags; file (`gateway.auth`), environment                                      |
 *
 * The orders are OpenClaw's. Unlike OpenClaw, the local secret is never sent to the remote Gateway or the other way round.
 */
import * as Result from "effect/Result"
import { type Credential, password, token } from "../domain/Credential.ts"
import { DEFAULT_PORT, type Endpoint, InsecureEndpoint, InvalidEndpoint, loopback, parse } from "../domain/Endpoint.ts"
import { MissingExplicitCredentials } from "../services/Config.ts"
import type { OpenClawConfig } from "../services/ConfigSchema.ts"

export interface TargetInput {
  readonly flags: {
    readonly url?: string | undefined
    readonly token?: string | undefined
    readonly password?: string | undefined
  }
  /** The environment; only `OPENCLAW_GATEWAY_*` is looked at. */
  readonly env: { readonly [name: string]: string | undefined }
  readonly config: OpenClawConfig
  /** Where this machine's Gateway listens right now, where that is known: goes before what the file says of its address. */
  readonly running?: string | undefined
}

/** The source of an address that is the running Gateway's own. */
export const RUNNING = "the running Gateway"

export interface Target {
  readonly endpoint: Endpoint
  /** Which setting named the endpoint, for messages. */
  readonly source: string
  readonly credentials: ReadonlyArray<Credential>
  /** Stored device tokens may be used for it and kept from it. */
  readonly storedTokens: boolean
}

export type TargetError = InvalidEndpoint | InsecureEndpoint | MissingExplicitCredentials

const text = (value: string | undefined): string | undefined => {
  const trimmed = value?.trim()
  return trimmed === "" ? undefined : trimmed
}

/** The first source that has anything, for each kind. */
const firstOf = (...values: ReadonlyArray<string | undefined>) => values.map(text).find((value) => value !== undefined)

const credentials = (secrets: {
  readonly token: string | undefined
  readonly password: string | undefined
}): ReadonlyArray<Credential> => [
  ...(secrets.token === undefined ? [] : [token(secrets.token)]),
  ...(secrets.password === undefined ? [] : [password(secrets.password)])
]

/** Both kinds when a flag gave any, so that a stored secret never completes a half-given pair. */
const explicit = ({ flags }: TargetInput): ReadonlyArray<Credential> =>
  credentials({ token: text(flags.token), password: text(flags.password) })

const orElse = (given: ReadonlyArray<Credential>, stored: () => ReadonlyArray<Credential>) =>
  given.length > 0 ? given : stored()

const port = (input: TargetInput): Result.Result<number, InvalidEndpoint> => {
  const given = text(input.env["OPENCLAW_GATEWAY_PORT"])
  if (given === undefined) return Result.succeed(input.config.gateway?.port ?? DEFAULT_PORT)
  const value = Number(given)
  return /^\d{1,5}$/.test(given) && value >= 1 && value <= 65_535
    ? Result.succeed(value)
    : Result.fail(
        new InvalidEndpoint({
          source: "OPENCLAW_GATEWAY_PORT",
          problem: "has a port that is not 1 to 65535",
          fix: "set OPENCLAW_GATEWAY_PORT to the Gateway's port, or unset it"
        })
      )
}

/** Where this machine's Gateway can be dialled: loopback, unless it is bound to one other address. */
const local = (input: TargetInput): Result.Result<Endpoint, InvalidEndpoint | InsecureEndpoint> =>
  Result.flatMap(port(input), (number) => {
    const gateway = input.config.gateway
    const host = gateway?.bind === "custom" ? text(gateway.customBindHost) : undefined
    if (host === undefined || host === "0.0.0.0" || host === "::") return Result.succeed(loopback(number))
    return parse(`ws://${host.includes(":") ? `[${host}]` : host}:${number}`, "gateway.customBindHost")
  })

const localCredentials = (input: TargetInput): ReadonlyArray<Credential> => {
  const auth = input.config.gateway?.auth
  const secrets = {
    token: firstOf(auth?.token, input.env["OPENCLAW_GATEWAY_TOKEN"]),
    password: firstOf(auth?.password, input.env["OPENCLAW_GATEWAY_PASSWORD"])
  }
  switch (auth?.mode) {
    case "none":
    case "trusted-proxy":
      return []
    case "token":
      return credentials({ token: secrets.token, password: undefined })
    case "password":
      return credentials({ token: undefined, password: secrets.password })
    case undefined:
      return credentials(secrets)
  }
}

/** Decides before anything is dialled. */
export const resolveTarget = (input: TargetInput): Result.Result<Target, TargetError> => {
  const { config, env, flags } = input
  const given = explicit(input)

  const flagUrl = text(flags.url)
  if (flagUrl !== undefined) {
    const source = "--url"
    return Result.flatMap(parse(flagUrl, source), (endpoint): Result.Result<Target, TargetError> =>
      given.length === 0
        ? Result.fail(new MissingExplicitCredentials({ url: endpoint }))
        : Result.succeed({ endpoint, source, credentials: given, storedTokens: false })
    )
  }

  const envUrl = text(env["OPENCLAW_GATEWAY_URL"])
  if (envUrl !== undefined) {
    const source = "OPENCLAW_GATEWAY_URL"
    return Result.map(parse(envUrl, source), (endpoint) => ({
      endpoint,
      source,
      credentials: orElse(given, () =>
        credentials({ token: text(env["OPENCLAW_GATEWAY_TOKEN"]), password: text(env["OPENCLAW_GATEWAY_PASSWORD"]) })
      ),
      storedTokens: false
    }))
  }

  if (config.gateway?.mode === "remote") {
    const { remote } = config.gateway
    const source = "gateway.remote.url"
    const url = text(remote?.url)
    if (url === undefined) {
      return Result.fail(new InvalidEndpoint({ source, problem: "is not set, although gateway.mode is remote" }))
    }
    return Result.map(parse(url, source), (endpoint) => ({
      endpoint,
      source,
      credentials: orElse(given, () =>
        credentials({
          token: firstOf(remote?.token, env["OPENCLAW_GATEWAY_TOKEN"]),
          password: firstOf(env["OPENCLAW_GATEWAY_PASSWORD"], remote?.password)
        })
      ),
      storedTokens: true
    }))
  }

  const own = (endpoint: Endpoint, source: string): Target => ({
    endpoint,
    source,
    credentials: orElse(given, () => localCredentials(input)),
    storedTokens: true
  })
  if (text(env["OPENCLAW_GATEWAY_PORT"]) !== undefined) {
    return Result.map(local(input), (endpoint) => own(endpoint, "OPENCLAW_GATEWAY_PORT"))
  }
  const configured = Result.map(local(input), (endpoint) => own(endpoint, "gateway.port"))
  const running = text(input.running)
  if (running === undefined) return configured
  return Result.map(parse(running, RUNNING), (endpoint) =>
    Result.isSuccess(configured) && configured.success.endpoint === endpoint
      ? configured.success
      : own(endpoint, RUNNING)
  )
}
