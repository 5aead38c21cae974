/** The life of a tunnel, with ssh, the Gateway and the clock played by the test. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { TestClock } from "effect/testing"
import { token } from "../../src/domain/Credential.ts"
import * as SshTarget from "../../src/domain/SshTarget.ts"
import * as TunnelManager from "../../src/client/TunnelManager.ts"
import { awakened } from "../../src/client/tunnel/awakened.ts"
import { ProbeFailed, ProbeRefused } from "../../src/client/tunnel/probe.ts"
import { connectSeconds, PING_EVERY_MS } from "../../src/client/tunnel/run.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import {
  SshAuthFailed,
  SshUnreachable,
  type Tunnel,
  type TunnelError,
  type TunnelSpec,
  type TunnelState
} from "../../src/services/TunnelManager.ts"
import { Supervisor } from "../../src/services/Supervisor.ts"

const target = Result.getOrThrow(SshTarget.parse("me@box", "--ssh"))
const spec: TunnelSpec = {
  target,
  localPort: 18_789,
  remotePort: 18_789,
  hostKeyPolicy: "strict",
  credentials: [token("sesame")]
}
const closed = new SshUnreachable({ target, reason: "closed", detail: "" })

interface Ssh {
  readonly bind: Effect.Effect<unknown>
  readonly end: (error: TunnelError) => Effect.Effect<unknown>
  readonly over: () => boolean
}

const stage = Effect.gen(function* () {
  const started = yield* Queue.unbounded<Ssh>()
  const waking = yield* Queue.unbounded<void>()
  const known = new Map<string, string>()
  const world = {
    challenge: Effect.succeed(7) as Effect.Effect<number, ProbeFailed>,
    identity: Effect.succeed("gateway-a") as Effect.Effect<string, ProbeFailed | ProbeRefused>,
    asked: 0,
    shown: 0,
    seconds: [] as Array<number>
  }
  const manager = yield* TunnelManager.make({
    open: Effect.fnUntraced(function* (_, seconds) {
      world.seconds.push(seconds)
      const bound = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<never, TunnelError>()
      let over = false
      yield* Effect.addFinalizer(() => Effect.sync(() => (over = true)))
      yield* Queue.offer(started, {
        bind: Deferred.succeed(bound, undefined),
        end: (error) => Deferred.fail(ended, error),
        over: () => over
      })
      return { bound: Deferred.await(bound), ended: Deferred.await(ended) }
    }),
    probe: {
      challenge: () => Effect.suspend(() => (world.asked++, world.challenge)),
      identity: () => Effect.suspend(() => (world.shown++, world.identity))
    },
    awakened: Queue.take(waking),
    known: {
      get: () => Effect.sync(() => known.get(target)),
      put: (_, gateway) => Effect.sync(() => void known.set(target, gateway))
    }
  })
  return { manager, started, waking, known, world }
})

const until = <Tag extends TunnelState["_tag"]>(tunnel: Tunnel, tag: Tag) =>
  SubscriptionRef.changes(tunnel.state).pipe(
    Stream.filter((state): state is Extract<TunnelState, { _tag: Tag }> => state._tag === tag),
    Stream.take(1),
    Stream.runCollect,
    Effect.map((states) => states[0] as Extract<TunnelState, { _tag: Tag }>)
  )

describe("a tunnel", () => {
  it.effect("asks nobody before ssh holds the port, and is up when the Gateway told who it is", () =>
    Effect.gen(function* () {
      const { known, manager, started, world } = yield* stage
      const tunnel = yield* manager.up(spec)
      const ssh = yield* Queue.take(started)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(world.asked, 0)
      yield* ssh.bind
      const up = yield* tunnel.ready
      assert.deepInclude(up, { generation: 1, localPort: 18_789, roundTripMs: 7, gateway: "gateway-a" })
      assert.strictEqual(known.get(target), "gateway-a")
    })
  )

  it.effect("comes back after every loss for ever, with jitter that stays short in the first minutes", () =>
    Effect.gen(function* () {
      const { manager, started, world } = yield* stage
      const tunnel = yield* manager.up(spec)
      const waits: Array<number> = []
      for (let round = 0; round < 100; round++) {
        const ssh = yield* Queue.take(started)
        yield* ssh.end(closed)
        const waiting = yield* until(tunnel, "Waiting")
        assert.strictEqual(waiting.generation, round + 1)
        assert.isTrue(ssh.over())
        waits.push(waiting.delayMs)
        yield* TestClock.adjust(waiting.delayMs)
      }
      const ssh = yield* Queue.take(started)
      yield* ssh.bind
      assert.strictEqual((yield* tunnel.ready).generation, 101)
      assert.isAtMost(Math.max(...waits), 2000)
      assert.isTrue(waits.slice(5).some((wait) => wait < 1000) && waits.some((wait) => wait > 1000))
      assert.deepStrictEqual(world.seconds.slice(0, 4), [0, 1, 2, 3].map(connectSeconds))
      // A credential is shown once it stands, not in any of the failures.
      assert.strictEqual(world.shown, 1)
    })
  )

  it.effect("ends a generation whose path is dead, although its ssh says nothing", () =>
    Effect.gen(function* () {
      const { manager, started, world } = yield* stage
      const tunnel = yield* manager.up(spec)
      const ssh = yield* Queue.take(started)
      yield* ssh.bind
      yield* tunnel.ready
      world.challenge = Effect.fail(new ProbeFailed({ silent: true, detail: "nothing came" }))
      yield* TestClock.adjust(PING_EVERY_MS)
      const waiting = yield* until(tunnel, "Waiting")
      assert.deepInclude(waiting.error, { _tag: "SshUnreachable", reason: "silent" })
      assert.isTrue(ssh.over())
    })
  )

  it.effect("keeps ssh while only the Gateway is gone, and recognises anew who answers then", () =>
    Effect.gen(function* () {
      const { manager, started, world } = yield* stage
      const tunnel = yield* manager.up(spec)
      const ssh = yield* Queue.take(started)
      yield* ssh.bind
      yield* tunnel.ready
      world.challenge = Effect.fail(new ProbeFailed({ silent: false, detail: "socket hang up" }))
      yield* TestClock.adjust(PING_EVERY_MS)
      const waiting = yield* until(tunnel, "Waiting")
      assert.strictEqual(waiting.error._tag, "GatewayNotAnswering")
      assert.isFalse(ssh.over())
      world.challenge = Effect.succeed(9)
      world.identity = Effect.succeed("gateway-b")
      yield* TestClock.adjust(waiting.delayMs)
      const stopped = yield* until(tunnel, "Stopped")
      assert.deepInclude(stopped.error, { _tag: "WrongGateway", expected: "gateway-a", found: "gateway-b" })
      assert.isTrue(ssh.over())
      assert.strictEqual((yield* Effect.flip(tunnel.ready))._tag, "WrongGateway")
    })
  )

  it.effect("stops with the reason on what does not heal, and the tree shows it", () =>
    Effect.gen(function* () {
      const { manager, started } = yield* stage
      const tunnel = yield* manager.up(spec)
      yield* (yield* Queue.take(started)).end(new SshAuthFailed({ target, detail: "Permission denied (publickey)." }))
      assert.strictEqual((yield* Effect.flip(tunnel.ready))._tag, "SshAuthFailed")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* Queue.size(started), 0)
      const [row] = yield* (yield* Supervisor).tree
      assert.deepInclude(row, { name: "tunnels/me@box/18789", state: "failed" })
    }).pipe(Effect.provide(SupervisorLive.layer))
  )

  it.effect("stops when the Gateway lets nobody in, rather than asking until it locks", () =>
    Effect.gen(function* () {
      const { manager, started, world } = yield* stage
      world.identity = Effect.fail(new ProbeRefused({ detail: "token mismatch" }))
      const tunnel = yield* manager.up(spec)
      yield* (yield* Queue.take(started)).bind
      const error = yield* Effect.flip(tunnel.ready)
      assert.strictEqual(error._tag, "GatewayRefused")
      assert.include(error.message, "token mismatch")
      assert.strictEqual(world.shown, 1)
    })
  )

  it.effect("gives up an ssh that hangs", () =>
    Effect.gen(function* () {
      const { manager, started } = yield* stage
      const tunnel = yield* manager.up(spec)
      const ssh = yield* Queue.take(started)
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual((yield* until(tunnel, "Waiting")).error._tag, "SshUnreachable")
      assert.isTrue(ssh.over())
    })
  )

  it.effect("asks at once when the machine woke, also while it waits, and while ssh is on its way", () =>
    Effect.gen(function* () {
      const { manager, started, waking, world } = yield* stage
      const tunnel = yield* manager.up(spec)
      const first = yield* Queue.take(started)
      yield* first.bind
      yield* tunnel.ready
      world.challenge = Effect.fail(new ProbeFailed({ silent: true, detail: "nothing came" }))
      yield* Queue.offer(waking, undefined)
      yield* until(tunnel, "Waiting")
      // No time went by in any of this.
      yield* Queue.offer(waking, undefined)
      const second = yield* Queue.take(started)
      yield* Queue.offer(waking, undefined)
      yield* until(tunnel, "Waiting")
      assert.isTrue(first.over() && second.over())
      world.challenge = Effect.succeed(3)
      yield* Queue.offer(waking, undefined)
      yield* (yield* Queue.take(started)).bind
      assert.strictEqual((yield* tunnel.ready).generation, 3)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    })
  )

  it.effect("is shared by all who ask for it, and ends with the last", () =>
    Effect.gen(function* () {
      const { manager, started } = yield* stage
      const [one, two] = [yield* Scope.make(), yield* Scope.make()]
      const first = yield* Scope.provide(manager.up(spec), one)
      const second = yield* Scope.provide(manager.up({ ...spec, credentials: [token("sesame")] }), two)
      assert.strictEqual(first, second)
      const ssh = yield* Queue.take(started)
      yield* ssh.bind
      yield* first.ready
      yield* Scope.close(one, Exit.void)
      assert.isFalse(ssh.over())
      assert.strictEqual((yield* manager.tunnels).length, 1)
      yield* Scope.close(two, Exit.void)
      assert.isTrue(ssh.over())
      assert.deepStrictEqual(yield* manager.tunnels, [])
    })
  )
})

describe("waking", () => {
  it.effect("is a clock that jumped or a network that changed, and nothing else", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let slept = 0
      let network = "eth0 192.0.2.1"
      const jumping: Clock.Clock = {
        ...clock,
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + slept,
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + slept),
        sleep: (duration) => clock.sleep(duration)
      }
      const wake = Effect.forkChild(Effect.provideService(awakened(Effect.sync(() => network)), Clock.Clock, jumping), {
        startImmediately: true
      })
      const first = yield* wake
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(first.pollUnsafe())
      slept = 60_000
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(first)
      const second = yield* wake
      network = "wlan0 198.51.100.7"
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(second)
    })
  )
})
