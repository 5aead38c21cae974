/** The command line and a Gateway that speaks TLS, on one machine and from another. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { resolveTarget } from "../../src/client/credentials.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { home, run } from "../cli/kit.ts"
import { certificate } from "./kit.ts"

const { fingerprint } = await certificate(Date.UTC(2026, 0, 1))
const other = (await certificate(Date.UTC(2026, 0, 1))).fingerprint

describe("which certificate must be shown", () => {
  const tls = { enabled: true }
  const resolve = (input: Partial<Parameters<typeof resolveTarget>[0]>) =>
    Result.getOrThrow(resolveTarget({ flags: {}, env: {}, config: {}, ownCertificate: fingerprint, ...input }))

  it("this machine's own, for this machine's Gateway only", () => {
    const own = resolve({ config: { gateway: { tls, port: 4000 } } })
    assert.strictEqual(own.endpoint, "wss://127.0.0.1:4000")
    assert.strictEqual(own.tlsFingerprint, fingerprint)
    assert.strictEqual(resolve({ running: "wss://127.0.0.1:5", config: {} }).tlsFingerprint, fingerprint)
    assert.isUndefined(resolve({ config: { gateway: { port: 4000 } } }).tlsFingerprint)
    const flags = { url: "wss://127.0.0.1:4000", token: "t" }
    assert.isUndefined(resolve({ flags }).tlsFingerprint)
    const env = { OPENCLAW_GATEWAY_URL: "wss://127.0.0.1:4000", OPENCLAW_GATEWAY_TOKEN: "t" }
    assert.isUndefined(resolve({ env }).tlsFingerprint)
    const remote = { url: "wss://gateway.example.com", token: "t" }
    assert.isUndefined(resolve({ config: { gateway: { tls, mode: "remote", remote } } }).tlsFingerprint)
  })

  it("a flag goes before it", () => {
    const found = resolve({ flags: { tlsFingerprint: other }, config: { gateway: { tls } } })
    assert.strictEqual(found.tlsFingerprint, other)
  })
})

describe("commands", () => {
  it.live("reach this machine's Gateway without being told its certificate, and others with it", () =>
    Effect.gen(function* () {
      const here = yield* home
      const stateDir = join(here, ".openclaw")
      mkdirSync(stateDir, { mode: 0o700 })
      const tls = { enabled: true }
      const context = yield* Layer.build(
        GatewayTest.layer({ config: { gateway: { tls } }, stateDir }).pipe(Layer.provide(NodeServices.layer))
      )
      const gateway = Context.get(context, GatewayTest.GatewayTest)
      const config = { gateway: { tls, port: gateway.port, auth: { mode: "token", token: gateway.token } } }
      writeFileSync(join(stateDir, "openclaw.json"), JSON.stringify(config), { mode: 0o600 })
      const status = yield* run({ home: here }, "status", "--json")
      assert.strictEqual(status.code, 0, status.stdout)
      const told = JSON.parse(status.stdout) as { readonly tlsFingerprint: string }
      assert.match(told.tlsFingerprint, /^[0-9a-f]{64}$/)
      const text = yield* run({ home: here }, "status")
      assert.match(text.stdout, /Certificate:\s+SHA-256 [0-9A-F]{2}(:[0-9A-F]{2}){31}/)

      const afar = ["--url", `wss://127.0.0.1:${gateway.port}`, "--token", gateway.token]
      const elsewhere = { home: yield* home }
      const good = yield* run(elsewhere, "health", "--json", ...afar, "--tls-fingerprint", told.tlsFingerprint)
      assert.strictEqual(good.code, 0, good.stdout)
      const bad = yield* run(elsewhere, "health", "--json", ...afar, "--tls-fingerprint", other)
      assert.strictEqual(bad.code, 1)
      assert.include(bad.stdout, "TlsFingerprintMismatch")
      assert.notInclude(bad.stdout, gateway.token)
    })
  )
})
