/**
 * Which secrets a Gateway may be shown, and where each is looked for first. One table, one pure function.
 *
 * A flag goes before everything, and alone: a stored secret never completes a half-given pair. Then, by the place that
 * named the Gateway:
 *
 * | place         | token                                          | password                                       |
 * | ------------- | ---------------------------------------------- | ---------------------------------------------- |
 * | `flag`        | nothing else                                   | nothing else                                   |
 * | `environment` | environment                                    | environment                                    |
 * | `remote`      | `gateway.remote`, environment, `gateway.auth`  | environment, `gateway.remote`, `gateway.auth`  |
 * | `local`       | `gateway.auth`, environment                    | `gateway.auth`, environment                    |
 * | `node`        | environment, `gateway.auth`                    | environment, `gateway.auth`                    |
 * | `remote-node` | environment, `gateway.remote`, `gateway.auth`  | environment, `gateway.remote`, `gateway.auth`  |
 *
 * `node` and `remote-node` are `local` and `remote` as `openclaw node run` sees them. The orders are those of OpenClaw, with
 * one exception: the secrets of `gateway.remote` are for calls to the remote Gateway only, so they are no last resort for
 * this machine's own.
 *
 * A secret that is configured by reference and has no value here is not passed over: the search ends in an error, unless what
 * the Gateway is shown otherwise ranks at least as high (a password beside the token, in the same section of the file).
 */
import * as Result from "effect/Result"
import { type Credential, password, token } from "../domain/Credential.ts"
import { SecretUnresolved } from "../services/Config.ts"
import type { OpenClawConfig } from "../services/ConfigSchema.ts"

/** A key of the configuration that refers to a secret which has no value here, and why it has none. Holds no value. */
export interface UnresolvedSecret {
  readonly path: string
  readonly reason: string
}

export interface SecretSources {
  readonly flags: { readonly token?: string | undefined; readonly password?: string | undefined }
  /** The environment; only `OPENCLAW_GATEWAY_TOKEN` and `OPENCLAW_GATEWAY_PASSWORD` are looked at. */
  readonly env: { readonly [name: string]: string | undefined }
  readonly config: OpenClawConfig
  /** What the file refers to without a value, so that it is missing from `config`. */
  readonly unresolved?: ReadonlyArray<UnresolvedSecret> | undefined
}

/** What named the Gateway. */
export type Place = "flag" | "environment" | "remote" | "local" | "node" | "remote-node"

type Source = "environment" | "gateway.auth" | "gateway.remote"
type Kind = "token" | "password"

const ORDER: { readonly [P in Place]: { readonly [K in Kind]: ReadonlyArray<Source> } } = {
  flag: { token: [], password: [] },
  environment: { token: ["environment"], password: ["environment"] },
  remote: {
    token: ["gateway.remote", "environment", "gateway.auth"],
    password: ["environment", "gateway.remote", "gateway.auth"]
  },
  local: { token: ["gateway.auth", "environment"], password: ["gateway.auth", "environment"] },
  node: { token: ["environment", "gateway.auth"], password: ["environment", "gateway.auth"] },
  "remote-node": {
    token: ["environment", "gateway.remote", "gateway.auth"],
    password: ["environment", "gateway.remote", "gateway.auth"]
  }
}

const VARIABLE = { token: "OPENCLAW_GATEWAY_TOKEN", password: "OPENCLAW_GATEWAY_PASSWORD" } as const

/** Blank counts as not given. */
export const text = (value: string | undefined): string | undefined => {
  const trimmed = value?.trim()
  return trimmed === "" ? undefined : trimmed
}

const at = (source: Source, kind: Kind, { config, env }: SecretSources): string | undefined => {
  switch (source) {
    case "environment":
      return text(env[VARIABLE[kind]])
    case "gateway.auth":
      return text(config.gateway?.auth?.[kind])
    case "gateway.remote":
      return text(config.gateway?.remote?.[kind])
  }
}

/**
 * This machine's own Gateway says in `gateway.auth.mode` what it asks for; a remote one has a file of its own. One behind a
 * proxy that knows its users asks programs of this machine for a password.
 */
const asked = (place: Place, kind: Kind, config: OpenClawConfig): boolean => {
  const mode = place === "local" || place === "node" ? config.gateway?.auth?.mode : undefined
  return mode === undefined || mode === kind || (mode === "trusted-proxy" && kind === "password")
}

/** Which of a place's sources count more, whatever the kind: what is said of this Gateway, then what is nearest. */
const RANK: { readonly [P in Place]: ReadonlyArray<Source> } = {
  flag: [],
  environment: ["environment"],
  remote: ["gateway.remote", "environment", "gateway.auth"],
  local: ["gateway.auth", "environment"],
  node: ["environment", "gateway.auth"],
  "remote-node": ["environment", "gateway.remote", "gateway.auth"]
}

type Search =
  | { readonly _tag: "Found"; readonly credential: Credential; readonly source: Source }
  | { readonly _tag: "Unresolved"; readonly secret: UnresolvedSecret; readonly source: Source }
  | undefined

const make = { token, password } as const

const search = (place: Place, kind: Kind, sources: SecretSources): Search => {
  if (!asked(place, kind, sources.config)) return undefined
  for (const source of ORDER[place][kind]) {
    const secret = sources.unresolved?.find(({ path }) => path === `${source}.${kind}`)
    if (secret !== undefined) return { _tag: "Unresolved", secret, source }
    const found = at(source, kind, sources)
    if (found !== undefined) return { _tag: "Found", credential: make[kind](found), source }
  }
  return undefined
}

/** What a Gateway that `place` named is shown: at most one token and one password. */
export const secretsFor = (
  place: Place,
  sources: SecretSources
): Result.Result<ReadonlyArray<Credential>, SecretUnresolved> => {
  const kinds = ["token", "password"] as const
  const given = kinds.flatMap((kind) => {
    const secret = text(sources.flags[kind])
    return secret === undefined ? [] : [make[kind](secret)]
  })
  if (given.length > 0) return Result.succeed(given)
  const searches = kinds.map((kind) => search(place, kind, sources))
  const found = searches.flatMap((one) => (one?._tag === "Found" ? [one] : []))
  const rank = (source: Source) => RANK[place].indexOf(source)
  const missing = searches.find(
    (one) => one?._tag === "Unresolved" && !found.some(({ source }) => rank(source) <= rank(one.source))
  )
  return missing?._tag === "Unresolved"
    ? Result.fail(new SecretUnresolved(missing.secret))
    : Result.succeed(found.map(({ credential }) => credential))
}
