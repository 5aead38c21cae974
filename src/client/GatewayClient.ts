/**
 * A client of one Gateway over one connection, for as long as its scope is open.
 *
 * When to use: a command that asks something and ends. What must survive a lost connection uses `ReconnectingClient`.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { EventName, EventPayload } from "../protocol/EventTable.ts"
import type { HelloOk } from "../protocol/Connect.ts"
import type { Gateway } from "../services/Gateway.ts"
import { type Calls, make } from "./Calls.ts"
import { connect, type Connected, type ConnectOptions } from "./Connect.ts"
import { ConnectionClosed, type ConnectError, type EventsOverflowed } from "./errors.ts"
import { decode, type EventHub, type GatewayEvent, makeHub, payloadsOf } from "./Events.ts"
import * as InProcess from "./inProcess.ts"
import * as Link from "./Link.ts"
import { type Request, type RequestOptions, requests } from "./requests.ts"
import * as RpcFrames from "./RpcFrames.ts"

export interface ClientOptions extends ConnectOptions {
  /** Deadline of a call that says nothing else; 30 seconds when left out. */
  readonly callTimeout?: Duration.Input | undefined
}

export type { Request, RequestOptions }

/** What every Gateway client offers. */
export interface ClientApi {
  readonly call: Calls
  readonly request: Request
  /**
   * Events from now on; the first reader also gets the newest 256 that came before it. The stream ends with the client and
   * fails with `EventsOverflowed` when its reader is more than 4096 events behind.
   */
  readonly events: Stream.Stream<GatewayEvent, EventsOverflowed>
  /** The payloads of one event. */
  readonly on: <Name extends EventName>(name: Name) => Stream.Stream<EventPayload<Name>, EventsOverflowed>
}

export class GatewayClient extends Context.Service<
  GatewayClient,
  ClientApi & {
    readonly hello: HelloOk
    /** How the connection ended; waits while it has not. Code 4000 when the Gateway went silent. */
    readonly closed: Effect.Effect<ConnectionClosed>
  }
>()("openclaw/client/GatewayClient") {
  /** Connects, authenticates and stays connected until the scope closes. */
  static readonly make: (options: ClientOptions) => Effect.Effect<GatewayClient["Service"], ConnectError, Scope.Scope> =
    Effect.fnUntraced(function* (options) {
      return yield* alone(yield* connect(options), options.callTimeout)
    })

  static readonly layer = (options: ClientOptions): Layer.Layer<GatewayClient, ConnectError> =>
    Layer.effect(GatewayClient, GatewayClient.make(options))

  /**
   * The same client of a Gateway that runs in this process: no socket, no credential, otherwise no difference.
   *
   * When to use: an app that embeds the Gateway and wants its methods and events. What the services of the Gateway give
   * directly (`Turns`, `NodeRegistry`, …) needs no client.
   */
  static readonly inProcess: (
    options?: InProcessClientOptions
  ) => Effect.Effect<GatewayClient["Service"], InProcess.InProcessError, Gateway | Scope.Scope> = Effect.fnUntraced(
    function* (options = {}) {
      return yield* alone(yield* InProcess.connect(options), options.callTimeout)
    }
  )

  static readonly layerInProcess = (
    options?: InProcessClientOptions
  ): Layer.Layer<GatewayClient, InProcess.InProcessError, Gateway> =>
    Layer.effect(GatewayClient, GatewayClient.inProcess(options))
}

export interface InProcessClientOptions extends InProcess.InProcessOptions {
  /** Deadline of a call that says nothing else; 30 seconds when left out. */
  readonly callTimeout?: Duration.Input | undefined
}

/** A client whose events end with its one connection. */
const alone = Effect.fnUntraced(function* (connected: Connected, callTimeout: Duration.Input | undefined) {
  const hub = makeHub()
  const { client } = yield* on(connected, callTimeout, hub, () => Effect.void)
  yield* Effect.forkScoped(Effect.andThen(client.closed, Effect.sync(hub.end)))
  yield* Effect.addFinalizer(() => Effect.sync(hub.end))
  return client
})

interface OneConnection {
  readonly client: GatewayClient["Service"]
  readonly general: RpcFrames.GeneralCalls
}

/** One connection whose events go to a hub that may outlive it. */
export const over = Effect.fnUntraced(function* (
  options: ClientOptions,
  hub: EventHub,
  onGap: (gap: Link.SeqGap) => Effect.Effect<void>
): Effect.fn.Return<OneConnection, ConnectError, Scope.Scope> {
  return yield* on(yield* connect(options), options.callTimeout, hub, onGap)
})

/** The calls and events of a connection that stands. */
const on = Effect.fnUntraced(function* (
  { connection, hello }: Connected,
  callTimeout: Duration.Input = "30 seconds",
  hub: EventHub,
  onGap: (gap: Link.SeqGap) => Effect.Effect<void>
): Effect.fn.Return<OneConnection, never, Scope.Scope> {
  const link = yield* Link.make({ connection, hello, onEvent: (event) => hub.publish(decode(event)), onGap })

  const request = requests(link, callTimeout)
  const general = yield* RpcFrames.calls(link, callTimeout)
  const client: GatewayClient["Service"] = {
    hello,
    call: make(general.one, general.many),
    request,
    events: hub.events,
    on: (name) => payloadsOf(hub.events, name),
    closed: link.closed
  }
  return { client, general }
})
