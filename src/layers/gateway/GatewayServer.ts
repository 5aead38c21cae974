/**
 * The Gateway's server: listener, connections, requests, events, and a graceful end.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as RpcServer from "effect/rpc/RpcServer"
import type * as Scope from "effect/Scope"
import { display } from "../../domain/TlsFingerprint.ts"
import { MethodTable } from "../../protocol/MethodTable.ts"
import { type ChannelAccess, ChannelRouter, type Channels } from "../../services/ChannelRouter.ts"
import type { Config } from "../../services/Config.ts"
import type { DeadLetters } from "../../services/DeadLetters.ts"
import { DeviceRegistry } from "../../services/DeviceRegistry.ts"
import { EventBus } from "../../services/EventBus.ts"
import type { ExecApprovals } from "../../services/ExecApprovals.ts"
import { Gateway, type GatewayStartError } from "../../services/Gateway.ts"
import type { Models } from "../../services/Models.ts"
import type { NodeRegistry } from "../../services/NodeRegistry.ts"
import type { Sessions } from "../../services/Sessions.ts"
import type { StateDir } from "../../services/StateDir.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import type { SystemEvents } from "../../services/SystemEvents.ts"
import type { Tailscale } from "../../services/Tailscale.ts"
import { Turns } from "../../services/Turns.ts"
import type { NodeTurns } from "../../services/NodeTurns.ts"
import type { VoiceWake } from "../../services/VoiceWake.ts"
import * as DirectTools from "../agent/DirectTools.ts"
import * as Access from "./Access.ts"
import * as AppServer from "./appServer.ts"
import * as AuthenticatorLayer from "./Authenticator.ts"
import * as Broadcaster from "./Broadcaster.ts"
import * as Connections from "./Connections.ts"
import * as Exposed from "./Exposed.ts"
import * as FrameProtocol from "./FrameProtocol.ts"
import type { Accepted } from "./front.ts"
import * as HttpListener from "./HttpListener.ts"
import * as InProcess from "./inProcess.ts"
import type { Exchange } from "./http/respond.ts"
import * as Routes from "./http/routes.ts"
import * as Methods from "./methods/index.ts"
import * as IdentityKey from "./identityKey.ts"
import { type GatewayOptions, limitsOf } from "./options.ts"
import {
  CREDENTIALS_CHANGED,
  DEVICE_REMOVED,
  serve,
  serveInProcess,
  type ServeRequirements
} from "./serveConnection.ts"
import * as NodeReplies from "./NodeReplies.ts"
import * as SessionEvents from "./SessionEvents.ts"
import * as Snapshots from "./Snapshots.ts"

export type { GatewayAuth, GatewayLimits, GatewayOptions } from "./options.ts"

/** What waited for a turn that was cut is answered within this. */
const answerMs = 250

/** Refuses what is new, announces the end, and lets the turns come to where they resume. Once. */
const makeDrain = Effect.fnUntraced(function* (options: GatewayOptions, listener: HttpListener.Listener) {
  const limits = limitsOf(options)
  const dispatcher = yield* FrameProtocol.Dispatcher
  const connections = yield* Connections.Connections
  const turns = yield* Turns
  const router = yield* ChannelRouter
  const clock = yield* Clock.Clock
  let begun: number | undefined
  let budget = limits.drainMs
  const drain = Effect.fn("Gateway.drain")(function* (budgetMs?: number) {
    if (begun !== undefined) return
    begun = clock.currentTimeMillisUnsafe()
    budget = budgetMs ?? limits.drainMs
    yield* listener.stopAccepting
    yield* dispatcher.refuseNew
    yield* router.pause
    yield* Effect.provideService(Broadcaster.announceShutdown, Connections.Connections, connections)
    const cut = yield* turns.settle(budget)
    if (cut > 0) yield* Effect.logInfo(`${cut} turns are cut in a step, which is done again at the next start`)
  })
  /** Milliseconds of the budget that are left. */
  const left = () => Math.max(0, (begun ?? 0) + budget - clock.currentTimeMillisUnsafe())
  return { drain, left }
})

