/**
 * Which Gateway a node joins, and what it shows it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { pinned, type Target, type TargetError, type TargetInput } from "../../../client/credentials.ts"
import { secretsFor } from "../../../client/precedence.ts"
import { bootstrapToken } from "../../../domain/Credential.ts"
import { DEFAULT_PORT, isEncrypted, isLoopback, parse, portOf } from "../../../domain/Endpoint.ts"
import { parse as parseFingerprint, pin } from "../../../domain/TlsFingerprint.ts"
import { Redactor } from "../../../layers/logging/Redactor.ts"
import { Config } from "../../../services/Config.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { Password, TlsFingerprint, Token, Url } from "../../globals.ts"
import { targetOfNode } from "../../gateway.ts"
import { ownCertificate } from "../../ownCertificate.ts"
import * as State from "../../state.ts"
import { unresolvedSecrets } from "../../unresolved.ts"

export interface Address {
  /** `wss:`, with a certificate that an authority vouches for, that `--tls-fingerprint` names, or that is this machine's own. */
  readonly tls?: boolean | undefined
  /** A setup code, bare or as `oc-pair://<code>`. */
  readonly pair?: string | undefined
  readonly host: string | undefined
  readonly port: number | undefined
  /** The port of this machine's own Gateway where nothing says another. */
  readonly defaultPort?: number | undefined
}

/**
 * A Gateway named by `--host` and `--port`. On this machine the configuration's own secret opens it, after what
 * flags and environment give; elsewhere only those do. A device token that this very Gateway issued is used in both cases.
 */
export const atAddress = (
  address: Address,
  sources: Pick<TargetInput, "config" | "env" | "flags" | "unresolved">
): Result.Result<Target, TargetError> => {
  const host = address.host ?? "127.0.0.1"
  const port = address.port ?? (address.host === undefined ? address.defaultPort : undefined) ?? DEFAULT_PORT
  const url = `${address.tls === true ? "wss" : "ws"}://${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`
  return Result.gen(function* () {
    const endpoint = yield* parse(url, "--host")
    const credentials = yield* secretsFor(isLoopback(endpoint) ? "node" : "environment", sources)
    return yield* pinned({ endpoint, source: "--host", credentials, storedTokens: true }, sources)
  })
}

const SetupCode = Schema.fromJsonString(
  Schema.Struct({
    url: Schema.String,
    bootstrapToken: Schema.NonEmptyString,
    tlsFingerprint: Schema.optional(Schema.String)
  })
)
const decodeCode = Schema.decodeUnknownOption(SetupCode)

/** Where a setup code leads, the one-time secret in it, and the certificate to expect there. */
export const atCode = (code: string): Result.Result<Target, TargetError | CommandFailed> => {
  const text = Buffer.from(code.trim().replace(/^oc-pair:\/\//i, ""), "base64url").toString("utf8")
  const content = decodeCode(text)
  if (Option.isNone(content)) {
    return Result.fail(
      new CommandFailed({
        message:
          "--pair is not a setup code.\nFix: make one with `openclaw qr --node` on the Gateway's machine, and copy all of it."
      })
    )
  }
  const { bootstrapToken: secret, tlsFingerprint, url } = content.value
  return Result.gen(function* () {
    const endpoint = yield* parse(url, "--pair")
    const target: Target = { endpoint, source: "--pair", credentials: [bootstrapToken(secret)], storedTokens: true }
    if (tlsFingerprint === undefined) return target
    return { ...target, tlsFingerprint: yield* pin(endpoint, yield* parseFingerprint(tlsFingerprint, "--pair")) }
  })
}

/** What leads to this machine's own Gateway has its certificate to expect, where nothing else says which. */
const ownPinned = Effect.fnUntraced(function* (target: Target, config: OpenClawConfig) {
  const { endpoint, tlsFingerprint } = target
  if (tlsFingerprint !== undefined || !isEncrypted(endpoint) || !isLoopback(endpoint)) return target
  const { defaultPort } = yield* State.plan
  if (config.gateway?.mode === "remote" || portOf(endpoint) !== (config.gateway?.port ?? defaultPort)) return target
  const own = yield* ownCertificate(config)
  return own === undefined ? target : { ...target, tlsFingerprint: own }
})

/** `--pair` goes before `--url`, that before `--host` and `--port`, and those before what environment and configuration say. */
export const nodeTarget = Effect.fnUntraced(function* (address: Address) {
  if (address.pair !== undefined) {
    const flags = { tlsFingerprint: Option.getOrUndefined(yield* TlsFingerprint) }
    const paired = yield* Effect.fromResult(
      Result.flatMap(atCode(address.pair), (to) => pinned(to, { flags, config: {} }))
    )
    const read = Effect.flatMap(Config, ({ get }) => get).pipe(Effect.provide(State.config))
    // A setup code needs no configuration, so a broken one does not stand in its way.
    const found = yield* ownPinned(paired, yield* Effect.orElseSucceed(read, () => ({})))
    const redactor = yield* Effect.serviceOption(Redactor)
    if (Option.isSome(redactor))
      yield* redactor.value.add(found.credentials.map(({ secret }) => Redacted.value(secret)))
    return found
  }
  const url = yield* Url
  if (Option.isSome(url) || (address.host === undefined && address.port === undefined && address.tls !== true))
    return yield* targetOfNode
  const { variables } = yield* Environment
  const { config, unresolved } = yield* Effect.all({
    config: Effect.flatMap(Config, ({ get }) => get),
    unresolved: unresolvedSecrets
  }).pipe(Effect.provide(State.config))
  const flags = {
    token: Option.getOrUndefined(yield* Token),
    password: Option.getOrUndefined(yield* Password),
    tlsFingerprint: Option.getOrUndefined(yield* TlsFingerprint)
  }
  const { defaultPort } = yield* State.plan
  const found = yield* Effect.fromResult(
    atAddress({ ...address, defaultPort }, { flags, env: variables, config, unresolved })
  )
  return yield* ownPinned(found, config)
})
