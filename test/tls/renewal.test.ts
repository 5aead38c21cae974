/** A certificate that was replaced on the disk is shown without a restart. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { TestClock } from "effect/testing"
import { connect } from "node:tls"
import * as Servers from "../../src/layers/gateway/servers.ts"
import { load, type Material } from "../../src/layers/gateway/tls/material.ts"
import { LOOK_EVERY_MS, renew } from "../../src/layers/gateway/tls/renewal.ts"
import { certificate, fingerprintOf } from "./kit.ts"

const a = await certificate(Date.UTC(2026, 0, 1))
const b = await certificate(Date.UTC(2026, 0, 1))

/** A folder as projected volumes have it: `data` is a link that is turned. */
const workshop = Effect.gen(function* () {
  const path = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "openclaw-tls-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const put = (name: string, cert: string, key: string) => {
    mkdirSync(join(path, name))
    writeFileSync(join(path, name, "cert.pem"), cert)
    writeFileSync(join(path, name, "key.pem"), key)
  }
  const turn = (name: string) => {
    symlinkSync(name, join(path, "next"))
    renameSync(join(path, "next"), join(path, "data"))
  }
  put("a", a.cert, a.key)
  turn("a")
  const files = { certPath: join(path, "data", "cert.pem"), keyPath: join(path, "data", "key.pem"), autoGenerate: true }
  let paused = false
  const shown: Array<Material> = []
  const logs: Array<string> = []
  const first = yield* load(files)
  yield* Effect.forkScoped(
    renew(
      files,
      first,
      Effect.sync(() => paused),
      (material) => void shown.push(material)
    ).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void logs.push(String(message)))]))),
    { startImmediately: true }
  )
  return {
    put,
    turn,
    shown,
    logs,
    pause: (value: boolean) => {
      paused = value
    },
    remove: (name: string) => rmSync(join(path, name), { recursive: true })
  }
})

/** Lets it look until `until` holds. What it reads is real, so the real clock goes on too. */
const round = (until: () => boolean) =>
  Effect.gen(function* () {
    while (!until()) {
      yield* TestClock.adjust(LOOK_EVERY_MS)
      yield* TestClock.withLive(Effect.sleep(2))
    }
  })

describe("renewal", () => {
  it.effect("follows a link that is turned, and hands on what is whole", () =>
    Effect.gen(function* () {
      const { put, shown, turn } = yield* workshop
      put("b", b.cert, b.key)
      turn("b")
      yield* round(() => shown.length === 1)
      assert.strictEqual(shown[0]?.fingerprint, b.fingerprint)
      turn("a")
      yield* round(() => shown.length === 2)
      assert.strictEqual(shown[1]?.fingerprint, a.fingerprint)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("keeps what it has while the pair does not fit, and says so once", () =>
    Effect.gen(function* () {
      const { logs, put, shown, turn } = yield* workshop
      put("half", b.cert, a.key)
      turn("half")
      yield* round(() => logs.length === 1)
      assert.match(logs[0] ?? "", /from before is still shown/)
      yield* TestClock.adjust(LOOK_EVERY_MS * 5)
      put("b", b.cert, b.key)
      turn("b")
      yield* round(() => shown.length === 1)
      assert.strictEqual(logs.filter((line) => line.includes("from before")).length, 1)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("makes nothing when the files are gone", () =>
    Effect.gen(function* () {
      const { logs, remove, shown } = yield* workshop
      remove("a")
      yield* round(() => logs.length === 1)
      assert.include(logs[0] ?? "", "not there")
      assert.deepStrictEqual(shown, [])
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("waits while it is paused", () =>
    Effect.gen(function* () {
      const { pause, put, shown, turn } = yield* workshop
      pause(true)
      put("b", b.cert, b.key)
      turn("b")
      yield* TestClock.adjust(LOOK_EVERY_MS * 3)
      assert.deepStrictEqual(shown, [])
      pause(false)
      yield* round(() => shown.length === 1)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.live("the next connection sees it, and the one before goes on", () =>
    Effect.gen(function* () {
      const material = (of: typeof a): Material => ({
        context: { cert: of.cert, key: of.key },
        fingerprint: of.fingerprint,
        validTo: 0
      })
      const { renew: show, server } = Servers.make({}, material(a), 1000, (_, response) => response.end("ok"))
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () =>
          Effect.sync(() => {
            server.close()
            server.closeAllConnections()
          })
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const open = Effect.acquireRelease(
        Effect.callback<ReturnType<typeof connect>>((resume) => {
          const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () =>
            resume(Effect.succeed(socket))
          )
        }),
        (socket) => Effect.sync(() => socket.destroy())
      )
      const shownTo = (socket: ReturnType<typeof connect>) =>
        fingerprintOf(socket.getPeerX509Certificate()?.toString() ?? "")
      const before = yield* open
      assert.strictEqual(shownTo(before), a.fingerprint)
      show(material(b))
      assert.strictEqual(shownTo(yield* open), b.fingerprint)
      const answer = yield* Effect.callback<string>((resume) => {
        before.once("data", (data) => resume(Effect.succeed(String(data))))
        before.write("GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
      })
      assert.match(answer, /^HTTP\/1\.1 200/)
    })
  )
})
