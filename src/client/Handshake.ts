/**
 * The handshake: wait for the challenge, answer it with `connect`, read `hello-ok`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Credential, reveal } from "../domain/Credential.ts"
import type { Endpoint } from "../domain/Endpoint.ts"
import { Challenge, type ClientInfo, type ConnectAuth, type ConnectParams, HelloOk } from "../protocol/Connect.ts"
import { payloadV3 } from "../protocol/DeviceAuth.ts"
import { PROTOCOL_VERSION, ServerFrame } from "../protocol/Frame.ts"
import type { ErrorShape } from "../protocol/GatewayError.ts"
import type { DeviceIdentity } from "./DeviceIdentity.ts"
import { type ConnectionClosed, GatewayUnproven, HandshakeRejected, printable, ProtocolViolation } from "./errors.ts"
import { standing } from "./gatewayProof.ts"
import { randomId } from "./ids.ts"
import type { Connection } from "./Socket.ts"

/** Who connects, as what. */
export interface Introduction {
  readonly client: ClientInfo
  readonly role: string
  readonly scopes: ReadonlyArray<string>
  readonly credentials: ReadonlyArray<Credential>
  /** Proves the device's key, which a node must do and an operator may. */
  readonly device?: DeviceIdentity | undefined
  readonly caps?: ReadonlyArray<string> | undefined
  /** A node's commands, environment and permissions. */
  readonly commands?: ReadonlyArray<string> | undefined
  readonly pathEnv?: string | undefined
  readonly permissions?: { readonly [name: string]: boolean } | undefined
  readonly locale?: string | undefined
  readonly userAgent?: string | undefined
  /** Lowest protocol version that this client speaks; 4 when left out. Nodes and probes may say 3. */
  readonly minProtocol?: number | undefined
}

const decodeFrame = Schema.decodeUnknownEffect(Schema.fromJsonString(ServerFrame))
const decodeChallenge = Schema.decodeUnknownEffect(Challenge)
const decodeHello = Schema.decodeUnknownEffect(HelloOk)

const RejectionDetails = Schema.Struct({
  code: Schema.optional(Schema.String),
  requestId: Schema.optional(Schema.String),
  retryable: Schema.optional(Schema.Boolean),
  recommendedNextStep: Schema.optional(Schema.String),
  canRetryWithDeviceToken: Schema.optional(Schema.Boolean)
})
const decodeDetails = Schema.decodeUnknownOption(RejectionDetails)

/** A pairing request's id ends up in a command line that a person copies, so only harmless ones are shown. */
const safeId = (id: string | undefined) => (id !== undefined && /^[\w.:-]{1,128}$/.test(id) ? id : undefined)

const rejection = (error: ErrorShape): HandshakeRejected => {
  const details = Option.getOrElse(decodeDetails(error.details), (): typeof RejectionDetails.Type => ({}))
  return new HandshakeRejected({
    code: printable(error.code),
    detailCode: details.code === undefined ? undefined : printable(details.code),
    explanation: printable(error.message),
    requestId: safeId(details.requestId),
    retryable: error.retryable ?? details.retryable ?? error.code === "UNAVAILABLE",
    retryAfterMs: error.retryAfterMs,
    recommendedNextStep: details.recommendedNextStep === undefined ? undefined : printable(details.recommendedNextStep),
    canRetryWithDeviceToken: details.canRetryWithDeviceToken ?? false,
    ...(error.details === undefined ? undefined : { details: error.details })
  })
}

/** A Gateway that lets a client in and then speaks another version would be misunderstood in every frame. */
const otherProtocol = (protocol: number, from: number) =>
  new HandshakeRejected({
    code: "INVALID_REQUEST",
    detailCode: "PROTOCOL_MISMATCH",
    explanation: `it speaks protocol ${protocol}, and this client ${from === PROTOCOL_VERSION ? from : `${from} to ${PROTOCOL_VERSION}`}`,
    retryable: false,
    canRetryWithDeviceToken: false
  })

const authOf = (credentials: ReadonlyArray<Credential>): ConnectAuth =>
  Object.fromEntries(credentials.map((credential) => [credential.kind, reveal(credential)]))

