/** Which credential lets whom in, and as what. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { DeviceRegistry } from "../../src/services/DeviceRegistry.ts"
import { attempt, layer, tag } from "./attempts.ts"
import * as Rig from "./rig.ts"

describe("credentials", () => {
  it.effect("password mode names the password", () =>
    Effect.gen(function* () {
      const refused = yield* attempt({ auth: { password: "no" } })
      assert.include(Result.isFailure(refused) ? refused.failure.message : "", "password mismatch")
      const missing = yield* attempt({ auth: undefined }, { device: Rig.makeDevice() })
      assert.include(Result.isFailure(missing) ? missing.failure.message : "", "password missing")
      assert.strictEqual(tag(yield* attempt({ auth: { password: "secret" } })), "ok")
    }).pipe(Effect.provide(layer({ mode: "password", password: Redacted.make("secret") })))
  )

  it.effect("of two secrets the one counts that this Gateway's is named after; blanks around it do not", () => {
    const asked = (token: string | undefined, password: string | undefined) =>
      Effect.map(attempt({ auth: { token, password } }, { local: true, address: "127.0.0.1" }), tag).pipe(
        Effect.forkChild({ startImmediately: true }),
        Effect.tap(() => TestClock.adjust("5 seconds")),
        Effect.flatMap(Fiber.join)
      )
    return Effect.gen(function* () {
      const byToken = Effect.gen(function* () {
        assert.strictEqual(yield* asked("wrong", Rig.TOKEN), "TokenMismatch")
        assert.strictEqual(yield* asked(Rig.TOKEN, "wrong"), "ok")
        assert.strictEqual(yield* asked(undefined, Rig.TOKEN), "ok")
        assert.strictEqual(yield* asked(` ${Rig.TOKEN} `, undefined), "ok")
        assert.strictEqual(yield* asked(" ", undefined), "DeviceIdentityRequired", "a blank is no guess")
      })
      yield* Effect.provide(byToken, layer())
      const byPassword = Effect.gen(function* () {
        assert.strictEqual(yield* asked("wrong", Rig.TOKEN), "ok")
        assert.strictEqual(yield* asked(Rig.TOKEN, "wrong"), "TokenMismatch")
      })
      yield* Effect.provide(byPassword, layer({ mode: "password", password: Redacted.make(Rig.TOKEN) }))
    })
  })

  it.effect("a backend of this machine is let in as it asks, and is not paired", () =>
    Effect.gen(function* () {
      const client = { id: "gateway-client", mode: "backend", version: "1", platform: "linux" }
      const device = Rig.makeDevice()
      const here = { local: true, address: "127.0.0.1", device }
      const first = yield* attempt({ client, scopes: ["operator.read", "operator.read"] }, here)
      if (Result.isFailure(first)) return assert.fail("refused")
      assert.deepStrictEqual(
        [first.success.scopes, first.success.deviceId, first.success.deviceToken],
        [["operator.read"], device.id, undefined]
      )
      assert.deepStrictEqual(yield* (yield* DeviceRegistry).list, { paired: [], pending: [] })
      assert.strictEqual(tag(yield* attempt({ client }, { device })), "PairingRequired", "from afar")
      assert.strictEqual(tag(yield* attempt({ client }, { ...here, browser: true })), "PairingRequired", "in a page")
      yield* attempt({}, here)
      const known = yield* attempt({ client }, here)
      assert.isString(Result.isSuccess(known) ? known.success.deviceToken : undefined)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("whoever says that it is a page needs an origin", () =>
    Effect.gen(function* () {
      for (const client of [
        { ...Rig.cli, mode: "webchat" },
        { ...Rig.cli, id: "webchat-ui", mode: "ui" },
        { ...Rig.cli, id: "openclaw-control-ui", mode: "ui" }
      ]) {
        assert.strictEqual(tag(yield* attempt({ client })), "OriginNotAllowed")
      }
      const chat = { ...Rig.cli, id: "webchat-ui", mode: "webchat" }
      const page = yield* attempt({ client: chat }, { browser: true })
      assert.deepStrictEqual(Result.isSuccess(page) ? page.success.scopes : undefined, [], "no device, no scopes")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("who waits to be approved goes on asking where a person looks at it", () =>
    Effect.gen(function* () {
      const waits = (client: Record<string, unknown>) =>
        Effect.map(attempt({ client: { ...Rig.cli, ...client } }, { device: Rig.makeDevice() }), (result) =>
          Result.isFailure(result) && result.failure._tag === "PairingRequired" ? result.failure.waits : undefined
        )
      assert.isTrue(yield* waits({ id: "openclaw-tui", mode: "ui" }))
      assert.isFalse(yield* waits({}))
    }).pipe(Effect.provide(layer()))
  )

  it.effect("no authentication asks for nothing", () =>
    Effect.gen(function* () {
      assert.strictEqual(tag(yield* attempt({ auth: undefined }, { local: true })), "ok")
    }).pipe(Effect.provide(layer({ mode: "none" })))
  )

  it.effect("a device on this machine is paired by itself, unless autoApproveLocal is false", () => {
    const pair = Effect.map(attempt({}, { local: true, device: Rig.makeDevice() }), tag)
    const by = (autoApproveLocal: boolean) =>
      Effect.provide(pair, layer(undefined, { gateway: { nodes: { pairing: { autoApproveLocal } } } }))
    return Effect.gen(function* () {
      assert.strictEqual(yield* Effect.provide(pair, layer()), "ok")
      assert.strictEqual(yield* by(true), "ok")
      assert.strictEqual(yield* by(false), "PairingRequired")
    })
  })

  it.effect("C8 a token of another device, or for another role, is none", () =>
    Effect.gen(function* () {
      const mine = Rig.makeDevice()
      const theirs = Rig.makeDevice()
      const paired = yield* attempt({}, { local: true, device: mine })
      const deviceToken = Result.isSuccess(paired) ? paired.success.deviceToken : undefined
      assert.isString(deviceToken)
      assert.strictEqual(tag(yield* attempt({ auth: { deviceToken } }, { device: theirs })), "TokenMismatch")
      assert.strictEqual(tag(yield* attempt({ auth: { deviceToken } })), "DeviceIdentityRequired")
      assert.strictEqual(tag(yield* attempt({ auth: { token: deviceToken } }, { device: mine })), "ok")
      const more = yield* attempt({ auth: { deviceToken }, scopes: ["operator.admin", "custom"] }, { device: mine })
      assert.strictEqual(tag(more), "ScopeMismatch")
    }).pipe(Effect.provide(layer()))
  )
})
