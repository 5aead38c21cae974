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
import { DEFAULT_PORT, isLoopback, parse } from "../../../domain/Endpoint.ts"
import { Redactor } from "../../../layers/logging/Redactor.ts"
import { Config } from "../../../services/Config.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { Password, TlsFingerprint, Token, Url } from "../../globals.ts"
import { targetOfNode } from "../../gateway.ts"
import * as State from "../../state.ts"
import { unresolvedSecrets } from "../../unresolved.ts"

export interface Address {
  /** `wss:`, with a certificate that an authority vouches for or that `--tls-fingerprint` names. */
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

const SetupCode = Schema.fromJsonString(Schema.Struct({ url: Schema.String, bootstrapToken: Schema.NonEmptyString }))
const decodeCode = Schema.decodeUnknownOption(SetupCode)

/** Where a setup code leads, and the one-time secret in it. */
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
  return Result.map(parse(content.value.url, "--pair"), (endpoint) => ({
    endpoint,
    source: "--pair",
    credentials: [bootstrapToken(content.value.bootstrapToken)],
    storedTokens: true
  }))
}

/** `--pair` goes before `--url`, that before `--host` and `--port`, and those before what environment and configuration say. */
export const nodeTarget = Effect.fnUntraced(function* (address: Address) {
  if (address.pair !== undefined) {
    const flags = { tlsFingerprint: Option.getOrUndefined(yield* TlsFingerprint) }
    const found = yield* Effect.fromResult(
      Result.flatMap(atCode(address.pair), (to) => pinned(to, { flags, config: {} }))
    )
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
  return yield* Effect.fromResult(atAddress({ ...address, defaultPort }, { flags, env: variables, config, unresolved }))
})