/**
 * Ends every connection in order: drain, cut the turns while their nodes can still answer, let other requests finish, close,
 * cut what does not answer.
 */
const stop = Effect.fnUntraced(function* (
  options: GatewayOptions,
  { drain, left }: Effect.Success<ReturnType<typeof makeDrain>>,
  fibers: FiberSet.FiberSet,
  answers: FiberSet.FiberSet
) {
  const limits = limitsOf(options)
  const connections = yield* Connections.Connections
  yield* drain()
  yield* (yield* Turns).suspend
  yield* Connections.idle.pipe(
    Effect.timeoutOrElse({
      duration: Math.max(answerMs, left()),
      orElse: () => Effect.logWarning(`stopping with ${connections.running()} requests unfinished`)
    })
  )
  yield* FiberSet.awaitEmpty(answers).pipe(Effect.timeoutOption(Math.max(answerMs, left())))
  yield* FiberSet.clear(answers)
  connections.closeAllUnsafe(1012, "service restart")
  yield* FiberSet.awaitEmpty(fibers).pipe(Effect.timeoutOption(limits.closeGraceMs))
  yield* FiberSet.clear(fibers)
})

const heartbeat = Effect.fnUntraced(function* (options: GatewayOptions) {
  const limits = limitsOf(options)
  const supervisor = yield* Supervisor
  const events = yield* EventBus
  const snapshots = yield* Snapshots.Snapshots
  const connections = yield* Connections.Connections
  /** Where a peer's machine is gone, nothing else would tell. */
  const probe = Effect.suspend(() =>
    Effect.forEach(
      Array.from(connections.all()).filter(({ socket }) => !socket.probeUnsafe()),
      ({ connId }) => Effect.logInfo("a peer that answers no ping is cut").pipe(Effect.annotateLogs({ connId })),
      { discard: true }
    )
  )
  const tick = Effect.flatMap(Clock.currentTimeMillis, (ts) => events.publish("tick", { ts })).pipe(
    Effect.andThen(probe)
  )
  const every = (millis: number, effect: Effect.Effect<void>) =>
    Effect.forever(Effect.andThen(Effect.sleep(millis), effect))
  yield* supervisor.supervise("gateway/tick", every(limits.tickIntervalMs, tick), { restart: "always" })
  yield* supervisor.supervise("gateway/health", every(limits.healthIntervalMs, snapshots.publishHealth), {
    restart: "always"
  })
})

/** Closes what stands on a device token that was replaced. Subscribed when it returns. */
const watchTokens = Effect.gen(function* () {
  const connections = yield* Connections.Connections
  const supervisor = yield* Supervisor
  const replacements = yield* (yield* DeviceRegistry).replacements
  const retire = Effect.map(PubSub.take(replacements), ({ deviceId, issuedAtMs, reason, role }) => {
    const how = reason === "taken" ? DEVICE_REMOVED : CREDENTIALS_CHANGED
    for (const connection of connections.all()) {
      const same = connection.deviceId === deviceId && connection.role === role
      if (same && (connection.issuedAtMs ?? 0) < issuedAtMs) Connections.retireUnsafe(connection, how)
    }
  })
  yield* supervisor.supervise("gateway/devices", Effect.forever(retire), { restart: "always" })
})

