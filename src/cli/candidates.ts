/**
 * Every Gateway that this machine has reason to ask about, and what each may be shown. Pure.
 *
 * What a flag gives is for the Gateway that is meant; the others see only what the configuration holds for them, and a
 * Gateway that somebody on the network told of sees nothing at all.
 */
import * as Result from "effect/Result"
import { resolveTarget, type Target, type TargetError, type TargetInput } from "../client/credentials.ts"
import type { Beacon } from "../client/discovery/beacon.ts"
import { secretsFor } from "../client/precedence.ts"
import { isLoopback, loopback, parse, DEFAULT_PORT } from "../domain/Endpoint.ts"
import { parse as parseSsh, parts, type SshTarget } from "../domain/SshTarget.ts"
import type { OpenClawConfig } from "../services/ConfigSchema.ts"

export type Kind = "explicit" | "sshTunnel" | "configRemote" | "localLoopback" | "discovered"

export interface Candidate {
  readonly id: string
  readonly kind: Kind
  /** The one that other commands would talk to, or that this one was asked for. */
  readonly active: boolean
  readonly target: Result.Result<Target, TargetError>
  /** What was told of it, where it is known by that alone. */
  readonly beacon?: Beacon | undefined
}

export interface SshAsked {
  /** `--ssh`, or the host that was found. */
  readonly target: SshTarget
  /** `--port`: the Gateway's over there. */
  readonly remotePort?: number | undefined
  /** It comes from the network, so that nothing given by flags is meant for it. */
  readonly discovered: boolean
}

const text = (value: string | undefined) => (value?.trim() ?? "") !== ""

const withMode = (config: OpenClawConfig, mode: "local" | "remote"): OpenClawConfig => ({
  ...config,
  gateway: { ...config.gateway, mode }
})

/** As if nobody had given an address or a secret. */
const bare = (input: TargetInput): TargetInput => ({
  ...input,
  flags: {},
  env: { ...input.env, OPENCLAW_GATEWAY_URL: "", OPENCLAW_GATEWAY_TOKEN: "", OPENCLAW_GATEWAY_PASSWORD: "" }
})

const throughSsh = (input: TargetInput, asked: SshAsked, configured: Target | undefined): Candidate["target"] => {
  if (configured?.ssh !== undefined && configured.ssh.target === asked.target) {
    const { remotePort = configured.ssh.remotePort } = asked
    return Result.succeed({ ...configured, ssh: { ...configured.ssh, remotePort } })
  }
  const localPort = input.config.gateway?.port ?? input.defaultPort ?? DEFAULT_PORT
  const given = asked.discovered || text(input.flags.url) ? Result.succeed([]) : secretsFor("flag", input)
  return Result.map(given, (credentials) => ({
    endpoint: loopback(localPort),
    source: asked.discovered ? "--ssh-auto" : "--ssh",
    credentials,
    storedTokens: false,
    ssh: {
      target: asked.target,
      localPort,
      remotePort: asked.remotePort ?? input.config.gateway?.remote?.remotePort ?? DEFAULT_PORT,
      identityFile: undefined,
      hostKeyPolicy: input.config.gateway?.remote?.sshHostKeyPolicy ?? "strict",
      credentials
    }
  }))
}

/** With another key to log in with, where one is given. */
export const withIdentity = (candidate: Candidate, identityFile: string | undefined): Candidate => ({
  ...candidate,
  target: Result.map(candidate.target, (target) =>
    target.ssh === undefined || identityFile === undefined
      ? target
      : { ...target, ssh: { ...target.ssh, identityFile } }
  )
})

/** Those that are known without looking around. */
export const known = (input: TargetInput, ssh: SshAsked | undefined): ReadonlyArray<Candidate> => {
  const { config, env, flags } = input
  const explicit = text(flags.url) || text(env["OPENCLAW_GATEWAY_URL"])
  const mode = config.gateway?.mode ?? "local"
  const meant = explicit ? "explicit" : ssh !== undefined ? "sshTunnel" : mode
  const inputFor = (own: "local" | "remote") => ({
    ...(meant === own ? input : bare(input)),
    config: withMode(config, own)
  })
  const remote = config.gateway?.remote
  const hasRemote = mode === "remote" || text(remote?.url) || text(remote?.sshTarget)
  const configured = hasRemote ? resolveTarget(inputFor("remote")) : undefined
  const overSsh = configured !== undefined && Result.isSuccess(configured) && configured.success.ssh !== undefined
  const found = configured !== undefined && Result.isSuccess(configured) ? configured.success : undefined
  const isSame = overSsh && ssh !== undefined && found?.ssh?.target === ssh.target
  return [
    ...(explicit ? [{ id: "explicit", kind: "explicit", active: true, target: resolveTarget(input) } as const] : []),
    ...(ssh === undefined
      ? []
      : [
          {
            id: "sshTunnel",
            kind: "sshTunnel",
            active: meant === "sshTunnel",
            target: throughSsh(input, ssh, found)
          } as const
        ]),
    ...(configured === undefined || isSame
      ? []
      : [
          {
            id: overSsh && ssh === undefined ? "sshTunnel" : "configRemote",
            kind: overSsh && ssh === undefined ? "sshTunnel" : "configRemote",
            active: meant === "remote",
            target: configured
          } as const
        ]),
    { id: "localLoopback", kind: "localLoopback", active: meant === "local", target: resolveTarget(inputFor("local")) }
  ]
}

/** Means nothing without the interface that it was heard on. */
const isLinkLocal = (address: string): boolean => /^fe[89ab]/i.test(address)

/** Where a beacon leads: its own address on the network, never this machine's loopback or a public address. */
const endpointOf = ({ addresses, port, txt }: Beacon) => {
  const scheme = txt.gatewayTls === undefined ? "ws" : "wss"
  for (const address of addresses) {
    if (isLinkLocal(address)) continue
    const host = address.includes(":") ? `[${address}]` : address
    const plain = parse(`ws://${host}:${port}`, "the network")
    if (Result.isSuccess(plain) && !isLoopback(plain.success))
      return parse(`${scheme}://${host}:${port}`, "the network")
  }
  return undefined
}

/** Those that were told of and can be dialled directly. None is shown anything. */
export const discovered = (beacons: ReadonlyArray<Beacon>): ReadonlyArray<Candidate> =>
  beacons.flatMap((beacon, index) => {
    const endpoint = beacon.txt.gatewayDirectReachable === undefined ? undefined : endpointOf(beacon)
    if (endpoint === undefined) return []
    const target = Result.map(endpoint, (endpoint) => ({
      endpoint,
      source: "Bonjour",
      credentials: [],
      storedTokens: false
    }))
    return [{ id: `discovered${index + 1}`, kind: "discovered", active: false, target, beacon } as const]
  })

/**
 * The host to log in to, as the service record has it; a port that somebody told of is not believed. Names of the network
 * itself only: any other might be one of `~/.ssh/config`, or of a machine far away.
 */
export const sshTargetOf = (host: string): SshTarget | undefined => {
  const found = parseSsh(host, "the network")
  return /\.local$/i.test(host) && Result.isSuccess(found) && parts(found.success).host === host
    ? found.success
    : undefined
}
