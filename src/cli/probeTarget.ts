/**
 * What can be found out about one Gateway: first without showing it anything, then with what it may be shown.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Target } from "../client/credentials.ts"
import type { Reached } from "../client/reach.ts"
import { GatewayUnreachable, TlsFingerprintMismatch } from "../client/errors.ts"
import { servedCertificate } from "../client/pinnedSocket.ts"
import { probe as look } from "../client/tunnel/probe.ts"
import { type Endpoint, isEncrypted, loopback } from "../domain/Endpoint.ts"
import type { TlsFingerprint } from "../domain/TlsFingerprint.ts"
import type { HelloOk } from "../protocol/Connect.ts"
import type { Tunnel } from "../services/TunnelManager.ts"
import type { Candidate } from "./candidates.ts"
import { describe } from "./errors.ts"
import { openAt } from "./gateway.ts"
import { reached } from "./tunnel.ts"

type Described = ReturnType<typeof describe>

/** Who answers. `proven`: by its own key, for this very connection. */
export interface Identity {
  readonly deviceId: string
  readonly proven: boolean
}

export interface Looked {
  readonly candidate: Candidate
  /** The address that was dialled; the near end of a tunnel. */
  readonly url: string | undefined
  readonly tunnel: { readonly target: string; readonly localPort: number; readonly remotePort: number } | undefined
  /** Of the certificate that it showed. */
  readonly tlsFingerprint: TlsFingerprint | undefined
  readonly identity: Identity | undefined
  /** Milliseconds to its challenge. */
  readonly roundTripMs: number | undefined
  /** A Gateway was heard there, whatever it said. */
  readonly heard: boolean
  /** It let the probe in. */
  readonly hello: HelloOk | undefined
  readonly latencyMs: number | undefined
  /** Whether it answered what an operator who may read asks. */
  readonly read: "ok" | "limited" | "failed" | undefined
  /** It is there, and said no. */
  readonly refused: boolean
  readonly error: Described | undefined
}

/** Enough to look around, where a device is known by its identity. */
export const PROBE_SCOPES = ["operator.read"] as const

const nothing = (candidate: Candidate): Looked => ({
  candidate,
  // A tunnel's near end is known once it stands.
  url: Result.getOrUndefined(
    Result.map(candidate.target, ({ endpoint, ssh }) => (ssh === undefined ? endpoint : undefined))
  ),
  tunnel: undefined,
  tlsFingerprint: undefined,
  identity: undefined,
  roundTripMs: undefined,
  heard: false,
  hello: undefined,
  latencyMs: undefined,
  read: undefined,
  refused: false,
  error: undefined
})

/** What may be shown nothing is asked for nothing more than its challenge. */
export const mayConnect = ({ credentials, storedTokens }: Target): boolean => credentials.length > 0 || storedTokens

/** All that is asked of one Gateway has this long together, once a tunnel stands where one is needed. */
interface Deadline {
  readonly timeoutMs: number
  /** Milliseconds, at least one. */
  readonly left: Effect.Effect<number>
}

const deadlineIn = Effect.fnUntraced(function* (timeoutMs: number) {
  const end = (yield* Clock.currentTimeMillis) + timeoutMs
  const found: Deadline = { timeoutMs, left: Effect.map(Clock.currentTimeMillis, (now) => Math.max(1, end - now)) }
  return found
})

