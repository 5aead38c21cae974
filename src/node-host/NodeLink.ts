/**
 * What a node host needs of its connection to the Gateway.
 *
 * An interface of our own, so that the host can be driven without a socket; `fromClient` makes one of the Gateway client.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { ConnectionState, ReconnectingClient } from "../client/ReconnectingClient.ts"

export interface LinkEvent {
  readonly event: string
  readonly payload: unknown
}

/** A request that the Gateway refused or that never reached it. */
export class LinkFailed extends Schema.TaggedError<LinkFailed>()("LinkFailed", {
  method: Schema.String,
  message: Schema.String,
  /** The Gateway refuses because an operator has not approved what this node declares. */
  awaitsApproval: Schema.Boolean
}) {}

export type LinkState =
  | { readonly _tag: "Connected" }
  /** Not connected; it is tried again by itself. `reason` is for people. */
  | { readonly _tag: "Away"; readonly reason: string }
  /** An operator has to approve this device; it connects by itself after that. */
  | { readonly _tag: "PairingRequired"; readonly requestId: string | undefined }
  /** For good. */
  | { readonly _tag: "Stopped"; readonly reason: string }

export interface NodeLink {
  /** Events of the Gateway, for as long as the link lives. */
  readonly events: Stream.Stream<LinkEvent, { readonly message: string }>
  /** The present state and every later one. */
  readonly states: Stream.Stream<LinkState>
  readonly request: (method: string, params: unknown) => Effect.Effect<void, LinkFailed>
}

const stateOf = (state: ConnectionState): LinkState | undefined => {
  switch (state._tag) {
    case "Connected":
      return { _tag: "Connected" }
    case "Connecting":
      return undefined
    case "Waiting":
      return state.error._tag === "HandshakeRejected" && state.error.detailCode === "PAIRING_REQUIRED"
        ? { _tag: "PairingRequired", requestId: state.error.requestId }
        : { _tag: "Away", reason: state.error.message }
    case "Stopped":
      return { _tag: "Stopped", reason: state.error.message }
  }
}

const changedPairing = Schema.is(Schema.Struct({ code: Schema.Literal("PAIRING_CHANGED") }))

/** Give the client `waitForPairing: true`, or an unapproved device ends in `Stopped`. */
export const fromClient = (client: ReconnectingClient["Service"]): NodeLink => ({
  events: Stream.map(client.events, (event) => ({
    event: event.event === "*" ? event.name : event.event,
    payload: event.payload
  })),
  states: SubscriptionRef.changes(client.state).pipe(
    Stream.map(stateOf),
    Stream.filter((state) => state !== undefined)
  ),
  request: (method, params) =>
    Effect.mapError(
      Effect.asVoid(client.request(method, params)),
      (error) =>
        new LinkFailed({
          method,
          message: error.message,
          awaitsApproval: error._tag === "GatewayError" && changedPairing(error.details)
        })
    )
})
