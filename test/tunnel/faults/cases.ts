/** Each fault that may befall a tunnel, how it is brought about, and what has to come of it. */
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { TunnelError } from "../../../src/services/TunnelManager.ts"
import * as Namespace from "./namespace.ts"
import { errorOf, isUp, thief, timed, when, type World } from "./world.ts"

export interface Outcome {
  readonly noticedMs?: number | undefined
  /** From when the cause was gone, or from the fault where nothing had to be mended. */
  readonly backMs?: number | undefined
  /** What the tunnel says of it. */
  readonly error?: TunnelError | undefined
  /** Messages with the token in them that anybody got but the Gateway that proved itself. */
  readonly credentials: number
  readonly note?: string | undefined
}

export interface Fault {
  readonly name: string
  /** Needs a network of its own, in which packets can be lost. */
  readonly network?: boolean
  /** Its waits are a tenth of what they may be. */
  readonly hurried?: boolean
  readonly run: (world: World) => Effect.Effect<Outcome, unknown, Scope.Scope>
  /** The error's name, and its reason where it has one; left out where there must be none. */
  readonly expect?: string
}

/** Why a fault cannot be brought about on this machine. */
export const skipped = ({ network }: Fault): string | undefined => (network === true ? Namespace.missing : undefined)

const isDown = (state: Parameters<typeof isUp>[0]) => !isUp(state)
/** Whatever else this machine's networks do meanwhile is no answer. */
const isNoise = (error: TunnelError) => error.message.includes("changed its network")
const toldWhy = (state: Parameters<typeof isUp>[0]) => {
  const error = errorOf(state)
  return error !== undefined && !isNoise(error)
}

/** Breaks a tunnel that stands, waits until it is noticed and told why, mends it after a while, and waits until it is back. */
const breaking = Effect.fnUntraced(function* (
  world: World,
  parts: {
    readonly inject: Effect.Effect<unknown>
    readonly mend?: Effect.Effect<unknown>
    /** Milliseconds between noticing and mending. */
    readonly away?: number
  }
) {
  yield* world.sshd.start
  const tunnel = yield* world.up
  const { generation } = yield* tunnel.ready
  yield* world.far.order("forget")
  const broken = yield* timed(Effect.andThen(parts.inject, when(tunnel, isDown)))
  const told = yield* when(tunnel, (state) => toldWhy(state) || (isUp(state) && state.generation > generation))
  let last = errorOf(told)
  // What is told last while it is away; other networks of this machine may change at any moment.
  const listening = Stream.runForEach(SubscriptionRef.changes(tunnel.state), (now) =>
    Effect.sync(() => void (toldWhy(now) && (last = errorOf(now))))
  )
  yield* Effect.raceFirst(Effect.sleep(parts.away ?? 0), listening)
  const back = yield* timed(Effect.andThen(parts.mend ?? Effect.void, when(tunnel, isUp)))
  const { credentials } = yield* world.far.order("heard")
  return {
    noticedMs: broken.ms,
    backMs: parts.mend === undefined ? broken.ms + back.ms : back.ms,
    error: last,
    credentials
  } satisfies Outcome
})

/** A tunnel that never comes to stand, and why. */
const refused = Effect.fnUntraced(function* (world: World, prepare: Effect.Effect<unknown>) {
  yield* prepare
  yield* world.sshd.start
  const tunnel = yield* world.up
  const stopped = yield* timed(when(tunnel, (state) => toldWhy(state)))
  const { credentials } = yield* world.far.order("heard")
  return { noticedMs: stopped.ms, error: errorOf(stopped.value), credentials } satisfies Outcome
})

/** Somebody else answers behind the same port, while a client with the token wants to come through. */
const impostor = (who: "other" | "replay" | "unproven") =>
  Effect.fnUntraced(function* (world: World) {
    yield* world.sshd.start
    const tunnel = yield* world.up
    const client = yield* world.clientThrough(tunnel)
    yield* client.ready
    yield* world.far.order("forget")
    yield* world.far.order(who)
    const found = yield* timed(when(tunnel, (state) => state._tag === "Stopped"))
    yield* Effect.sleep(500)
    const { credentials, messages } = yield* world.far.order("heard")
    return {
      noticedMs: found.ms,
      error: errorOf(found.value),
      credentials,
      note: `it was told ${messages} upgrade requests and nothing else`
    } satisfies Outcome
  })

/** Accepts, and never says a word. */
const silentHost = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly close: () => void }>((resume) => {
      const sockets = new Set<Net.Socket>()
      const server = Net.createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
      })
      const close = () => {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
      server.listen(port, "127.0.0.1", () => resume(Effect.succeed({ close })))
    }),
    ({ close }) => Effect.sync(close)
  )

const files = () => Fs.readdirSync("/proc/self/fd").length
const children = () =>
  Fs.readdirSync("/proc/self/task")
    .map((task) => Fs.readFileSync(`/proc/self/task/${task}/children`, "utf8").trim())
    .join(" ")
    .split(" ")
    .filter((pid) => pid !== "").length

const link = (world: World) => {
  if (world.link === undefined) throw new Error("this fault needs a network of its own")
  return world.link
}

