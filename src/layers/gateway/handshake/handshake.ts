/**
 * The first exchange on a socket: challenge, one `connect` request, and the verdict on it.
 */
import { randomUUID } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Challenge, ConnectParams } from "../../../protocol/Connect.ts"
import { MINIMUM_PROBE_PROTOCOL, PROTOCOL_VERSION } from "../../../protocol/Frame.ts"
import * as GatewayError from "../../../protocol/GatewayError.ts"
import type { Role } from "../../../protocol/Role.ts"
import { type AuthError, Authenticator, type Grant } from "../../../services/Authenticator.ts"
import type { RegistryStorageFailed } from "../../../services/NodeRegistry.ts"
import type { Origin } from "../../../services/Ingress.ts"
import { decodeConnect, decodeFrame } from "../decode.ts"
import { parseJson } from "../parseJson.ts"
import { IdentityKey } from "../identityKey.ts"
import type { WireSocket } from "../WireSocket.ts"
import { answered, fromAuthError, type HandshakeRefused, protocolMismatch, silent } from "./refusal.ts"

/** Where a socket comes from. */
export interface SocketPeer extends Origin {
  readonly browser: boolean
  /** The port of this Gateway that it came to. */
  readonly port?: number | undefined
}

/** A connection that was let in; `id` is the request to answer with `hello-ok`. */
export interface Admitted {
  readonly id: string
  readonly params: ConnectParams
  readonly grant: Grant
}

const FIRST = "invalid handshake: first request must be connect"

/** Protocol 4, or a range that holds it; nodes and probes may still speak 3. */
const speaks = (params: ConnectParams, role: string): boolean => {
  const { client, maxProtocol: max, minProtocol: min } = params
  if (min > max) return false
  if (min <= PROTOCOL_VERSION && PROTOCOL_VERSION <= max) return true
  return max >= MINIMUM_PROBE_PROTOCOL && max < PROTOCOL_VERSION && (role === "node" || client.mode === "probe")
}

const firstRequest = (
  data: Uint8Array
): Result.Result<{ readonly id: string; readonly params: ConnectParams }, HandshakeRefused> => {
  const parsed = parseJson(data)
  if (parsed === undefined) return Result.fail(silent(1000, ""))
  const frame = parsed._tag === "Refused" ? undefined : Result.getOrUndefined(decodeFrame(parsed.json))
  if (frame === undefined) return Result.fail(silent(1008, "invalid request frame"))
  const { id } = frame
  if (frame.method !== "connect") return Result.fail(answered(id, GatewayError.invalidRequest(FIRST)))
  return Result.match(decodeConnect(frame.params), {
    onSuccess: (params) => Result.succeed({ id, params }),
    onFailure: (problem) => Result.fail(answered(id, GatewayError.invalidRequest(`invalid connect params: ${problem}`)))
  })
}

const roleOf = (id: string, params: ConnectParams): Result.Result<Role, HandshakeRefused> => {
  const role = params.role ?? "operator"
  if (!speaks(params, role)) {
    return Result.fail(protocolMismatch(id, { min: params.minProtocol, max: params.maxProtocol }))
  }
  return role === "operator" || role === "node"
    ? Result.succeed(role)
    : Result.fail(answered(id, GatewayError.invalidRequest("invalid role")))
}

/** The challenge, with a proof of who this is for a client that asked for one, which takes nothing less for it. */
const challenge = Effect.fnUntraced(function* (clientNonce: string | undefined) {
  const nonce = randomUUID()
  const ts = yield* Clock.currentTimeMillis
  if (clientNonce === undefined) return { nonce, ts } satisfies Challenge
  const gateway = yield* (yield* IdentityKey).prove({ clientNonce, nonce, ts }).pipe(
    Effect.tapError(({ message }) => Effect.logWarning(`this Gateway cannot prove who it is: ${message}`)),
    Effect.mapError(() => silent(1013, "gateway identity unavailable"))
  )
  return { nonce, ts, gateway } satisfies Challenge
})

/** Which check of a proxy's or Tailscale's word failed. */
const failedCheck = (error: AuthError | RegistryStorageFailed): string => {
  switch (error._tag) {
    case "ProxyAttributionRequired":
      return ` (${error.reason})`
    case "ProxyIdentityRefused":
    case "TailscaleIdentityRefused":
      return ` (${error.check})`
    default:
      return ""
  }
}

/**
 * Challenges the peer and judges its answer. `clientNonce` came with the upgrade. Fails with how to close the socket; has no
 * deadline of its own.
 */
export const run = Effect.fnUntraced(function* (
  socket: WireSocket,
  peer: SocketPeer,
  clientNonce?: string
): Effect.fn.Return<Admitted, HandshakeRefused, Authenticator | IdentityKey> {
  const authenticator = yield* Authenticator
  const payload = yield* challenge(clientNonce)
  const { nonce } = payload
  socket.sendUnsafe(JSON.stringify({ type: "event", event: "connect.challenge", payload }))
  const data = yield* Effect.mapError(socket.receive, () => silent(1000, ""))
  const { id, params } = yield* Effect.fromResult(firstRequest(data))
  const role = yield* Effect.fromResult(roleOf(id, params))
  const grant = yield* authenticator.authenticate({ params, role, nonce, ...peer }).pipe(
    Effect.tapError((error) =>
      Effect.logWarning(`connect refused: ${error._tag}${failedCheck(error)}`).pipe(
        Effect.annotateLogs({ address: peer.address, client: params.client.id, mode: params.client.mode, role })
      )
    ),
    Effect.mapError((error) => fromAuthError(id, error))
  )
  return { id, params, grant }
})
