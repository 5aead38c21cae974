/** A Gateway that speaks TLS, behind a tunnel too. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { display } from "../../src/domain/TlsFingerprint.ts"
import { Gateway } from "../../src/layers/Gateway.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { hasSshd, laptop } from "./kit.ts"

const encrypted = Effect.provide(GatewayTest.layer({ config: { gateway: { tls: { enabled: true } } } }))

describe.skipIf(!hasSshd)("TLS behind a tunnel", () => {
  it.live("is checked against the pin, by the tunnel and by whoever goes through it", () =>
    Effect.gen(function* () {
      const kit = yield* laptop()
      const { tlsFingerprint } = yield* Gateway
      const right = yield* tlsFingerprint
      assert(right !== undefined)
      const url = `wss://127.0.0.1:${kit.near}`
      yield* kit.configure({ url, tlsFingerprint: display(right) })
      assert.match((yield* kit.run("health")).stdout, /^Gateway: OK/)

      const wrong = "ab".repeat(32)
      yield* kit.configure({ url, tlsFingerprint: wrong })
      const refused = yield* kit.run("health", "--json")
      assert.strictEqual(refused.code, 1)
      assert.strictEqual(JSON.parse(refused.stdout).error.name, "GatewayRefused")
      assert.include(refused.stdout, display(right))
      assert.include(refused.stdout.toLowerCase(), "ab:ab:ab")
      assert.notInclude(refused.stdout, kit.gateway.token)

      // Nobody vouches for a certificate that the Gateway made itself.
      yield* kit.configure({ url })
      const unknown = yield* kit.run("health", "--timeout", "1500")
      assert.strictEqual(unknown.code, 1)
      assert.match(unknown.stderr, /TLS/)

      yield* kit.configure({ tlsFingerprint: display(right) })
      assert.match((yield* kit.run("health")).stderr, /Fix: use wss/)
    }).pipe(encrypted)
  )
})