const make = Effect.fnUntraced(function* (given: GatewayOptions) {
  const options = AppServer.placed(given)
  const snapshots = yield* Snapshots.Snapshots
  const connections = yield* Connections.Connections
  const clock = yield* Clock.Clock
  yield* Broadcaster.run
  yield* SessionEvents.run
  yield* NodeReplies.run
  yield* watchTokens
  const fibers = yield* FiberSet.make()
  const run = yield* FiberSet.runtime(fibers)<ServeRequirements>()
  /** A connection of its own scope; how it ends is its own business, but no end goes unheard. */
  const runServed = (served: Effect.Effect<void, never, Scope.Scope | ServeRequirements>) =>
    run(
      Effect.scoped(served).pipe(
        Effect.tapCause((cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.logDebug("a connection was cut")
            : Effect.logError("a connection ended unexpectedly", cause)
        )
      )
    )
  const answers = yield* FiberSet.make()
  const answer = yield* FiberSet.runtime(answers)<Routes.HttpRequirements>()
  const takers = {
    version: options.version,
    uptimeMs: () => clock.currentTimeMillisUnsafe() - snapshots.startedAt,
    accept: (accepted: Accepted) => void runServed(serve(options, accepted)),
    answer: (exchange: Exchange) => void answer(Routes.handle(options, exchange))
  }
  const listener =
    options.listen === undefined
      ? yield* HttpListener.listen(options, takers, snapshots.certificateChanged)
      : options.listen === "none"
        ? AppServer.nowhere
        : yield* AppServer.attach(options, options.listen, takers)
  const draining = yield* makeDrain(options, listener)
  yield* Effect.addFinalizer(() => stop(options, draining, fibers, answers))
  yield* heartbeat(options)
  yield* listener.started
  const { host, port, url } = listener
  const fingerprint = snapshots.tlsFingerprintUnsafe()
  yield* Effect.logInfo(
    `gateway ${url === "" ? "without a listener" : `listening on ${url}`}${fingerprint === undefined ? "" : `, certificate SHA-256 fingerprint ${display(fingerprint)}`}`
  )
  return Gateway.of({
    host,
    port,
    url,
    tlsFingerprint: Effect.sync(snapshots.tlsFingerprintUnsafe),
    bootId: snapshots.bootId,
    startedAt: snapshots.startedAt,
    connections: Effect.sync(() => connections.size()),
    presence: snapshots.presence,
    connect: Effect.fn("Gateway.connect")(function* (client) {
      const { peer, socket } = yield* InProcess.make(limitsOf(options))
      return yield* Effect.acquireRelease(
        Effect.sync(() => {
          runServed(serveInProcess(options, socket, client))
          return peer
        }),
        ({ close }) => close(1000, "closed by this client")
      )
    }),
    drain: draining.drain
  })
})

/** Runs the handlers, under supervision: a protocol that crashed is a bug, but not the end of the Gateway. */
const requests = Layer.effectDiscard(
  Effect.gen(function* () {
    const supervisor = yield* Supervisor
    yield* supervisor.supervise(
      "gateway/requests",
      RpcServer.make(MethodTable.middleware(Access.Access), { disableFatalDefects: true, disableTracing: true }),
      { restart: "always" }
    )
  })
)

export type GatewayRequirements =
  | ChannelAccess
  | ChannelRouter
  | Channels
  | Config
  | DeadLetters
  | DeviceRegistry
  | EventBus
  | ExecApprovals
  | FileSystem.FileSystem
  | Models
  | NodeRegistry
  | NodeTurns
  | Sessions
  | StateDir
  | Supervisor
  | SystemEvents
  | Tailscale
  | Turns
  | VoiceWake

/** A running Gateway. What it serves (nodes, sessions, turns, channels) and where it stores is left to the caller. */
export const layer = (options: GatewayOptions): Layer.Layer<Gateway, GatewayStartError, GatewayRequirements> =>
  Layer.effect(Gateway, make(options)).pipe(
    Layer.provide(requests),
    Layer.provide([Methods.layer(options), Access.layer, DirectTools.layer]),
    Layer.provideMerge(FrameProtocol.layer(limitsOf(options))),
    Layer.provideMerge(Snapshots.layer(options)),
    Layer.provideMerge([
      Connections.layer,
      AuthenticatorLayer.layer(options.auth, options.identity),
      IdentityKey.layer,
      Exposed.layer(options)
    ])
  )
