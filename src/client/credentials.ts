/**
 * Which Gateway a command talks to, by which way, and what it shows it. A pure function of flags, environment and
 * configuration.
 *
 * The first address that is given decides: `--url`, `OPENCLAW_GATEWAY_URL`, `gateway.remote.url` (when `gateway.mode` is
 * `remote`), else this machine's own Gateway. What named it decides which secrets it may see (`precedence.ts`): `--url`
 * only what flags give, `OPENCLAW_GATEWAY_URL` never what the file says. With `gateway.remote.transport: "ssh"` the address is
 * the tunnel's end on this machine.
 */
import * as Result from "effect/Result"
import type { Credential } from "../domain/Credential.ts"
import {
  DEFAULT_PORT,
  type Endpoint,
  InsecureEndpoint,
  InvalidEndpoint,
  isLoopback,
  isEncrypted,
  loopback,
  parse,
  portOf
} from "../domain/Endpoint.ts"
import { parse as parseSshTarget, type SshTargetInvalid } from "../domain/SshTarget.ts"
import {
  type InvalidTlsFingerprint,
  parse as parseFingerprint,
  pin,
  type TlsFingerprint,
  type TlsPinWithoutTls
} from "../domain/TlsFingerprint.ts"
import { MissingExplicitCredentials, type SecretUnresolved, SettingInvalid } from "../services/Config.ts"
import type { OpenClawConfig } from "../services/ConfigSchema.ts"
import type { TunnelSpec } from "../services/TunnelManager.ts"
import { secretsFor, text, type UnresolvedSecret } from "./precedence.ts"

export interface TargetInput {
  readonly flags: {
    readonly url?: string | undefined
    readonly token?: string | undefined
    readonly password?: string | undefined
    /** `--tls-fingerprint`: of the certificate that whichever Gateway is named must show. */
    readonly tlsFingerprint?: string | undefined
  }
  /** The environment; only `OPENCLAW_GATEWAY_*` is looked at, and `HOME` where `home` is left out. */
  readonly env: { readonly [name: string]: string | undefined }
  readonly config: OpenClawConfig
  /** What the file refers to without a value, so that it is missing from `config`: nothing takes its place. */
  readonly unresolved?: ReadonlyArray<UnresolvedSecret> | undefined
  /** The Gateway is for `openclaw node run`, which looks at the environment first. */
  readonly node?: boolean | undefined
  /** What `~/` in `gateway.remote.sshIdentity` stands for; the environment's `HOME` when left out. */
  readonly home?: string | undefined
  /** The port of this machine's Gateway where nothing says another; 18789 when left out. */
  readonly defaultPort?: number | undefined
  /** Where this machine's Gateway listens right now, where that is known: goes before what the file says of its address. */
  readonly running?: string | undefined
  /** Of the certificate of this machine's Gateway, where that is known: what it must show when it is the one that is meant. */
  readonly ownCertificate?: TlsFingerprint | undefined
}

/** The source of an address that is the running Gateway's own. */
export const RUNNING = "the running Gateway"

export interface Target {
  readonly endpoint: Endpoint
  /** Which setting named the endpoint, for messages. */
  readonly source: string
  readonly credentials: ReadonlyArray<Credential>
  /** Of the certificate that the Gateway must show; the configured one is for the configured address only. */
  readonly tlsFingerprint?: TlsFingerprint | undefined
  /** The tunnel that has to stand before the endpoint is dialled; left out: it is dialled as it is. */
  readonly ssh?: TunnelSpec | undefined
  /** Stored device tokens may be used for it and kept from it. */
  readonly storedTokens: boolean
}

export type TargetError =
  | InvalidEndpoint
  | InsecureEndpoint
  | InvalidTlsFingerprint
  | MissingExplicitCredentials
  | SecretUnresolved
  | SettingInvalid
  | SshTargetInvalid
  | TlsPinWithoutTls

const port = (input: TargetInput): Result.Result<number, InvalidEndpoint> => {
  const given = text(input.env["OPENCLAW_GATEWAY_PORT"])
  if (given === undefined) return Result.succeed(input.config.gateway?.port ?? input.defaultPort ?? DEFAULT_PORT)
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
    const scheme = gateway?.tls?.enabled === true ? "wss" : "ws"
    if (host === undefined || host === "0.0.0.0" || host === "::") return Result.succeed(loopback(number, scheme))
    return parse(`${scheme}://${host.includes(":") ? `[${host}]` : host}:${number}`, "gateway.customBindHost")
  })

