/**
 * A client that keeps its connection: it connects again whenever it is lost, waits as the Gateway asks it to, and stops
 * only when waiting cannot help.
 *
 * When to use: whatever lives longer than one question, such as a node host, a page or an embedding application.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { HelloOk } from "../protocol/Connect.ts"
import type { GatewayError } from "../protocol/GatewayError.ts"
import { Supervisor } from "../services/Supervisor.ts"
import { TunnelError } from "../services/TunnelManager.ts"
import * as Calls from "./Calls.ts"
import { deadline, expired } from "./deadline.ts"
import { type CallError, ConnectionClosed, type ConnectError, HandshakeRejected } from "./errors.ts"
import { makeHub, payloadsOf } from "./Events.ts"
import { type ClientApi, type ClientOptions, over, type RequestOptions } from "./GatewayClient.ts"
import type { SeqGap } from "./Link.ts"
import { NOT_READ } from "./Socket.ts"

/** Where a reconnecting client stands. Times are Unix milliseconds. */
export type ConnectionState =
  | { readonly _tag: "Connecting"; readonly attempt: number }
  | {
      readonly _tag: "Connected"
      readonly hello: HelloOk
      readonly since: number
      /** Broadcast events that this connection lost; whoever shows state that they carry should fetch it anew. */
      readonly missedEvents: number
      readonly lastGap: SeqGap | undefined
    }
  | { readonly _tag: "Waiting"; readonly attempt: number; readonly delayMs: number; readonly error: ConnectError }
  /** For good: somebody has to approve the device, change a credential, or end the other process with this identity. */
  | { readonly _tag: "Stopped"; readonly error: ConnectError }

export interface ReconnectOptions extends ClientOptions {
  /** The fiber's name in the supervision tree; `client/<endpoint>` when left out. */
  readonly name?: string | undefined
  /** Keeps asking while the device waits for an operator's approval, instead of stopping. */
  readonly waitForPairing?: boolean | undefined
}

const isTunnelError = Schema.is(TunnelError)

const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 30_000
/** A Gateway that asks for more is asked again all the same, or one wrong answer would silence a node for ever. */
const LONGEST_ASKED_MS = 3_600_000
/** A connection that lived this long was a good one: the waits start over. */
const HEALTHY_MS = 5000
/** A Gateway that was there this long ago is probably only starting again: the waits stay those of this attempt. */
const RECENT_MS = 60_000
const RECENT_ATTEMPT = 1

const isTerminal = (error: ConnectError, options: ReconnectOptions): boolean => {
  // Two processes with one identity would end each other's connections for ever.
  if (error instanceof ConnectionClosed) return error.replaced
  // Whoever answers there is not the Gateway that is meant.
  if (error._tag === "TlsFingerprintMismatch" || error._tag === "TlsPinWithoutTls") return true
  if (error instanceof HandshakeRejected) {
    return error.terminal && !(options.waitForPairing === true && error.detailCode === "PAIRING_REQUIRED")
  }
  // A tunnel goes on trying by itself: its gate fails only when that stopped.
  return isTunnelError(error)
}

/** What the Gateway asked for, plus a wait drawn evenly from zero to an exponentially growing limit (full jitter). */
const waitFor = (error: ConnectError, attempt: number): Effect.Effect<number> =>
  Effect.map(Random.next, (random) => {
    const asked = error instanceof HandshakeRejected ? Math.min(error.retryAfterMs ?? 0, LONGEST_ASKED_MS) : 0
    return asked + Math.round(random * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt))
  })

type Connection = Effect.Success<ReturnType<typeof over>>

/** A call's first connection, which ended under it. */
interface Lost {
  readonly connection: Connection
  readonly error: ConnectionClosed
}

const isForgotten = (method: string, lost: Lost, next: Connection): boolean =>
  !Calls.mayFollow(method, lost.connection.client.hello, next.client.hello)

export class ReconnectingClient extends Context.Service<
  ReconnectingClient,
  ClientApi & {
    readonly state: SubscriptionRef.SubscriptionRef<ConnectionState>
    /** The next hello-ok (or the present one); fails when the client stopped for good. */
    readonly ready: Effect.Effect<HelloOk, ConnectError>
    /**
     * What `fetch` gives, now and again whenever events may have been missed: after each new connection, and after a gap
     * in the events' numbers. A fetch that is overtaken is given up, and one whose connection ends waits for the next.
     * Fails as `fetch` does, or when the client stopped for good.
     *
     * When to use: to show state that events keep up to date, and to subscribe, which a Gateway forgets with the
     * connection: `client.resynced(client.call["node.list"]({}))`.
     */
    readonly resynced: <A, E, R>(fetch: Effect.Effect<A, E, R>) => Stream.Stream<A, E | ConnectError, R>
  }