export const faults: ReadonlyArray<Fault> = [
  {
    name: "none: the tunnel comes up",
    run: Effect.fnUntraced(function* (world) {
      yield* world.sshd.start
      const tunnel = yield* world.up
      const { ms } = yield* timed(tunnel.ready)
      return { backMs: ms, credentials: (yield* world.far.order("heard")).credentials }
    })
  },
  {
    name: "ssh is killed",
    expect: "SshUnreachable closed",
    run: (world) => breaking(world, { inject: world.sshd.signal("SIGKILL") })
  },
  {
    name: "sshd is killed with its sessions, and is back",
    expect: "SshUnreachable refused",
    run: (world) => breaking(world, { inject: world.sshd.crash, away: 3000, mend: world.sshd.start })
  },
  {
    name: "the far port is closed, and open again",
    expect: "GatewayNotAnswering",
    run: (world) => breaking(world, { inject: world.far.order("closed"), away: 3000, mend: world.far.order("gateway") })
  },
  {
    name: "packets are dropped on the way, and pass again",
    network: true,
    expect: "SshUnreachable timeout",
    run: (world) => breaking(world, { inject: link(world).blackHole, away: 12_000, mend: link(world).heal })
  },
  {
    name: "the cable is pulled, and is back",
    network: true,
    expect: "SshUnreachable network",
    run: (world) => breaking(world, { inject: link(world).unplug, away: 6000, mend: link(world).plug })
  },
  {
    name: "ssh is stopped (SIGSTOP)",
    expect: "SshUnreachable silent",
    run: (world) => breaking(world, { inject: world.sshd.signal("SIGSTOP") })
  },
  {
    name: "the far port takes connections and says nothing",
    expect: "SshUnreachable silent",
    run: (world) => breaking(world, { inject: world.far.order("mute"), away: 1000, mend: world.far.order("gateway") })
  },
  {
    name: "another process takes the local port when ssh dies",
    expect: "PortTaken",
    run: Effect.fnUntraced(function* (world) {
      yield* world.sshd.start
      const tunnel = yield* world.up
      const client = yield* world.clientThrough(tunnel)
      yield* client.ready
      const stolen = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* world.sshd.signal("SIGKILL")
          const told = yield* thief(world.spec.localPort)
          const noticed = yield* timed(when(tunnel, (state) => errorOf(state)?._tag === "PortTaken"))
          yield* Effect.sleep(3000)
          return { error: errorOf(noticed.value), said: told.said, ms: noticed.ms }
        })
      )
      const back = yield* timed(when(tunnel, isUp))
      yield* client.ready
      const secret = JSON.stringify(world.far.token).slice(1, -1)
      return {
        noticedMs: stolen.ms,
        backMs: back.ms,
        error: stolen.error,
        credentials: stolen.said.includes(secret) ? 1 : 0,
        note: `it heard ${Buffer.byteLength(stolen.said)} bytes`
      }
    })
  },
  { name: "another Gateway is behind the same port", expect: "WrongGateway", run: impostor("other") },
  { name: "a copy of an old proof is behind the port", expect: "WrongGateway", run: impostor("replay") },
  { name: "a Gateway that proves nothing is behind the port", expect: "WrongGateway", run: impostor("unproven") },
  {
    name: "what is behind the port is no Gateway",
    expect: "GatewayNotAnswering",
    run: (world) => refused(world, world.far.order("smtp"))
  },
  {
    name: "the host's key is another than the known one",
    expect: "SshHostKeyRejected",
    run: (world) => refused(world, world.sshd.otherHostKey)
  },
  {
    name: "the host's key is not known",
    expect: "SshHostKeyRejected",
    run: (world) => refused(world, world.sshd.forgetHost)
  },
  { name: "the key is refused", expect: "SshAuthFailed", run: (world) => refused(world, world.sshd.refuseKey) },
  {
    name: "the host asks for a password",
    expect: "SshAuthFailed",
    run: (world) =>
      refused(world, Effect.andThen(world.sshd.refuseKey, world.sshd.configure(["PasswordAuthentication yes"])))
  },
  {
    name: "the host asks questions (keyboard-interactive)",
    expect: "SshAuthFailed",
    run: (world) =>
      refused(
        world,
        Effect.andThen(world.sshd.refuseKey, world.sshd.configure(["KbdInteractiveAuthentication yes", "UsePAM yes"]))
      )
  },
  {
    name: "the banner is a megabyte long",
    expect: "SshUnreachable closed",
    run: (world) => refused(world, world.sshd.banner("welcome\n".repeat(131_072)))
  },
  {
    name: "the host takes the connection and says nothing, then sshd is there",
    expect: "SshUnreachable timeout",
    run: Effect.fnUntraced(function* (world) {
      const scope = yield* Scope.make()
      yield* Scope.provide(silentHost(world.sshd.port), scope)
      const tunnel = yield* world.up
      const noticed = yield* timed(when(tunnel, toldWhy))
      yield* Scope.close(scope, Exit.void)
      yield* world.sshd.start
      const back = yield* timed(when(tunnel, isUp))
      const { credentials } = yield* world.far.order("heard")
      return { noticedMs: noticed.ms, backMs: back.ms, error: errorOf(noticed.value), credentials }
    })
  },
  {
    name: "a hundred failures one after the other",
    hurried: true,
    expect: "SshUnreachable refused",
    run: Effect.fnUntraced(function* (world) {
      const tunnel = yield* world.up
      const waiting = (after: number) =>
        when(tunnel, (state) => state._tag === "Waiting" && state.generation > after && toldWhy(state))
      const first = yield* waiting(2)
      const before = { files: files(), children: children() }
      const last = yield* waiting(first.generation + 99)
      const after = { files: files(), children: children() }
      yield* world.sshd.start
      const back = yield* timed(when(tunnel, isUp))
      return {
        backMs: back.ms,
        error: errorOf(last),
        credentials: (yield* world.far.order("heard")).credentials,
        note: `open files ${before.files} before, ${after.files} after; children ${before.children} and ${after.children}`
      }
    })
  }
]
