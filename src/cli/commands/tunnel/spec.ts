/**
 * Which tunnel a command means.
 */
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { resolveTarget } from "../../../client/credentials.ts"
import { DEFAULT_PORT, isLoopback, loopback, parse as parseEndpoint } from "../../../domain/Endpoint.ts"
import { parse } from "../../../domain/SshTarget.ts"
import { Redactor } from "../../../layers/logging/Redactor.ts"
import { Config } from "../../../services/Config.ts"
import type { TunnelSpec } from "../../../services/TunnelManager.ts"
import { Environment } from "../../Environment.ts"
import { CommandFailed } from "../../errors.ts"
import { Password, TlsFingerprint, Token } from "../../globals.ts"
import * as State from "../../state.ts"
import { unresolvedSecrets } from "../../unresolved.ts"

export interface Wanted {
  readonly target: Option.Option<string>
  readonly localPort?: number | undefined
  readonly remotePort?: number | undefined
  readonly identity?: string | undefined
  readonly hostKeyPolicy?: "strict" | "openssh" | undefined
}

const LOCAL = "the command line"

/** The target as it is given, or the configured one; `undefined` where there is neither. */
export const targetOf = Effect.fnUntraced(function* (given: Option.Option<string>) {
  if (Option.isSome(given)) return yield* Effect.fromResult(parse(given.value, LOCAL))
  const { gateway } = yield* Effect.flatMap(Config, ({ get }) => get).pipe(Effect.provide(State.config))
  const configured = gateway?.remote?.sshTarget?.trim() ?? ""
  return configured === "" ? undefined : yield* Effect.fromResult(parse(configured, "gateway.remote.sshTarget"))
})

const noTarget = new CommandFailed({
  message:
    "there is no SSH target.\nFix: name one (`openclaw tunnel up user@host`), or `openclaw config set gateway.remote.sshTarget user@host`."
})

/** Only a near end is a place of a tunnel's. */
const near = (url: string | undefined): string | undefined =>
  url !== undefined && Option.exists(Option.getSuccess(parseEndpoint(url, "gateway.remote.url")), isLoopback)
    ? url
    : undefined

/**
 * What flags say goes before what `gateway.remote` says. The configuration's secrets are for the configured target only: another
 * one sees those of the flags.
 */
export const specOf = Effect.fn("cli.tunnel.spec")(function* (wanted: Wanted) {
  const { cwd, home, variables } = yield* Environment
  const target = yield* targetOf(wanted.target)
  if (target === undefined) return yield* noTarget
  const { config, unresolved } = yield* Effect.all({
    config: Effect.flatMap(Config, ({ get }) => get),
    unresolved: unresolvedSecrets
  }).pipe(Effect.provide(State.config))
  const { defaultPort } = yield* State.plan
  const remote = config.gateway?.remote ?? {}
  const isConfigured = remote.sshTarget?.trim() === target
  const identity = wanted.identity?.trim()
  const flags = {
    token: Option.getOrUndefined(yield* Token),
    password: Option.getOrUndefined(yield* Password),
    tlsFingerprint: Option.getOrUndefined(yield* TlsFingerprint)
  }
  // A pin says that TLS is spoken there.
  const encrypted =
    flags.tlsFingerprint === undefined ? undefined : { url: loopback(defaultPort, "wss"), remotePort: DEFAULT_PORT }
  const { ssh } = yield* Effect.fromResult(
    resolveTarget({
      flags,
      home,
      defaultPort,
      env: isConfigured ? { ...variables, OPENCLAW_GATEWAY_URL: undefined } : {},
      unresolved: isConfigured ? unresolved : [],
      config: {
        gateway: {
          ...(isConfigured ? config.gateway : undefined),
          mode: "remote",
          remote: {
            ...(isConfigured ? { ...remote, url: near(remote.url) } : encrypted),
            transport: "ssh",
            sshTarget: target,
            ...(wanted.hostKeyPolicy === undefined ? undefined : { sshHostKeyPolicy: wanted.hostKeyPolicy }),
            ...(identity === undefined || identity === ""
              ? undefined
              : { sshIdentity: identity.startsWith("~/") ? identity : Path.resolve(cwd, identity) })
          }
        }
      }
    })
  )
  if (ssh === undefined) return yield* noTarget
  const redactor = yield* Effect.serviceOption(Redactor)
  if (Option.isSome(redactor)) {
    yield* redactor.value.add((ssh.credentials ?? []).map(({ secret }) => Redacted.value(secret)))
  }
  const spec: TunnelSpec = {
    ...ssh,
    localPort: wanted.localPort ?? ssh.localPort,
    remotePort: wanted.remotePort ?? ssh.remotePort
  }
  return spec
})
