/** A Gateway that speaks TLS, behind a tunnel too. */
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { display } from "../../src/domain/TlsFingerprint.ts"
import { Gateway } from "../../src/layers/Gateway.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as Cli from "../cli/kit.ts"
import { hasSshd, laptop, searched } from "./kit.ts"

const binary = fileURLToPath(new URL("../../bin/openclaw.js", import.meta.url))

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

  it.live("is pinned by hand too, for a host that nothing is configured of", () =>
    Effect.gen(function* () {
      const kit = yield* laptop()
      const right = yield* (yield* Gateway).tlsFingerprint
      assert(right !== undefined)
      yield* kit.configure({ sshTarget: undefined })
      const setting = { ...kit.setting, entry: binary, variables: { HOME: kit.home, PATH: searched() } }
      const ports = ["--local-port", String(kit.near), "--remote-port", String(kit.gateway.port)]
      const up = (pin: string, ...more: ReadonlyArray<string>) =>
        Cli.run(setting, "tunnel", "up", "box", ...ports, "--json", "--tls-fingerprint", pin, ...more)
      assert.include((yield* up("wrong")).stdout, "InvalidTlsFingerprint")
      const refused = yield* up("ab".repeat(32))
      assert.deepInclude(JSON.parse(refused.stdout.trim().split("\n").at(-1) ?? "").error, { name: "GatewayRefused" })
      const kept = yield* up(display(right), "--background")
      assert.strictEqual(JSON.parse(kept.stdout).state, "up", kept.stdout)
      assert.strictEqual((yield* kit.run("tunnel", "down")).code, 0)
    }).pipe(encrypted)
  )
})