const unset = (source: string, although: string, fix: string) =>
  Result.fail(new InvalidEndpoint({ source, problem: `is not set, although ${although}`, fix }))

type Remote = NonNullable<NonNullable<OpenClawConfig["gateway"]>["remote"]>

const REMOTE_URL = "gateway.remote.url"
const SSH_TARGET = "gateway.remote.sshTarget"
const SSH_IDENTITY = "gateway.remote.sshIdentity"
const FINGERPRINT = "gateway.remote.tlsFingerprint"

/**
 * Where nothing is said: `ssh` with a target to log in to. An address on another machine says that no tunnel ends there, as
 * OpenClaw's command line takes it, which opens none and dials what `url` says.
 */
const transportOf = (remote: Remote): "ssh" | "direct" => {
  if (remote.transport !== undefined) return remote.transport
  if (text(remote.sshTarget) === undefined) return "direct"
  const url = text(remote.url)
  const near =
    url === undefined || Result.match(parse(url, REMOTE_URL), { onSuccess: isLoopback, onFailure: () => false })
  return near ? "ssh" : "direct"
}

type RemoteAddress = Pick<Target, "endpoint" | "ssh">
type AddressError = Exclude<TargetError, MissingExplicitCredentials>

/** The end on this machine, which is no place of another one. */
const nearEnd = (remote: Remote, port: number): Result.Result<Endpoint, AddressError> =>
  Result.flatMap(parse(text(remote.url) ?? loopback(port), REMOTE_URL), (endpoint) =>
    isLoopback(endpoint)
      ? Result.succeed(endpoint)
      : Result.fail(
          new InvalidEndpoint({
            source: REMOTE_URL,
            problem: "is on another machine, although gateway.remote.transport is ssh",
            fix: "name the tunnel's end on this machine (ws://127.0.0.1:18789), or set gateway.remote.transport to direct"
          })
        )
  )

/** Relative to nothing: every command has to mean the same file. */
const identityOf = (remote: Remote, home: string | undefined): Result.Result<string | undefined, SettingInvalid> => {
  const path = text(remote.sshIdentity)
  if (path === undefined) return Result.succeed(path)
  const whole = home !== undefined && path.startsWith("~/") ? `${home.replace(/\/+$/, "")}${path.slice(1)}` : path
  return /^(?:\/|[A-Za-z]:[\\/])\P{Cc}*$/u.test(whole)
    ? Result.succeed(whole)
    : Result.fail(
        new SettingInvalid({
          source: SSH_IDENTITY,
          value: JSON.stringify(path.slice(0, 80)),
          expected: "the path of a private key that begins with / or ~/"
        })
      )
}

const throughSsh = (
  remote: Remote,
  { defaultPort, env, home }: TargetInput,
  credentials: ReadonlyArray<Credential>
): Result.Result<RemoteAddress, AddressError> => {
  const given = text(remote.sshTarget)
  if (given === undefined) {
    return unset(
      SSH_TARGET,
      "gateway.remote.transport is ssh",
      "`openclaw config set gateway.remote.sshTarget user@host`, or set gateway.remote.transport to direct"
    )
  }
  return Result.gen(function* () {
    const target = yield* parseSshTarget(given, SSH_TARGET)
    const identityFile = yield* identityOf(remote, text(home) ?? text(env["HOME"]))
    // Two profiles have two ends on this machine; the port on the other one is not known by it.
    const endpoint = yield* nearEnd(remote, defaultPort ?? DEFAULT_PORT)
    const localPort = portOf(endpoint)
    const remotePort = remote.remotePort ?? (text(remote.url) === undefined ? DEFAULT_PORT : localPort)
    const hostKeyPolicy = remote.sshHostKeyPolicy ?? "strict"
    const tls = isEncrypted(endpoint) ? {} : undefined
    const ssh: TunnelSpec = { target, localPort, remotePort, tls, identityFile, hostKeyPolicy, credentials }
    return { endpoint, ssh }
  })
}

