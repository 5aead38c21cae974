import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { DeviceIdentity, DeviceTokens, ReconnectingClient } from "../../src/client/index.ts"
import { deviceToken, token } from "../../src/domain/Credential.ts"
import { fakeGateway, hello, options } from "./fakeGateway.ts"
import { mismatch, setup, until } from "./reconnecting.ts"
import { temporaryStateDir } from "./stateDir.ts"

describe("device tokens in a handshake", () => {
  const withDevice = Effect.gen(function* () {
    const device = yield* DeviceIdentity.load
    const deviceTokens = yield* DeviceTokens.make
    const { client, gateway } = yield* setup({ device, deviceTokens, credentials: [token("old-secret")] })
    const key = { issuer: gateway.endpoint, deviceId: device.id, role: "operator" }
    return { client, gateway, deviceTokens, key }
  })
  /** The same with a token, about to try for the second time. */
  const withToken = Effect.tap(withDevice, ({ client, deviceTokens, gateway, key }) =>
    Effect.gen(function* () {
      const first = yield* gateway.accept
      yield* deviceTokens.put(key, { token: deviceToken("dt-0"), scopes: [] })
      yield* first.reject({ code: "UNAVAILABLE", message: "starting" })
      yield* TestClock.adjust((yield* until(client, "Waiting")).delayMs)
    })
  )
  const auth = (deviceTokenText: string) => ({
    auth: { role: "operator", scopes: ["operator.read"], deviceToken: deviceTokenText }
  })

  it.effect("are stored from hello-ok and replace a wrong secret once", () =>
    Effect.gen(function* () {
      const { client, deviceTokens, gateway, key } = yield* withDevice
      const first = yield* gateway.accept
      yield* first.welcome(auth("dt-1"))
      yield* until(client, "Connected")
      assert.deepStrictEqual((yield* deviceTokens.get(key))?.scopes, ["operator.read"])
      yield* first.vanish
      yield* TestClock.adjust((yield* until(client, "Waiting")).delayMs)
      const refusing = yield* gateway.accept
      assert.deepStrictEqual((yield* refusing.reject(mismatch(true))).params["auth"], { token: "old-secret" })
      const accepting = yield* gateway.accept
      assert.deepStrictEqual((yield* accepting.welcome(auth("dt-2"))).params["auth"], { deviceToken: "dt-1" })
      yield* until(client, "Connected")
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("are tried once only, then the client stops and forgets a refused one", () =>
    Effect.gen(function* () {
      const { client, deviceTokens, gateway, key } = yield* withToken
      yield* (yield* gateway.accept).reject(mismatch(true))
      yield* (yield* gateway.accept).reject({
        code: "INVALID_REQUEST",
        message: "unauthorized: device token mismatch",
        details: { code: "AUTH_DEVICE_TOKEN_MISMATCH" }
      })
      const stopped = yield* until(client, "Stopped")
      assert(stopped.error._tag === "HandshakeRejected")
      assert.strictEqual(stopped.error.detailCode, "AUTH_DEVICE_TOKEN_MISMATCH")
      assert.isUndefined(yield* deviceTokens.get(key))
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("are tried within the one deadline of the connect", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* withToken
      const refusing = yield* gateway.accept
      yield* TestClock.adjust("10 seconds")
      yield* refusing.reject(mismatch(true))
      const silent = yield* gateway.accept
      yield* silent.challenge
      yield* TestClock.adjust("5 seconds")
      const waiting = yield* until(client, "Waiting")
      assert(waiting.error._tag === "GatewayUnreachable")
      assert.include(waiting.error.detail, "15000 ms")
      assert.isAbove((yield* silent.closed).code, 0)
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("are shown to no other endpoint", () =>
    Effect.gen(function* () {
      const device = yield* DeviceIdentity.load
      const deviceTokens = yield* DeviceTokens.make
      const [mine, other] = [yield* fakeGateway, yield* fakeGateway]
      const stored = { token: deviceToken("dt-mine"), scopes: ["operator.read"] }
      yield* deviceTokens.put({ issuer: mine.endpoint, deviceId: device.id, role: "operator" }, stored)
      yield* ReconnectingClient.make({ ...options(other.endpoint), device, deviceTokens })
      assert.isUndefined((yield* (yield* other.accept).welcome()).params["auth"])
      // Nor for another role of the same one.
      yield* ReconnectingClient.make({ ...options(mine.endpoint), role: "node", device, deviceTokens })
      assert.isUndefined((yield* (yield* mine.accept).welcome()).params["auth"])
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("are not shown to a Gateway that did not offer it", () =>
    Effect.gen(function* () {
      const { client, deviceTokens, gateway, key } = yield* withToken
      yield* (yield* gateway.accept).reject(mismatch(false))
      const stopped = yield* until(client, "Stopped")
      assert(stopped.error._tag === "HandshakeRejected")
      assert.strictEqual(stopped.error.detailCode, "AUTH_TOKEN_MISMATCH")
      assert.isDefined(yield* deviceTokens.get(key))
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("stand in for missing credentials, with the scopes that came with them", () =>
    Effect.gen(function* () {
      const device = yield* DeviceIdentity.load
      const deviceTokens = yield* DeviceTokens.make
      const gateway = yield* fakeGateway
      yield* deviceTokens.put(
        { issuer: gateway.endpoint, deviceId: device.id, role: "operator" },
        { token: deviceToken("dt-7"), scopes: ["operator.read", "operator.write"] }
      )
      yield* ReconnectingClient.make({ ...options(gateway.endpoint), scopes: undefined, device, deviceTokens })
      const { params } = yield* (yield* gateway.accept).welcome()
      assert.deepStrictEqual(params["auth"], { deviceToken: "dt-7" })
      assert.deepStrictEqual(params["scopes"], ["operator.read", "operator.write"])
    }).pipe(Effect.provide(temporaryStateDir))
  )

  it.effect("never show in an error about hello-ok", () =>
    Effect.gen(function* () {
      const { client, gateway } = yield* setup()
      const canary = hello({ auth: { role: 7, scopes: "canary-scope", deviceToken: ["canary-4411"] } })
      yield* (yield* gateway.accept).welcome(canary)
      const { error } = yield* until(client, "Waiting")
      assert.strictEqual(error._tag, "ProtocolViolation")
      assert.notInclude(`${error.message}${JSON.stringify(error)}`, "canary")
    })
  )
})