/** The certificate, and the challenge with the proof in it; nothing is shown. */
const unasked = Effect.fnUntraced(function* (endpoint: Endpoint, target: Target, { left, timeoutMs }: Deadline) {
  const silent = () =>
    new GatewayUnreachable({ endpoint, reason: "timeout", detail: `no TLS handshake within ${timeoutMs} ms` })
  const served = isEncrypted(endpoint)
    ? yield* Effect.timeoutOrElse(servedCertificate(endpoint), {
        duration: yield* left,
        orElse: () => Effect.fail(silent())
      })
    : undefined
  const expected = target.tlsFingerprint
  if (expected !== undefined && served !== undefined && served !== expected) {
    return yield* new TlsFingerprintMismatch({ endpoint, expected, actual: served })
  }
  const failed = (reason: GatewayUnreachable["reason"]) => (detail: string) =>
    new GatewayUnreachable({ endpoint, reason, detail })
  const { roundTripMs, standing } = yield* Effect.scoped(look.challenge(endpoint, yield* left, served)).pipe(
    Effect.mapError(({ detail }) => failed(/refused/.test(detail) ? "refused" : "network")(detail))
  )
  if (standing._tag === "Forged") {
    return yield* failed("not-a-gateway")("its proof of who it is does not hold, so nothing was shown to it")
  }
  return { served, standing, roundTripMs }
})

const asked = Effect.fnUntraced(function* (target: Target, gate: Reached["gate"], timeoutMs: number) {
  const { client, latencyMs } = yield* openAt(target, gate, { mode: "probe", scopes: PROBE_SCOPES, timeoutMs })
  const identity = yield* Effect.result(client.call["gateway.identity.get"]({}))
  const limited = Result.isFailure(identity) && describe(identity.failure).code === "FORBIDDEN"
  return {
    hello: client.hello,
    latencyMs,
    read: Result.isSuccess(identity) ? ("ok" as const) : limited ? ("limited" as const) : ("failed" as const),
    deviceId: Result.isSuccess(identity) ? identity.success.deviceId : undefined
  }
}, Effect.scoped)

const throughTunnel = Effect.fnUntraced(function* (target: Target, timeoutMs: number) {
  const seen: { tunnel?: Tunnel } = {}
  const { gate } = yield* reached(target, {
    timeout: timeoutMs,
    onTunnel: (found) => Effect.sync(() => void (seen.tunnel = found))
  })
  const state = seen.tunnel === undefined ? undefined : yield* SubscriptionRef.get(seen.tunnel.state)
  return { gate, up: state?._tag === "Up" ? state : undefined }
})

const isRefusal = ({ name }: Described): boolean => name === "HandshakeRejected" || name === "GatewayError"

/** Never fails: what went wrong is a finding. */
export const probeTarget = Effect.fn("cli.probeTarget")(function* (candidate: Candidate, timeoutMs: number) {
  let found = nothing(candidate)
  const look = Effect.gen(function* () {
    const target = yield* Effect.fromResult(candidate.target)
    const { gate, up } = yield* throughTunnel(target, timeoutMs)
    const deadline = yield* deadlineIn(timeoutMs)
    const { ssh } = target
    if (up !== undefined && ssh !== undefined) {
      found = {
        ...found,
        url: loopback(up.localPort, ssh.tls === undefined ? "ws" : "wss"),
        tunnel: { target: ssh.target, localPort: up.localPort, remotePort: ssh.remotePort },
        heard: true,
        roundTripMs: up.roundTripMs,
        identity: up.gateway === undefined ? undefined : { deviceId: up.gateway, proven: up.proven === true }
      }
    } else {
      const { served, standing, roundTripMs } = yield* unasked(target.endpoint, target, deadline)
      found = {
        ...found,
        heard: true,
        tlsFingerprint: served,
        roundTripMs,
        identity: standing._tag === "Proven" ? { deviceId: standing.deviceId, proven: true } : undefined
      }
    }
    if (!mayConnect(target)) return
    const { deviceId, ...answered } = yield* asked(target, gate, yield* deadline.left)
    found = { ...found, ...answered }
    if (found.identity === undefined && deviceId !== undefined)
      found = { ...found, identity: { deviceId, proven: false } }
  })
  const result = yield* Effect.result(Effect.scoped(look))
  if (Result.isSuccess(result)) return found
  const error = describe(result.failure)
  return { ...found, error, refused: isRefusal(error) }
})
