/** `gateway.tls` in the configuration of a whole Gateway. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { parse } from "../../src/domain/TlsFingerprint.ts"
import { OWN_CERT, OWN_KEY } from "../../src/layers/gateway/tls/settings.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { certificate, endpoint, fingerprintOf } from "./kit.ts"

const started = (tls: NonNullable<OpenClawConfig["gateway"]>["tls"]) =>
  Effect.map(
    Layer.build(GatewayTest.layer({ config: { gateway: { tls } } }).pipe(Layer.provide(NodeServices.layer))),
    (context) => Context.get(context, GatewayTest.GatewayTest)
  )

const statusOf = Effect.fnUntraced(function* (
  gateway: GatewayTest.GatewayTest["Service"],
  fingerprint: ReturnType<typeof fingerprintOf>
) {
  const client = yield* gateway.connect({
    endpoint: endpoint(`wss://127.0.0.1:${gateway.port}`),
    tlsFingerprint: fingerprint
  })
  return yield* client.call.status({})
})

describe("gateway.tls", () => {
  it.live("enabled: a pair is made in the state directory, and status has its fingerprint", () =>
    Effect.gen(function* () {
      const gateway = yield* started({ enabled: true })
      const [cert, key] = [join(gateway.stateDir, ...OWN_CERT), join(gateway.stateDir, ...OWN_KEY)]
      for (const path of [cert, key]) assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      assert.strictEqual(statSync(join(cert, "..")).mode & 0o777, 0o700)
      const fingerprint = fingerprintOf(readFileSync(cert, "utf8"))
      const { tlsFingerprint } = yield* statusOf(gateway, fingerprint)
      assert.strictEqual(Result.getOrThrow(parse(tlsFingerprint ?? "", "status")), fingerprint)
    })
  )

  it.live("a pair of one's own", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "openclaw-tls-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const own = yield* Effect.promise(() => certificate(Date.UTC(2026, 0, 1)))
      const [certPath, keyPath] = [join(folder, "server.crt"), join(folder, "server.key")]
      writeFileSync(certPath, own.cert)
      writeFileSync(keyPath, own.key)
      const gateway = yield* started({ enabled: true, certPath, keyPath })
      assert.strictEqual((yield* statusOf(gateway, own.fingerprint)).tlsFingerprint, own.fingerprint)
    })
  )

  it.live("without it nothing of a certificate is told", () =>
    Effect.gen(function* () {
      const client = yield* (yield* started({ enabled: false })).connect()
      assert.isUndefined((yield* client.call.status({})).tlsFingerprint)
    })
  )

  it.live("ConfigInvalid: one path of the two", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.sandbox(started({ enabled: true, certPath: "server.crt" })))
      assert.include(JSON.stringify(error), "gateway.tls.keyPath")
    })
  )
})