const defined = <T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  // Only keys whose value is undefined are left out.
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }

/** The params of `connect` that answer one challenge. The proof is signed at the challenge's own time. */
export const connectParams = (who: Introduction, challenge: Challenge): ConnectParams => {
  const auth = authOf(who.credentials)
  return {
    minProtocol: who.minProtocol ?? PROTOCOL_VERSION,
    maxProtocol: PROTOCOL_VERSION,
    client: who.client,
    role: who.role,
    scopes: who.scopes,
    caps: who.caps ?? [],
    ...defined({
      commands: who.commands,
      pathEnv: who.pathEnv,
      permissions: who.permissions,
      locale: who.locale,
      userAgent: who.userAgent
    }),
    ...(who.credentials.length > 0 ? { auth } : undefined),
    ...(who.device === undefined
      ? undefined
      : {
          device: {
            id: who.device.id,
            publicKey: who.device.publicKey,
            signature: who.device.sign(
              payloadV3({
                deviceId: who.device.id,
                clientId: who.client.id,
                clientMode: who.client.mode,
                role: who.role,
                scopes: who.scopes,
                signedAtMs: challenge.ts,
                token: auth.token ?? auth.deviceToken ?? auth.bootstrapToken,
                nonce: challenge.nonce,
                platform: who.client.platform,
                deviceFamily: who.client.deviceFamily
              })
            ),
            signedAt: challenge.ts,
            nonce: challenge.nonce
          }
        })
  }
}

const violation = (problem: string) => new ProtocolViolation({ problem: printable(problem) })

/** Who has to prove itself before anything is said to it; `clientNonce` went with this connection's upgrade. */
export interface Expected {
  readonly endpoint: Endpoint
  readonly deviceId: string
  readonly clientNonce: string
}

const checkProof = (challenge: Challenge, { clientNonce, deviceId, endpoint }: Expected) => {
  const proof = standing(challenge, clientNonce)
  const found = proof._tag === "Proven" ? proof.deviceId : undefined
  return found === deviceId ? Effect.void : new GatewayUnproven({ endpoint, expected: deviceId, found })
}

const nextFrame = (connection: Connection) =>
  Effect.flatMap(connection.receive, (text) =>
    Effect.mapError(decodeFrame(text), () => violation("a message before hello-ok is no Gateway frame"))
  )

/** Waits for the answer to a `connect` that was sent as `id`. Frames after it are left for the next reader. */
export const helloOf = Effect.fnUntraced(function* (
  connection: Connection,
  id: string,
  lowest: number
): Effect.fn.Return<HelloOk, HandshakeRejected | ConnectionClosed | ProtocolViolation> {
  for (;;) {
    const frame = yield* nextFrame(connection)
    if (frame.type !== "res" || frame.id !== id) continue
    if (frame.ok) {
      const hello = yield* Effect.mapError(decodeHello(frame.payload), (error) =>
        violation(`hello-ok: ${error.message}`)
      )
      return hello.protocol < lowest || hello.protocol > PROTOCOL_VERSION
        ? yield* otherProtocol(hello.protocol, lowest)
        : hello
    }
    return yield* frame.error === undefined ? violation("connect was refused without an error") : rejection(frame.error)
  }
})

/** Runs the handshake on a fresh connection. Frames after `hello-ok` are left for the next reader. */
export const handshake: (
  connection: Connection,
  who: Introduction,
  expected?: Expected
) => Effect.Effect<HelloOk, GatewayUnproven | HandshakeRejected | ConnectionClosed | ProtocolViolation> =
  Effect.fnUntraced(function* (connection, who, expected) {
    const first = yield* nextFrame(connection)
    if (first.type !== "event" || first.event !== "connect.challenge") {
      return yield* violation("the first frame is not connect.challenge")
    }
    const challenge = yield* Effect.mapError(decodeChallenge(first.payload), (error) =>
      violation(`connect.challenge: ${error.message}`)
    )

    if (expected !== undefined) yield* checkProof(challenge, expected)
    const id = randomId()
    const params = connectParams(who, challenge)
    yield* connection.send(JSON.stringify({ type: "req", id, method: "connect", params }))
    return yield* helloOf(connection, id, params.minProtocol)
  })