const remoteAddress = (
  remote: Remote,
  input: TargetInput,
  credentials: ReadonlyArray<Credential>
): Result.Result<RemoteAddress, AddressError> => {
  if (transportOf(remote) === "ssh") return throughSsh(remote, input, credentials)
  const url = text(remote.url)
  return url === undefined
    ? unset(
        REMOTE_URL,
        "gateway.mode is remote",
        "`openclaw config set gateway.remote.url wss://gateway.example.com`, or name an SSH target in gateway.remote.sshTarget"
      )
    : Result.map(parse(url, REMOTE_URL), (endpoint) => ({ endpoint }))
}

/** A Gateway that somebody named outright: nothing stored goes there, and nothing is dialled without a secret. */
const explicit = (
  url: string,
  source: MissingExplicitCredentials["source"],
  place: "flag" | "environment",
  input: TargetInput
): Result.Result<Target, TargetError> =>
  Result.gen(function* () {
    const endpoint = yield* parse(url, source)
    const credentials = yield* secretsFor(place, input)
    if (credentials.length === 0) return yield* Result.fail(new MissingExplicitCredentials({ url: endpoint, source }))
    return { endpoint, source, credentials, storedTokens: false }
  })

const withoutPin = (input: TargetInput): Result.Result<Target, TargetError> => {
  const { config, env, flags } = input

  const flagUrl = text(flags.url)
  const envUrl = text(env["OPENCLAW_GATEWAY_URL"])
  if (flagUrl !== undefined) return explicit(flagUrl, "--url", "flag", input)
  if (envUrl !== undefined) return explicit(envUrl, "OPENCLAW_GATEWAY_URL", "environment", input)

  if (config.gateway?.mode === "remote") {
    const remote = config.gateway.remote ?? {}
    return Result.gen(function* () {
      const credentials = yield* secretsFor(input.node === true ? "remote-node" : "remote", input)
      const address = yield* remoteAddress(remote, input, credentials)
      return { ...address, source: REMOTE_URL, credentials, storedTokens: true }
    })
  }

  const own = (endpoint: Endpoint, source: string): Result.Result<Target, TargetError> =>
    Result.map(secretsFor(input.node === true ? "node" : "local", input), (credentials) => ({
      endpoint,
      source,
      credentials,
      storedTokens: true
    }))
  const given = text(env["OPENCLAW_GATEWAY_PORT"]) !== undefined
  const configured = local(input)
  const running = given ? undefined : text(input.running)
  const source = given ? "OPENCLAW_GATEWAY_PORT" : "gateway.port"
  if (running === undefined) return Result.flatMap(configured, (endpoint) => own(endpoint, source))
  return Result.flatMap(parse(running, RUNNING), (endpoint) =>
    own(endpoint, Result.isSuccess(configured) && configured.success === endpoint ? source : RUNNING)
  )
}

/** What names this machine's own Gateway. */
const OWN: ReadonlySet<string> = new Set(["OPENCLAW_GATEWAY_PORT", "gateway.port", RUNNING])

/** The target with the certificate that it must show. The configured one is for the configured address only. */
export const pinned = (
  target: Target,
  input: Pick<TargetInput, "config" | "flags" | "ownCertificate">
): Result.Result<Target, TargetError> => {
  const flag = text(input.flags.tlsFingerprint)
  const configured = target.source === REMOTE_URL ? text(input.config.gateway?.remote?.tlsFingerprint) : undefined
  const given = flag ?? configured
  if (given === undefined) {
    const own = OWN.has(target.source) && isEncrypted(target.endpoint) ? input.ownCertificate : undefined
    return Result.succeed(own === undefined ? target : { ...target, tlsFingerprint: own })
  }
  return parseFingerprint(given, flag === undefined ? FINGERPRINT : "--tls-fingerprint").pipe(
    Result.flatMap((fingerprint) => pin(target.endpoint, fingerprint)),
    Result.map((tlsFingerprint) => ({
      ...target,
      tlsFingerprint,
      // A pin is for TLS only: the tunnel sees it too.
      ssh: target.ssh === undefined ? undefined : { ...target.ssh, tls: { fingerprint: tlsFingerprint } }
    }))
  )
}

/** Decides before anything is dialled. */
export const resolveTarget = (input: TargetInput): Result.Result<Target, TargetError> =>
  Result.flatMap(withoutPin(input), (target) => pinned(target, input))
