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
 *
 * `node` is this machine's Gateway as `openclaw node run --host` names it. The orders are those that OpenClaw documents, with
 * one exception: the secrets of `gateway.remote` are for calls to the remote Gateway only, so they are no last resort for
 * this machine's own.
 */
import { type Credential, password, token } from "../domain/Credential.ts"
import type { OpenClawConfig } from "../services/ConfigSchema.ts"

export interface SecretSources {
  readonly flags: { readonly token?: string | undefined; readonly password?: string | undefined }
  /** The environment; only `OPENCLAW_GATEWAY_TOKEN` and `OPENCLAW_GATEWAY_PASSWORD` are looked at. */
  readonly env: { readonly [name: string]: string | undefined }
  readonly config: OpenClawConfig
}

/** What named the Gateway. */
export type Place = "flag" | "environment" | "remote" | "local" | "node"

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
  node: { token: ["environment", "gateway.auth"], password: ["environment", "gateway.auth"] }
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

/** This machine's own Gateway says in `gateway.auth.mode` what it asks for; a remote one has a file of its own. */
const asked = (place: Place, kind: Kind, config: OpenClawConfig): boolean => {
  const mode = place === "local" || place === "node" ? config.gateway?.auth?.mode : undefined
  return mode === undefined || mode === kind
}

const pair = (find: (kind: Kind) => string | undefined): ReadonlyArray<Credential> => {
  const [foundToken, foundPassword] = [find("token"), find("password")]
  return [
    ...(foundToken === undefined ? [] : [token(foundToken)]),
    ...(foundPassword === undefined ? [] : [password(foundPassword)])
  ]
}

/** What a Gateway that `place` named is shown: at most one token and one password. */
export const secretsFor = (place: Place, sources: SecretSources): ReadonlyArray<Credential> => {
  const given = pair((kind) => text(sources.flags[kind]))
  if (given.length > 0) return given
  return pair((kind) => {
    if (!asked(place, kind, sources.config)) return undefined
    for (const source of ORDER[place][kind]) {
      const found = at(source, kind, sources)
      if (found !== undefined) return found
    }
    return undefined
  })
}
