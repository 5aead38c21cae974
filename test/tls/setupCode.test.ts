/** A setup code carries the certificate that a device has to expect, and the device expects it. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { atCode } from "../../src/cli/commands/node/target.ts"
import { display } from "../../src/domain/TlsFingerprint.ts"
import { resolvePin } from "../../src/layers/gateway/setupUrl.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { home, run, start } from "../cli/kit.ts"
import { contentOf } from "../devices/kit.ts"
import { certificate, endpoint } from "./kit.ts"

const own = await certificate(Date.UTC(2026, 0, 1))
const other = await certificate(Date.UTC(2026, 0, 1))

describe("resolvePin", () => {
  const pinFor = (url: string, source: string, configured?: string) =>
    resolvePin({ url: endpoint(url), source }, { remote: { tlsFingerprint: configured } }, own.fingerprint)

  it.effect("its own where the Gateway is reached directly, the configured one of the remote address, else none", () =>
    Effect.gen(function* () {
      const remote = display(other.fingerprint)
      assert.strictEqual(yield* pinFor("wss://192.168.1.2:1", "gateway.bind=lan", remote), own.fingerprint)
      assert.strictEqual(yield* pinFor("wss://192.168.1.2:1", "gateway.bind=custom"), own.fingerprint)
      assert.isUndefined(yield* pinFor("ws://192.168.1.2:1", "gateway.bind=lan", remote))
      assert.strictEqual(yield* pinFor("wss://a.example", "gateway.remote.url", remote), other.fingerprint)
      assert.isUndefined(yield* pinFor("wss://a.example", "gateway.remote.url", " "))
      for (const source of ["gateway.publicOrigin", "request.publicUrl"]) {
        assert.isUndefined(yield* pinFor("wss://a.example", source, remote), source)
      }
    })
  )

  it.effect("a configured fingerprint that is none makes no code", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(pinFor("wss://a.example", "gateway.remote.url", "abc"))
      assert.deepStrictEqual(
        [error.code, error.message.includes("gateway.remote.tlsFingerprint")],
        ["INVALID_REQUEST", true]
      )
    })
  )
})

describe("atCode", () => {
  const code = (content: Record<string, unknown>) =>
    Buffer.from(JSON.stringify({ bootstrapToken: "t", ...content })).toString("base64url")
  const read = (content: Record<string, unknown>) => {
    const found = atCode(code(content))
    return Result.isSuccess(found) ? found.success.tlsFingerprint : found.failure._tag
  }

  it("reads the fingerprint in every form", () => {
    for (const text of [
      own.fingerprint,
      own.fingerprint.toUpperCase(),
      display(own.fingerprint),
      `sha256:${own.fingerprint}`
    ]) {
      assert.strictEqual(read({ url: "wss://a.example", tlsFingerprint: text }), own.fingerprint, text)
    }
    assert.isUndefined(read({ url: "wss://a.example" }))
  })

  it("one that is none, or that would protect nothing, is refused rather than left out", () => {
    assert.strictEqual(read({ url: "wss://a.example", tlsFingerprint: "ab" }), "InvalidTlsFingerprint")
    assert.strictEqual(read({ url: "wss://a.example", tlsFingerprint: "" }), "InvalidTlsFingerprint")
    assert.strictEqual(read({ url: "ws://127.0.0.1:1", tlsFingerprint: own.fingerprint }), "TlsPinWithoutTls")
    assert.strictEqual(read({ url: "wss://a.example", tlsFingerprint: 5 }), "CommandFailed")
  })
})

describe("over TLS", () => {
  it.live("a node joins by the code alone, and by --host where it is on the Gateway's machine", () =>
    Effect.gen(function* () {
      const folder = yield* home
      const files = { certPath: join(folder, "cert.pem"), keyPath: join(folder, "key.pem") }
      writeFileSync(files.certPath, own.cert)
      writeFileSync(files.keyPath, own.key, { mode: 0o600 })
      const here = yield* home
      const stateDir = join(here, ".openclaw")
      mkdirSync(stateDir, { mode: 0o700 })
      const tls = { enabled: true, ...files }
      const context = yield* Layer.build(
        GatewayTest.layer({ config: { gateway: { tls } }, stateDir }).pipe(Layer.provide(NodeServices.layer))
      )
      const gateway = Context.get(context, GatewayTest.GatewayTest)
      const file = join(stateDir, "openclaw.json")
      const config = JSON.parse(readFileSync(file, "utf8"))
      const url = `wss://127.0.0.1:${gateway.port}`
      const remote = { url, tlsFingerprint: display(own.fingerprint) }
      writeFileSync(file, JSON.stringify({ ...config, gateway: { ...config.gateway, port: gateway.port, remote } }))

      const qr = ["qr", "--node", "--remote", "--setup-code-only"]
      const made = yield* run({ home: here }, ...qr)
      assert.strictEqual(made.code, 0, made.stderr)
      assert.deepInclude(contentOf(made.stdout.trim()), { url, tlsFingerprint: own.fingerprint })

      const connected = ({ stderr, stdout }: { readonly stderr: string; readonly stdout: string }) =>
        /connected to the Gateway/.test(stdout) || /Fix: /.test(stderr) ? stdout + stderr : undefined
      const paired = yield* start({ home: yield* home }, "node", "run", "--pair", made.stdout.trim())
      assert.match(yield* paired.until(connected), /connected to the Gateway/)
      yield* paired.stop

      const address = ["--host", "127.0.0.1", "--port", String(gateway.port), "--tls"]
      const local = yield* start({ home: here }, "node", "run", ...address)
      assert.match(yield* local.until(connected), /connected to the Gateway/)
      yield* local.stop

      const flag = ["--tls-fingerprint", other.fingerprint]
      const again = (yield* run({ home: here }, ...qr)).stdout.trim()
      const wrong = yield* run({ home: yield* home }, "node", "run", "--pair", again, ...flag)
      assert.strictEqual(wrong.code, 1)
      assert.include(wrong.stderr, "does not have the expected certificate")
    }).pipe(Effect.scoped)
  )
})
