/** A target's tunnel stands before anything is dialled, and is the caller's for as long as its scope. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { TestClock } from "effect/testing"
import { reach, ReconnectingClient, resolveTarget, TunnelUnavailable } from "../../src/client/index.ts"
import { loopback } from "../../src/domain/Endpoint.ts"
import { token } from "../../src/domain/Credential.ts"
import * as SshTarget from "../../src/domain/SshTarget.ts"
import {
  GatewayNotAnswering,
  SshHostKeyRejected,
  SshUnreachable,
  type TunnelError,
  TunnelManager,
  type TunnelSpec,
  type TunnelState
} from "../../src/services/TunnelManager.ts"
import { CHALLENGE_TS, fakeGateway, NONCE, options, start } from "./fakeGateway.ts"
import { setup, until } from "./reconnecting.ts"

const host = SshTarget.SshTarget.make("me@gateway-host:2222")
const to = (remote: object) =>
  Result.getOrThrow(
    resolveTarget({
      flags: {},
      env: {},
      config: { gateway: { mode: "remote", remote: { token: "canary", sshTarget: host, remotePort: 5000, ...remote } } }
    })
  )

/** A manager whose one tunnel is told what becomes of it. */
const scripted = Effect.gen(function* () {
  const asked: Array<TunnelSpec> = []
  let released = 0
  const ended = yield* Deferred.make<Extract<TunnelState, { _tag: "Up" }>, TunnelError>()
  const state = yield* SubscriptionRef.make<TunnelState>({ _tag: "Connecting", generation: 1, error: undefined })
  const manager = TunnelManager.of({
    up: (spec) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          asked.push(spec)
          return { spec, state, ready: Deferred.await(ended) }
        }),
        () => Effect.sync(() => void (released += 1))
      ),
    tunnels: Effect.succeed([])
  })
  return { asked, ended, manager, released: () => released, state }
})
const up = { _tag: "Up", generation: 1, since: 0, localPort: 40_000, roundTripMs: 1, gateway: undefined } as const
const unreachable = new SshUnreachable({ target: host, reason: "refused", detail: "" })

describe("reach", () => {
  it.effect("a target without a tunnel needs no manager", () =>
    Effect.scoped(reach(to({ transport: "direct", url: "wss://r.example" })))
  )

  it.effect("without a manager it fails with what to do by hand", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(reach(to({ url: "ws://127.0.0.1:4000" }))))
      assert(error instanceof TunnelUnavailable)
      assert.include(error.message, "`ssh -N -L 4000:127.0.0.1:5000 -p 2222 me@gateway-host`")
      assert.match(error.message, /nothing was sent[\s\S]*Fix: .*gateway\.remote\.transport direct/)
      assert.notInclude(JSON.stringify([error, error.message]), "canary")
    })
  )

  it.effect("waits until the tunnel is up, and keeps it until the scope closes", () =>
    Effect.gen(function* () {
      const { asked, ended, manager, released, state } = yield* scripted
      const scope = yield* Scope.make()
      const reached = yield* reach(to({})).pipe(
        Scope.provide(scope),
        Effect.provideService(TunnelManager, manager),
        start
      )
      assert.deepStrictEqual(
        asked.map(({ localPort, remotePort, target }) => [target, localPort, remotePort]),
        [[host, 18_789, 5000]]
      )
      assert.isUndefined(reached.pollUnsafe())
      yield* Deferred.succeed(ended, up)
      const { gate } = yield* Fiber.join(reached)
      assert(gate !== undefined)
      const { endpoint, gateway, lost, stands } = yield* gate
      assert.deepStrictEqual([endpoint, gateway], [loopback(40_000), undefined])
      assert(lost !== undefined && stands !== undefined)
      yield* SubscriptionRef.set(state, { ...up, generation: 2 })
      assert.isFalse(yield* stands)
      yield* lost
      yield* SubscriptionRef.set(state, up)
      assert.isTrue(yield* stands)
      assert.strictEqual(released(), 0)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(released(), 1)
    })
  )

  it.effect("fails with the tunnel's own reason when that is for good", () =>
    Effect.gen(function* () {
      const { ended, manager } = yield* scripted
      const rejected = new SshHostKeyRejected({ target: host, changed: true })
      yield* Deferred.fail(ended, rejected)
      const error = yield* reach(to({})).pipe(Effect.scoped, Effect.provideService(TunnelManager, manager), Effect.flip)
      assert.strictEqual(error, rejected)
    })
  )

  const waits = (error: TunnelError): TunnelState => ({ _tag: "Waiting", generation: 2, delayMs: 5, error })
  const dns = new SshUnreachable({ target: host, reason: "dns", detail: "" })
  const notThere = new GatewayNotAnswering({ target: host, remotePort: 5000, detail: "connection refused" })
  it.effect.each<readonly [string, TunnelState, RegExp]>([
    ["with what it failed with last", waits(unreachable), /\(refused\)\.\nFix: check that sshd runs/],
    ["with what to do about a name", waits(dns), /Fix: check the host name/],
    [
      "with the fix of what it failed with",
      waits(notThere),
      /no Gateway answers at its port 5000[\s\S]*Fix: start it there/
    ],
    ["while ssh is still at it", { _tag: "Connecting", generation: 1, error: undefined }, /Fix: log in by hand once/]
  ])("gives up in time, %s", ([, now, says]) =>
    Effect.gen(function* () {
      const { manager, released, state } = yield* scripted
      yield* SubscriptionRef.set(state, now)
      const failed = yield* reach(to({}), { timeout: "5 seconds" }).pipe(
        Effect.scoped,
        Effect.provideService(TunnelManager, manager),
        Effect.flip,
        start
      )
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(failed)
      assert(error._tag === "TunnelTimeout")
      assert.match(error.message, /^The Gateway behind me@gateway-host:2222 was not reached within 5000 ms\./)
      assert.match(error.message, says)
      assert.notInclude(error.message, "tried again")
      assert.strictEqual(released(), 1)
    })
  )
})

