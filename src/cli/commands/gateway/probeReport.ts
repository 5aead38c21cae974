/**
 * What `openclaw gateway probe` found, as OpenClaw's JSON and as lines. Pure.
 */
import { parse, display } from "../../../domain/TlsFingerprint.ts"
import * as Result from "effect/Result"
import type { Found } from "../../../client/discovery/browse.ts"
import { beaconJson, problemsOf } from "../../discovery.ts"
import { gatewaysOf, type OneGateway } from "../../gateways.ts"
import { count, fields, plain, shortId } from "../../output.ts"
import { capabilityInWords, capabilityOf } from "../../probe.ts"
import { type Looked, mayConnect, PROBE_SCOPES } from "../../probeTarget.ts"

export interface Report {
  readonly looked: ReadonlyArray<Looked>
  readonly found: Found
  readonly discoveryMs: number
  /** `--ssh-auto` had nobody to log in to. */
  readonly nobodyToLogInTo: boolean
  readonly tailnetIPv4: string | undefined
  readonly tailnetBind: boolean
}

interface Warning {
  readonly code: string
  readonly message: string
  readonly targetIds?: ReadonlyArray<string>
}

/** It let the probe in, or there is nothing that it may be shown and it is there. */
export const isReachable = ({ candidate: { target }, heard, hello }: Looked): boolean =>
  hello !== undefined || (heard && Result.isSuccess(target) && !mayConnect(target.success))

const isOurs = ({ candidate }: Looked): boolean => candidate.kind !== "discovered"

const ORDER = ["explicit", "sshTunnel", "configRemote", "localLoopback"]

/** The one that stands for what was asked. */
export const primaryOf = (looked: ReadonlyArray<Looked>): Looked | undefined =>
  ORDER.flatMap((kind) => looked.filter((one) => one.candidate.kind === kind && isReachable(one)))[0]

const CAPABILITY: Readonly<Record<string, string>> = {
  admin: "admin_capable",
  write: "write_capable",
  "read-only": "read_only",
  "connected-no-operator-scope": "connected_no_operator_scope"
}

const capability = ({ error, hello }: Looked): string => {
  if (hello !== undefined) return CAPABILITY[capabilityOf(hello)] ?? "unknown"
  return error?.message.includes("openclaw devices approve") === true ? "pairing_pending" : "unknown"
}

const hintOf = ({ candidate: { beacon } }: Looked) =>
  Result.getOrUndefined(parse(beacon?.txt.gatewayTlsSha256 ?? "", "the network"))

const idsOf = (looked: ReadonlyArray<Looked>) => looked.map(({ candidate }) => candidate.id)

export const warningsOf = (report: Report): ReadonlyArray<Warning> => {
  const { found, looked } = report
  const ours = looked.filter((one) => isOurs(one) && isReachable(one))
  const each = (code: string, those: ReadonlyArray<Looked>, message: (one: Looked) => string): ReadonlyArray<Warning> =>
    those.map((one) => ({ code, message: message(one), targetIds: [one.candidate.id] }))
  const unknown = ours.filter(({ identity, tlsFingerprint }) => identity === undefined && tlsFingerprint === undefined)
  const several = gatewaysOf(ours).length > 1
  return [
    ...each(
      "ssh_tunnel_failed",
      looked.filter(({ candidate, heard }) => candidate.kind === "sshTunnel" && !heard),
      ({ error }) => `No tunnel came about: ${error?.message ?? "the reason is not known"}`
    ),
    ...(report.nobodyToLogInTo
      ? [
          {
            code: "ssh_tunnel_failed",
            message: "--ssh-auto found no Gateway on this machine's networks. Name a host with --ssh."
          }
        ]
      : []),
    ...(looked.some(isReachable)
      ? []
      : [
          {
            code: "no_gateway_reachable",
            message: `Nothing of what is known here leads to a Gateway that lets this probe in. \`openclaw gateway status\` tells what should be where.`,
            targetIds: idsOf(looked)
          }
        ]),
    ...(several
      ? [
          {
            code: "multiple_gateways",
            message:
              unknown.length > 0 && ours.length > 1
                ? "It cannot be told whether these addresses lead to the same Gateway, because not all say who they are."
                : "These addresses lead to different Gateways. That is right for isolated profiles, and else a mistake.",
            targetIds: idsOf(ours)
          }
        ]
      : []),
    ...each(
      "auth_secretref_unresolved",
      looked.filter(({ error }) => error?.name === "SecretUnresolved"),
      ({ error }) => error?.message ?? ""
    ),
    ...each(
      "tls_fingerprint_mismatch",
      looked.filter(({ error }) => error?.name === "TlsFingerprintMismatch"),
      ({ error }) => error?.message ?? ""
    ),
    ...each(
      "probe_scope_limited",
      looked.filter(({ read }) => read === "limited"),
      () => "It let the probe in and gave it no right to read (operator.read), as Gateways do with bare probes."
    ),
    ...each(
      "probe_detail_failed",
      looked.filter(({ hello, read }) => hello !== undefined && read !== "ok" && read !== "limited"),
      ({ error }) => `It let the probe in and then did not answer.${error === undefined ? "" : ` ${error.message}`}`
    ),
    ...each(
      "discovery_tls_mismatch",
      looked.filter(
        (one) => one.tlsFingerprint !== undefined && hintOf(one) !== undefined && hintOf(one) !== one.tlsFingerprint
      ),
      () =>
        "It shows another certificate than the network said of it. Trust neither before you compared on the Gateway's own machine."
    ),
    ...problemsOf(found.problems).map((message) => ({ code: "discovery_unavailable", message }))
  ]
}

