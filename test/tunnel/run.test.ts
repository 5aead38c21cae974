/** The life of a tunnel, with ssh, the Gateway and the clock played by the test. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { awakened } from "../../src/client/tunnel/awakened.ts"
import { ProbeFailed, ProbeRefused } from "../../src/client/tunnel/probe.ts"
import { patience, PING_EVERY_MS } from "../../src/client/tunnel/run.ts"
import { token } from "../../src/domain/Credential.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import { Supervisor } from "../../src/services/Supervisor.ts"
import { SshAuthFailed, SshUnreachable } from "../../src/services/TunnelManager.ts"
import { silent, spec, stage, target, until } from "./stage.ts"

const closed = new SshUnreachable({ target, reason: "closed", detail: "" })

/** One that stands, and its ssh. */
const stood = Effect.gen(function* () {
  const { manager, started, world } = yield* stage
  const tunnel = yield* manager.up(spec)
  const ssh = yield* Queue.take(started)
  yield* ssh.bind
  yield* tunnel.ready
  return { ssh, tunnel, world }
})

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
      assert.deepStrictEqual(known.get(target), { deviceId: "gateway-a", proves: false })
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
        // The wait may begin a moment after it was told of.
        while ((yield* Queue.size(started)) === 0) yield* TestClock.adjust(waiting.delayMs + 1)
      }
      const ssh = yield* Queue.take(started)
      yield* ssh.bind
      assert.strictEqual((yield* tunnel.ready).generation, 101)
      assert.isAtMost(Math.max(...waits), 750)
      assert.isTrue(waits.slice(5).some((wait) => wait < 400) && waits.some((wait) => wait > 400))
      assert.deepStrictEqual(
        world.seconds.slice(0, 4),
        [0, 1, 2, 3].map((attempt) => patience(attempt, undefined).connectSeconds)
      )
      // A credential is shown once it stands, not in any of the failures.
      assert.strictEqual(world.shown, 1)
    })
  )

  it.effect("ends a generation whose path is dead, although its ssh says nothing", () =>
    Effect.gen(function* () {
      const { ssh, tunnel, world } = yield* stood
      world.challenge = Effect.fail(new ProbeFailed({ silent: true, detail: "nothing came" }))
      yield* TestClock.adjust(PING_EVERY_MS)
      const waiting = yield* until(tunnel, "Waiting")
      assert.deepInclude(waiting.error, { _tag: "SshUnreachable", reason: "silent" })
      assert.isTrue(ssh.over())
    })
  )

  it.effect("keeps ssh while only the Gateway is gone, and recognises anew who answers then", () =>
    Effect.gen(function* () {
      const { ssh, tunnel, world } = yield* stood
      world.challenge = Effect.fail(new ProbeFailed({ silent: false, detail: "socket hang up" }))
      yield* TestClock.adjust(PING_EVERY_MS)
      const waiting = yield* until(tunnel, "Waiting")
      assert.strictEqual(waiting.error._tag, "GatewayNotAnswering")
      assert.isFalse(ssh.over())
      world.challenge = Effect.succeed(silent)
      world.identity = Effect.succeed("gateway-b")
      yield* TestClock.adjust(waiting.delayMs + 1)
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

  it.effect("that came through before does not wait for a way that does not open, but for what is slow behind it", () =>
    Effect.gen(function* () {
      const { manager, started } = yield* stage
      const tunnel = yield* manager.up(spec)
      const first = yield* Queue.take(started)
      yield* TestClock.adjust("20 seconds")
      yield* first.open
      yield* TestClock.adjust("10 seconds")
      yield* first.bind
      yield* tunnel.ready
      yield* first.end(closed)
      const lost = yield* until(tunnel, "Waiting")
      while ((yield* Queue.size(started)) === 0) yield* TestClock.adjust(lost.delayMs + 1)
      const second = yield* Queue.take(started)
      yield* TestClock.adjust("1500 millis")
      const waiting = yield* until(tunnel, "Waiting", 1)
      assert.deepInclude(waiting.error, { _tag: "SshUnreachable", reason: "timeout" })
      assert.isTrue(second.over())
      while ((yield* Queue.size(started)) === 0) yield* TestClock.adjust(waiting.delayMs + 1)
      const third = yield* Queue.take(started)
      yield* third.open
      yield* TestClock.adjust("19 seconds")
      yield* third.bind
      assert.strictEqual((yield* until(tunnel, "Up", 2)).generation, 3)
      yield* third.end(closed)
      yield* until(tunnel, "Waiting", 2)
      while ((yield* Queue.size(started)) === 0) yield* TestClock.adjust("100 millis")
      const fourth = yield* Queue.take(started)
      yield* fourth.open
      yield* TestClock.adjust("38 seconds")
      assert.deepInclude((yield* until(tunnel, "Waiting", 3)).error, { _tag: "SshUnreachable" })
      assert.isTrue(fourth.over())
    })
  )

  it.effect("asks at once when the Gateway hangs up, but does not ask one all the time that always does", () =>
    Effect.gen(function* () {
      const { manager, started, world } = yield* stage
      const closed = yield* Deferred.make<void>()
      world.challenge = Effect.succeed({ ...silent, closed: Deferred.await(closed) })
      const tunnel = yield* manager.up(spec)
      yield* (yield* Queue.take(started)).bind
      yield* tunnel.ready
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(world.asked, 1)
      world.challenge = Effect.fail(new ProbeFailed({ silent: false, detail: "refused" }))
      yield* Deferred.succeed(closed, undefined)
      assert.strictEqual((yield* until(tunnel, "Waiting")).error._tag, "GatewayNotAnswering")
      world.challenge = Effect.succeed({ ...silent, closed: Effect.void })
      yield* TestClock.adjust("1 second")
      const before = world.asked
      yield* TestClock.adjust("5 seconds")
      assert.isAtMost(world.asked - before, 5)
    })
  )

  it.effect("that broke says so to whoever waits for it", () =>
    Effect.gen(function* () {
      const { manager, started, world } = yield* stage
      world.challenge = Effect.die("a bug")
      const tunnel = yield* manager.up(spec)
      yield* (yield* Queue.take(started)).bind
      const error = yield* Effect.flip(tunnel.ready)
      assert.strictEqual(error._tag, "TunnelBroken")
      assert.notInclude(error.message, "a bug")
      assert.strictEqual((yield* until(tunnel, "Stopped")).error, error)
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
      world.challenge = Effect.succeed(silent)
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