>()("openclaw/client/ReconnectingClient") {
  /**
   * Starts connecting and returns at once; `ready` waits. A call waits for a connection within its deadline. When the
   * connection is lost under a call, one that may be repeated (it only reads, or carries an idempotency key that the
   * Gateway honours and did not forget by a restart) is sent once more; any other fails with `ConnectionClosed`, which says
   * whether it was sent. A repeated `agent` may report `accepted` twice.
   */
  static readonly make = (
    options: ReconnectOptions
  ): Effect.Effect<ReconnectingClient["Service"], never, Scope.Scope> => make(options)

  static readonly layer = (options: ReconnectOptions): Layer.Layer<ReconnectingClient> =>
    Layer.effect(ReconnectingClient, make(options))
}

const make = Effect.fnUntraced(function* (
  options: ReconnectOptions
): Effect.fn.Return<ReconnectingClient["Service"], never, Scope.Scope> {
  const callTimeout: Duration.Input = options.callTimeout ?? "30 seconds"
  const hub = makeHub()
  const state = yield* SubscriptionRef.make<ConnectionState>({ _tag: "Connecting", attempt: 0 })
  let current: Connection | undefined

  const onGap = (gap: SeqGap) =>
    SubscriptionRef.update(state, (now) =>
      now._tag === "Connected"
        ? { ...now, missedEvents: now.missedEvents + Math.max(0, gap.received - gap.expected), lastGap: gap }
        : now
    )

  /** One connection from dialling to its end; how long it lived, and why it ended. */
  const session = Effect.fnUntraced(function* (attempt: number) {
    yield* SubscriptionRef.set(state, { _tag: "Connecting", attempt })
    const connection = yield* over(options, hub, onGap)
    const since = yield* Clock.currentTimeMillis
    current = connection
    yield* SubscriptionRef.set(state, {
      _tag: "Connected",
      hello: connection.client.hello,
      since,
      missedEvents: 0,
      lastGap: undefined
    })
    const error = yield* connection.client.closed
    return { error, lived: (yield* Clock.currentTimeMillis) - since }
  }, Effect.scoped)

  const run = Effect.gen(function* () {
    let met: number | undefined
    for (let attempt = 0; ; attempt++) {
      const ended: { readonly error: ConnectError; readonly lived: number } = yield* Effect.catch(
        session(attempt),
        (error) => Effect.succeed({ error, lived: 0 })
      )
      current = undefined
      if (isTerminal(ended.error, options)) {
        return yield* SubscriptionRef.set(state, { _tag: "Stopped", error: ended.error })
      }
      const now = yield* Clock.currentTimeMillis
      if (ended.lived > 0) met = now
      if (ended.lived >= HEALTHY_MS) attempt = 0
      else if (met !== undefined && now - met < RECENT_MS) attempt = Math.min(attempt, RECENT_ATTEMPT)
      const delayMs = yield* waitFor(ended.error, attempt)
      yield* SubscriptionRef.set(state, { _tag: "Waiting", attempt, delayMs, error: ended.error })
      yield* Effect.logDebug(`connecting again in ${delayMs} ms`, ended.error.message)
      yield* Effect.sleep(delayMs)
    }
  })

  const supervisor = yield* Effect.serviceOption(Supervisor)
  const name = options.name ?? `client/${options.endpoint}`
  yield* Option.match(supervisor, {
    onSome: ({ supervise }) => supervise(name, run, { restart: "on-failure" }),
    onNone: () => Effect.forkScoped(Effect.tapDefect(run, (defect) => Effect.logError(`${name} died`, defect)))
  })
  yield* Effect.addFinalizer(() => Effect.sync(hub.end))

  /** The connection, waited for, and not one that the caller has seen the end of. */
  const connected = (seen: Connection | undefined): Effect.Effect<Connection, ConnectError> =>
    Effect.suspend(() =>
      current !== undefined && current !== seen
        ? Effect.succeed(current)
        : SubscriptionRef.changes(state).pipe(
            Stream.mapEffect((now) => (now._tag === "Stopped" ? Effect.fail(now.error) : Effect.succeed(current))),
            Stream.filter((connection) => connection !== undefined && connection !== seen),
            Stream.runHead,
            // The state outlives every caller, so its changes do not end.
            Effect.flatMap((head) =>
              Option.isSome(head) && head.value !== undefined ? Effect.succeed(head.value) : Effect.never
            )
          )
    )

  const stopped = (method: string, lost: Lost | undefined) => (error: ConnectError) =>
    new ConnectionClosed({
      code: error._tag === "ConnectionClosed" ? error.code : 1008,
      reason: error._tag === "HandshakeRejected" ? error.explanation : error.message,
      request: { method, sent: lost !== undefined }
    })

  /** Whether a call that lost its connection goes on another one. */
  const again = (
    error: ConnectionClosed,
    method: string,
    params: unknown,
    repeated: boolean
  ): "fresh" | "repeat" | undefined => {
    // On a connection that is still there: another would not come.
    if (error.reason === NOT_READ) return undefined
    if (error.request?.sent === false) return "fresh"
    return !repeated && Calls.repeatable(method, params) ? "repeat" : undefined
  }

  const once = <A>(
    method: string,
    params: unknown,
    callOptions: Calls.CallOptions,
    ask: (connection: Connection) => Effect.Effect<A, GatewayError | CallError>
  ): Effect.Effect<A, GatewayError | CallError> => {
    const duration = deadline(params, callOptions, callTimeout)
    let sent = false
    const go = (seen: Connection | undefined, lost: Lost | undefined): Effect.Effect<A, GatewayError | CallError> =>
      Effect.flatMap(Effect.mapError(connected(seen), stopped(method, lost)), (connection) => {
        if (lost !== undefined && isForgotten(method, lost, connection)) return Effect.fail(lost.error)
        sent = true
        return Effect.catchTag(ask(connection), "ConnectionClosed", (error) => {
          const how = again(error, method, params, lost !== undefined)
          if (how === "fresh") sent = lost !== undefined
          return how === undefined
            ? Effect.fail(error)
            : go(connection, how === "repeat" ? { error, connection } : lost)
        })
      })
    return Effect.suspend(() => {
      sent = false
      return go(undefined, undefined)
    }).pipe(Effect.timeoutOrElse({ duration, orElse: () => expired(method, duration, sent) }))
  }

  const many: Calls.ManyCall = (method, params, callOptions) =>
    Stream.suspend(() => {
      let sent = false
      const go = (
        seen: Connection | undefined,
        lost: Lost | undefined
      ): Stream.Stream<unknown, GatewayError | CallError> =>
        Stream.unwrap(
          Effect.map(Effect.mapError(connected(seen), stopped(method, lost)), (connection) => {
            if (lost !== undefined && isForgotten(method, lost, connection)) return Stream.fail(lost.error)
            sent = true
            return Stream.catchTag(
              connection.general.many(method, params, callOptions),
              "ConnectionClosed",
              (error) => {
                const how = again(error, method, params, lost !== undefined)
                if (how === "fresh") sent = lost !== undefined
                if (how === undefined) return Stream.fail(error)
                return go(connection, how === "repeat" ? { error, connection } : lost)
              }
            )
          })
        )
      return Calls.bounded(go(undefined, undefined), {
        method,
        duration: deadline(params, callOptions, callTimeout),
        whole: callOptions.timeout !== undefined,
        sent: () => sent
      })
    })

  const resynced = <A, E, R>(fetch: Effect.Effect<A, E, R>): Stream.Stream<A, E | ConnectError, R> =>
    SubscriptionRef.changes(state).pipe(
      Stream.mapEffect((now) => (now._tag === "Stopped" ? Effect.fail(now.error) : Effect.succeed(now))),
      Stream.filter((now) => now._tag === "Connected"),
      Stream.switchMap(() =>
        Stream.catchIf(
          Stream.fromEffect(fetch),
          (error) => error instanceof ConnectionClosed,
          () => Stream.empty
        )
      )
    )

  return {
    state,
    resynced,
    ready: Effect.map(connected(undefined), (connection) => connection.client.hello),
    call: Calls.make(
      (method, params, callOptions) =>
        once(method, params, callOptions, ({ general }) => general.one(method, params, callOptions)),
      many
    ),
    request: Effect.fn("ReconnectingClient.request")(
      (method: string, params?: unknown, requestOptions: RequestOptions = {}) =>
        once(method, params, requestOptions, ({ client }) => client.request(method, params, requestOptions))
    ),
    events: hub.events,
    on: (event) => payloadsOf(hub.events, event)
  }
})