const targetJson = (one: Looked) => {
  const { candidate, error, hello, identity, latencyMs, read, tunnel } = one
  return {
    id: candidate.id,
    kind: candidate.kind,
    url: one.url ?? null,
    source: Result.isSuccess(candidate.target) ? candidate.target.success.source : null,
    active: candidate.active,
    tunnel: tunnel === undefined ? null : { kind: "ssh", ...tunnel },
    connect: {
      ok: isReachable(one),
      rpcOk: read === "ok",
      scopeLimited: read === "limited",
      latencyMs: latencyMs ?? null,
      refused: one.refused,
      error: error?.message ?? null,
      errorName: error?.name ?? null,
      close: null
    },
    roundTripMs: one.roundTripMs ?? null,
    auth: { role: hello?.auth.role ?? null, scopes: hello?.auth.scopes ?? [], capability: capability(one) },
    server: { version: hello?.server.version ?? null, connId: hello?.server.connId ?? null },
    protocol: hello?.protocol ?? null,
    identity: identity ?? null,
    tlsFingerprint: one.tlsFingerprint ?? null,
    beacon: candidate.beacon === undefined ? null : candidate.beacon.instanceName
  }
}

const BEST = ["admin_capable", "write_capable", "read_only", "pairing_pending", "connected_no_operator_scope"]

export const json = (report: Report) => {
  const { found, looked } = report
  const capabilities = looked.filter(isReachable).map(capability)
  const local = looked.find(({ candidate }) => candidate.kind === "localLoopback")
  const url = local?.url === undefined ? undefined : new URL(local.url)
  return {
    ok: looked.some((one) => isOurs(one) && isReachable(one)),
    degraded: looked.some((one) => isOurs(one) && one.hello !== undefined && one.read !== "ok"),
    capability: BEST.find((best) => capabilities.includes(best)) ?? "unknown",
    primaryTargetId: primaryOf(looked)?.candidate.id ?? null,
    warnings: warningsOf(report),
    network: {
      localLoopbackUrl: local?.url ?? null,
      localTailnetUrl:
        url !== undefined && report.tailnetIPv4 !== undefined && report.tailnetBind
          ? `${url.protocol}//${report.tailnetIPv4}:${url.port}`
          : null,
      tailnetIPv4: report.tailnetIPv4 ?? null
    },
    discovery: {
      timeoutMs: report.discoveryMs,
      count: found.beacons.length,
      beacons: found.beacons.map(beaconJson)
    },
    gateways: gatewaysOf(looked),
    targets: looked.map(targetJson)
  }
}

const NAMES = {
  explicit: "URL (explicit)",
  sshTunnel: "SSH tunnel",
  configRemote: "Remote (configured)",
  localLoopback: "Local loopback",
  discovered: "Discovered"
}

const nameOf = ({ candidate: { active, beacon, kind } }: Looked): string =>
  `${NAMES[kind]}${kind === "configRemote" && !active ? " (inactive)" : ""}${beacon === undefined ? "" : ` ${plain(beacon.displayName)}`}`

const placeOf = ({ candidate: { target }, url }: Looked): string =>
  url ?? (Result.isSuccess(target) ? target.success.ssh?.target : undefined) ?? ""

const connectInWords = (one: Looked): string => {
  if (one.hello !== undefined) return `yes (${one.latencyMs}ms)`
  if (isReachable(one)) return "yes; there is nothing that it may be shown"
  return one.refused ? "yes, but it refused the connection" : "no"
}

const shown = (one: Looked): string =>
  [
    `${nameOf(one)}  ${plain(placeOf(one))}`,
    ...fields([
      ["Reachable", connectInWords(one)],
      ["Problem", one.candidate.active ? undefined : one.error?.message.split("\n")[0]],
      ["Tunnel", one.tunnel === undefined ? undefined : `${one.tunnel.target}, its port ${one.tunnel.remotePort}`],
      ["Round trip", one.roundTripMs === undefined ? undefined : `${one.roundTripMs}ms`],
      ["Capability", one.hello === undefined ? undefined : capabilityInWords(one.hello, PROBE_SCOPES, "probe")],
      ["Version", one.hello?.server.version],
      ["Protocol", one.hello === undefined ? undefined : String(one.hello.protocol)],
      [
        "Identity",
        one.identity === undefined
          ? undefined
          : `${shortId(one.identity.deviceId)} (${one.identity.proven ? "proven" : "as it says"})`
      ],
      ["Certificate", one.tlsFingerprint === undefined ? undefined : `SHA-256 ${display(one.tlsFingerprint)}`]
    ])
      .split("\n")
      .map((line) => `  ${line}`)
  ].join("\n")

const sameInWords = (gateways: ReadonlyArray<OneGateway>): string =>
  gateways
    .map(
      ({ deviceId, proven, targetIds }) =>
        `${targetIds.join(" = ")}${deviceId === undefined ? "" : ` (${shortId(deviceId)}${proven ? "" : ", as it says"})`}`
    )
    .join("; ")

export const lines = (report: Report): string => {
  const { found, looked } = report
  const gateways = gatewaysOf(looked)
  return [
    looked.map(shown).join("\n\n"),
    "",
    fields([
      ["Gateways", gateways.length === 0 ? "none" : `${gateways.length}: ${sameInWords(gateways)}`],
      ["Discovery", `${count(found.beacons.length, "Gateway")} by Bonjour in ${found.domains.join(", ")}`]
    ]),
    ...warningsOf(report).map(({ code, message }) => `Warning (${code}): ${plain(message.split("\n")[0] ?? "")}`)
  ].join("\n")
}