describe("a client behind a gate", () => {
  it.effect("dials only while the tunnel stands, at first and after each loss", () =>
    Effect.gen(function* () {
      let gate = yield* Deferred.make<void, TunnelError>()
      const { client, gateway } = yield* setup({ gate: Effect.suspend(() => Deferred.await(gate)) })
      // Longer than any deadline of one connect.
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* gateway.waiting, 0)
      yield* Deferred.succeed(gate, undefined)
      const first = yield* gateway.accept
      yield* first.welcome()
      yield* until(client, "Connected")

      gate = yield* Deferred.make<void, TunnelError>()
      yield* first.vanish
      yield* until(client, "Waiting")
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* until(client, "Connecting"))._tag, "Connecting")
      assert.strictEqual(yield* gateway.waiting, 0)
      yield* Deferred.succeed(gate, undefined)
      yield* (yield* gateway.accept).welcome()
      yield* until(client, "Connected")
    })
  )

  it.effect.each<readonly [string, boolean]>([
    ["and gives the connection up", true],
    ["even where it has not heard of it yet", false]
  ])("says nothing to whoever answers at the near end of a tunnel that ended meanwhile, %s", ([, heard]) =>
    Effect.gen(function* () {
      const [thief, real] = [yield* fakeGateway, yield* fakeGateway]
      let near = thief.endpoint
      let stood = true
      const lost = yield* Deferred.make<void>()
      const client = yield* ReconnectingClient.make({
        ...options(thief.endpoint),
        credentials: [token("canary")],
        gate: Effect.sync(() => {
          const endpoint = near
          const isFirst = endpoint === thief.endpoint
          return {
            endpoint,
            stands: Effect.sync(() => !isFirst || stood),
            lost: isFirst ? Deferred.await(lost) : Effect.never
          }
        })
      })
      const caught = yield* thief.accept
      stood = false
      near = real.endpoint
      if (heard) yield* Deferred.succeed(lost, undefined)
      yield* caught.event("connect.challenge", { nonce: NONCE, ts: CHALLENGE_TS })
      const { params } = yield* (yield* real.accept).welcome()
      assert.deepStrictEqual(params["auth"], { token: "canary" })
      yield* until(client, "Connected")
      yield* caught.closed
      assert.strictEqual(yield* Queue.size(caught.frames), 0)
    })
  )

  it.effect("stops with the tunnel's reason when that stopped for good", () =>
    Effect.gen(function* () {
      const rejected = new SshHostKeyRejected({ target: host, changed: false })
      const { client, gateway } = yield* setup({ gate: Effect.fail(rejected) })
      assert.strictEqual((yield* until(client, "Stopped")).error, rejected)
      assert.strictEqual(yield* gateway.waiting, 0)
    })
  )
})
