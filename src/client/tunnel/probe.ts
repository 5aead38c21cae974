/**
 * Who answers at the near end of a tunnel.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Credential } from "../../domain/Credential.ts"
import type { Endpoint } from "../../domain/Endpoint.ts"
import type { TlsFingerprint } from "../../domain/TlsFingerprint.ts"
import { VERSION } from "../../domain/Version.ts"
import { Challenge } from "../../protocol/Connect.ts"
import { ServerFrame } from "../../protocol/Frame.ts"
import { GatewayError } from "../../protocol/GatewayError.ts"
import { type CallError, type ConnectError, GatewayUnreachable, HandshakeRejected, printable } from "../errors.ts"
import { GatewayClient } from "../GatewayClient.ts"
import { question, type Standing, standing } from "../gatewayProof.ts"
import { open } from "../Socket.ts"

/** No Gateway was heard. */
export class ProbeFailed extends Schema.TaggedError<ProbeFailed>()("ProbeFailed", {
  /** Nothing at all came within the deadline: the path may be dead, although nobody said so. */
  silent: Schema.Boolean,
  detail: Schema.String,
  /** Milliseconds that it asks to wait. */
  retryAfterMs: Schema.optional(Schema.Natural)
}) {}

/** It lets nobody in with these credentials, or has another certificate, and waiting does not help. */
export class ProbeRefused extends Schema.TaggedError<ProbeRefused>()("ProbeRefused", { detail: Schema.String }) {}

export interface Heard {
  /** From dialling to the challenge. */
  readonly roundTripMs: number
  readonly standing: Standing
  /** Waits until the connection ended on which it was heard. The scope's end closes it. */
  readonly closed: Effect.Effect<void>
}

export interface Probe {
  /** Waits for the Gateway's challenge, and judges the proof in it. Nothing is shown to it. */
  readonly challenge: (
    endpoint: Endpoint,
    withinMs: number,
    tlsFingerprint?: TlsFingerprint
  ) => Effect.Effect<Heard, ProbeFailed | ProbeRefused, Scope.Scope>
  /** The Gateway's `deviceId`. The credentials are shown to it. */
  readonly identity: (
    endpoint: Endpoint,
    credentials: ReadonlyArray<Credential>,
    withinMs: number,
    tlsFingerprint?: TlsFingerprint
  ) => Effect.Effect<string, ProbeFailed | ProbeRefused>
}

const decodeChallenge = Schema.decodeUnknownEffect(
  Schema.fromJsonString(ServerFrame.pipe(Schema.check(Schema.makeFilter((frame) => frame.type === "event"))))
)
const isChallenge = Schema.is(Challenge)

/** The reason alone: what to do is said by the tunnel. */
const failed = (error: ConnectError | CallError | string) => {
  const text = typeof error === "string" ? error : error instanceof GatewayUnreachable ? error.detail : error.message
  return new ProbeFailed({ silent: false, detail: printable(text.split("\n")[0] ?? "") })
}

const within =
  (millis: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.timeoutOrElse(effect, {
      duration: millis,
      orElse: () => Effect.fail(new ProbeFailed({ silent: true, detail: `nothing came within ${millis} ms` }))
    })

/** Over a real socket. */
export const probe: Probe = {
  challenge: (endpoint, withinMs, tlsFingerprint) =>
    Effect.gen(function* () {
      const begun = yield* Clock.monotonicTimeNanos
      const { headers, nonce } = yield* question
      const connection = yield* Effect.mapError(open(endpoint, tlsFingerprint, headers), (error) =>
        error._tag === "GatewayUnreachable" ? failed(error) : new ProbeRefused({ detail: error.message })
      )
      const text = yield* Effect.mapError(connection.receive, failed)
      const frame = yield* Effect.mapError(decodeChallenge(text), () => failed("what answers is no Gateway"))
      if (frame.type !== "event" || frame.event !== "connect.challenge" || !isChallenge(frame.payload)) {
        return yield* failed("what answers is no Gateway")
      }
      const roundTripMs = Math.round(Number((yield* Clock.monotonicTimeNanos) - begun) / 1e6)
      // Nothing more is read than the end: whatever else it says, nobody asked.
      const closed = Effect.ignore(Effect.forever(connection.receive))
      return { roundTripMs, standing: standing(frame.payload, nonce), closed }
    }).pipe(within(withinMs)),

  identity: (endpoint, credentials, withinMs, tlsFingerprint) =>
    Effect.gen(function* () {
      const client = yield* GatewayClient.make({
        endpoint,
        tlsFingerprint,
        credentials,
        // A program of the Gateway's own machine, as which ssh's far end counts: it needs no device to read.
        client: { id: "gateway-client", mode: "backend", version: VERSION, platform: "tunnel" },
        scopes: ["operator.read"],
        connectTimeout: withinMs
      })
      return (yield* client.call["gateway.identity.get"]({})).deviceId
    }).pipe(
      Effect.scoped,
      Effect.mapError((error) => {
        // Let in, and not told: no later answer would be another.
        if (error instanceof GatewayError) return new ProbeRefused({ detail: printable(error.message) })
        if (!(error instanceof HandshakeRejected)) return failed(error)
        return error.terminal
          ? new ProbeRefused({ detail: error.message })
          : new ProbeFailed({ silent: false, detail: error.message, retryAfterMs: error.retryAfterMs })
      }),
      within(withinMs)
    )
}
