/** What one fault happens to: a far machine with sshd and a Gateway, a tunnel to it, and a client that goes through. */
import { spawn } from "node:child_process"
import * as Net from "node:net"
import * as path from "node:path"
import { createInterface } from "node:readline"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { Random } from "effect/Random"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { ReconnectingClient } from "../../../src/client/ReconnectingClient.ts"
import * as TunnelManagerLive from "../../../src/client/TunnelManager.ts"
import { token as tokenOf } from "../../../src/domain/Credential.ts"
import { loopback } from "../../../src/domain/Endpoint.ts"
import * as SshTarget from "../../../src/domain/SshTarget.ts"
import {
  type Tunnel,
  type TunnelError,
  TunnelManager,
  type TunnelSpec,
  type TunnelState
} from "../../../src/services/TunnelManager.ts"
import { temporaryStateDir } from "../../client/stateDir.ts"
import * as Sshd from "../sshd.ts"
import * as Namespace from "./namespace.ts"

/** What the far side heard since it was told to forget. */
export interface Report {
  /** Messages in which the Gateway's token stands. */
  readonly credentials: number
  readonly messages: number
}

export type Order = "gateway" | "other" | "replay" | "unproven" | "smtp" | "mute" | "closed" | "heard" | "forget"

const farSide = Effect.fnUntraced(function* ({ prefix }: Sshd.Place, port: number) {
  const lines = yield* Queue.unbounded<string>()
  const [program = "", ...args] = [...prefix, process.execPath, path.join(import.meta.dirname, "far.ts"), String(port)]
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(program, args, { stdio: ["pipe", "pipe", "ignore"] })),
    (running) =>
      Effect.callback<void>((resume) => {
        running.once("exit", () => resume(Effect.void))
        running.stdin.end()
      })
  )
  createInterface(child.stdout).on("line", (line) => line.startsWith("{") && Queue.offerUnsafe(lines, line))
  const { token } = JSON.parse(yield* Queue.take(lines)) as { readonly token: string }
  const order = (what: Order): Effect.Effect<Report> =>
    Effect.suspend(() => {
      child.stdin.write(`${what}\n`)
      return Effect.map(Queue.take(lines), (line) => JSON.parse(line) as Report)
    })
  return { order, token }
})

interface Told {
  readonly server: Net.Server
  said: string
}

const listenAt = (port: number) =>
  Effect.callback<Told, Error>((resume) => {
    const told: Told = {
      server: Net.createServer((socket) => {
        socket.on("error", () => {})
        socket.on("data", (data) => (told.said += String(data)))
      }),
      said: ""
    }
    told.server.once("error", (error) => resume(Effect.fail(error)))
    told.server.listen(port, "127.0.0.1", () => resume(Effect.succeed(told)))
  })

/** Another process's listener at a local port, as soon as that is free, and what it is told. */
export const thief = (port: number) =>
  Effect.acquireRelease(
    Effect.orDie(Effect.retry(listenAt(port), { schedule: Schedule.spaced("1 millis") })),
    ({ server }) => Effect.sync(() => server.close())
  )

type Up = Extract<TunnelState, { _tag: "Up" }>

export const errorOf = (state: TunnelState): TunnelError | undefined => (state._tag === "Up" ? undefined : state.error)

/** The next state that fits. */
export const when = (tunnel: Tunnel, fits: (state: TunnelState) => boolean) =>
  SubscriptionRef.changes(tunnel.state).pipe(
    Stream.filter(fits),
    Stream.take(1),
    Stream.runCollect,
    Effect.map((states) => states[0] as TunnelState)
  )

export const isUp = (state: TunnelState): state is Up => state._tag === "Up"

/** Milliseconds that an effect takes, and what it gives. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis
    const value = yield* effect
    return { value, ms: (yield* Clock.currentTimeMillis) - begun }
  })

const tenth: typeof Random.Service = { nextDoubleUnsafe: () => 0.1, nextIntUnsafe: () => 1 }

/** `hurried`: nobody waits for longer than a tenth of the longest. */
export const make = Effect.fnUntraced(function* (options: { readonly network: boolean; readonly hurried: boolean }) {
  const { hurried, network } = options
  const link = network ? yield* Namespace.make : undefined
  const place: Sshd.Place = link ?? { address: "127.0.0.1", prefix: [] }
  const sshd = yield* Sshd.makeIn(place)
  const remotePort = yield* Sshd.freePort
  const far = yield* farSide(place, remotePort)
  const layer = TunnelManagerLive.layer({ program: sshd.program }).pipe(Layer.provide(temporaryStateDir))
  const context = yield* hurried ? Effect.provideService(Layer.build(layer), Random, tenth) : Layer.build(layer)
  const manager = yield* Effect.provide(TunnelManager, context)
  const spec: TunnelSpec = {
    target: Result.getOrThrow(SshTarget.parse("box", "--ssh")),
    localPort: yield* Sshd.freePort,
    remotePort,
    hostKeyPolicy: "strict",
    credentials: [tokenOf(far.token)]
  }
  /** Whoever uses the tunnel, and would show the token to whom it takes for the Gateway. */
  const clientThrough = (tunnel: Tunnel) =>
    ReconnectingClient.make({
      endpoint: loopback(spec.localPort),
      gate: Effect.map(tunnel.ready, (up) => ({
        endpoint: loopback(up.localPort),
        gateway: up.proven === true ? up.gateway : undefined
      })),
      client: { id: "gateway-client", mode: "backend", version: "0.1.0", platform: "test" },
      scopes: ["operator.read"],
      credentials: [tokenOf(far.token)]
    })
  return { clientThrough, far, link, manager, spec, sshd, up: manager.up(spec) }
})

export type World = Effect.Success<ReturnType<typeof make>>
