/** A Gateway that speaks TLS, on real sockets and with real files. */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { connect as tcp } from "node:net"
import { get } from "node:https"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { GatewayClient } from "../../src/client/index.ts"
import { token } from "../../src/domain/Credential.ts"
import { display, type TlsFingerprint } from "../../src/domain/TlsFingerprint.ts"
import * as Rig from "../gateway/rig.ts"
import { certificate, endpoint } from "./kit.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "openclaw-tls-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const filesIn = (path: string) => ({
  certPath: join(path, "tls", "cert.pem"),
  keyPath: join(path, "tls", "key.pem"),
  autoGenerate: true,
  paused: Effect.succeed(false)
})

const dial = (url: string, fingerprint: TlsFingerprint | undefined) =>
  GatewayClient.make({
    endpoint: endpoint(url),
    tlsFingerprint: fingerprint,
    credentials: [token(Rig.TOKEN)],
    client: { id: "cli", mode: "cli", version: "1.0.0", platform: "test" }
  })

const health = (port: number) =>
  Effect.callback<number>((resume) => {
    get({ host: "127.0.0.1", port, path: "/healthz", rejectUnauthorized: false, agent: false }, (response) => {
      response.resume()
      resume(Effect.succeed(response.statusCode ?? 0))
    }).on("error", () => resume(Effect.succeed(0)))
  })

describe("a Gateway with TLS", () => {
  it.live("makes its certificate once, keeps it private, tells its fingerprint, and is reached with it alone", () =>
    Effect.gen(function* () {
      const tls = filesIn(yield* folder)
      const first = yield* Effect.scoped(
        Effect.gen(function* () {
          const { gateway, logs } = yield* Rig.start({ tls })
          assert.match(gateway.url, /^wss:\/\/127\.0\.0\.1:/)
          const fingerprint = yield* gateway.tlsFingerprint
          assert(fingerprint !== undefined)
          assert.isTrue(logs.some((line) => line.includes(display(fingerprint))))
          for (const path of [tls.certPath, tls.keyPath]) assert.strictEqual(statSync(path).mode & 0o777, 0o600)
          const client = yield* dial(gateway.url, fingerprint)
          assert.isTrue((yield* client.call.health({})).ok)
          assert.strictEqual(yield* health(gateway.port), 200)
          const refused = yield* Effect.flip(dial(gateway.url, undefined))
          assert(refused._tag === "GatewayUnreachable")
          assert.strictEqual(refused.reason, "tls")
          return fingerprint
        })
      )
      const { gateway } = yield* Rig.start({ tls })
      assert.strictEqual(yield* gateway.tlsFingerprint, first)
    })
  )

  it.live("does not speak plain HTTP on that port, and a page of its own is one over TLS", () =>
    Effect.gen(function* () {
      const { gateway } = yield* Rig.start({ tls: filesIn(yield* folder) })
      const plain = yield* Rig.open(`ws://127.0.0.1:${gateway.port}`)
      assert.strictEqual((yield* plain.close).reason, "error")
      const from = (origin: string) => Rig.open(gateway.url, { rejectUnauthorized: false, headers: { origin } })
      const own = yield* from(`https://127.0.0.1:${gateway.port}`)
      yield* own.challenge
      const other = yield* from(`http://127.0.0.1:${gateway.port}`)
      yield* other.close
      assert.strictEqual(other.status, 403)
    })
  )

  it.live("D4: stops although a peer never ends its TLS handshake", () =>
    Effect.gen(function* () {
      const tls = filesIn(yield* folder)
      const silent = yield* Effect.scoped(
        Effect.gen(function* () {
          const { gateway } = yield* Rig.start({ tls })
          const socket = tcp(gateway.port, "127.0.0.1")
          yield* Effect.callback<void>((resume) => void socket.once("connect", () => resume(Effect.void)))
          // Once this one was served, the silent one before it is known to the server.
          assert.strictEqual(yield* health(gateway.port), 200)
          return socket
        })
      )
      if (!silent.closed) {
        yield* Effect.callback<void>((resume) => {
          silent.on("error", () => {})
          silent.once("close", () => resume(Effect.void))
          silent.resume()
        })
      }
    })
  )

  it.live("D4: 200 peers that never end their TLS handshake are cut, and meanwhile it serves others", () =>
    Effect.gen(function* () {
      const tls = filesIn(yield* folder)
      const { gateway } = yield* Rig.start({ tls, limits: { handshakeTimeoutMs: 3000 } })
      // A record that announces a ClientHello of 512 bytes and stops, and peers that say nothing at all.
      const begun = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc])
      let open = 0
      let connected = 0
      const peers = yield* Effect.acquireRelease(
        Effect.sync(() =>
          Array.from({ length: 200 }, (_, n) => {
            const socket = tcp(gateway.port, "127.0.0.1")
            socket.on("error", () => {})
            socket.once("connect", () => {
              open++
              connected++
              if (n % 2 === 0) socket.write(begun)
            })
            socket.once("close", () => open--)
            socket.resume()
            return socket
          })
        ),
        (sockets) => Effect.sync(() => sockets.forEach((socket) => socket.destroy()))
      )
      const until = (holds: () => boolean) => Effect.repeat(Effect.sleep("10 millis"), { until: () => holds() })
      yield* until(() => connected === peers.length)
      assert.strictEqual(yield* health(gateway.port), 200)
      const client = yield* dial(gateway.url, yield* gateway.tlsFingerprint)
      assert.isTrue((yield* client.call.health({})).ok)
      assert.isAbove(open, 0)
      yield* until(() => open === 0)
      assert.isTrue((yield* client.call.health({})).ok)
    })
  )

  const startError = (tls: ReturnType<typeof filesIn>) =>
    Effect.map(Effect.sandbox(Effect.scoped(Rig.start({ tls }))).pipe(Effect.flip), (cause) =>
      String(cause.reasons.map((reason) => ("defect" in reason ? reason.defect : reason)))
    )

  it.live("TlsUnusable: half a pair, another key, no PEM, nothing where nothing is made", () =>
    Effect.gen(function* () {
      const own = yield* Effect.promise(() => certificate(Date.UTC(2026, 0, 1)))
      const path = yield* folder
      const tls = { ...filesIn(path), certPath: join(path, "cert.pem"), keyPath: join(path, "key.pem") }
      assert.match(yield* startError({ ...tls, autoGenerate: false }), /TlsUnusable/)
      writeFileSync(tls.certPath, own.cert)
      assert.match(yield* startError(tls), /TlsUnusable.*key\.pem.*not there/s)
      assert.isFalse(existsSync(tls.keyPath))
      writeFileSync(tls.keyPath, (yield* Effect.promise(() => certificate(Date.UTC(2026, 0, 1)))).key)
      assert.match(yield* startError(tls), /not the key of the certificate/)
      writeFileSync(tls.certPath, "no certificate")
      assert.match(yield* startError(tls), /no certificate in PEM/)
    })
  )
})
