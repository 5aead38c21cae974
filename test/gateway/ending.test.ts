/** How connections end that the Gateway ends: offenders, replaced tokens, peers that are gone. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Rig from "./rig.ts"

describe("closing", () => {
  it.live("C14 what arrives once a connection is being closed is not heard", () =>
    Effect.gen(function* () {
      const { log, url } = yield* Rig.start()
      const device = Rig.makeDevice()
      const { raw } = yield* Rig.connectNode(url, device)
      for (let call = 0; call < 11; call++) raw.send({ type: "req", id: `${call}`, method: "status" })
      const params = { id: "i1", nodeId: device.id, ok: true }
      for (let call = 0; call < 200; call++) raw.send({ type: "req", id: "late", method: "node.invoke.result", params })
      assert.strictEqual((yield* raw.close).code, 1008)
      assert.strictEqual(raw.frames.filter((frame) => frame.id === "late").length, 0)
      assert.deepStrictEqual(log.results, [])
    }).pipe(Effect.scoped)
  )
})

describe("C12 a device whose token is replaced", () => {
  const tui = { client: { id: "openclaw-tui", version: "1", platform: "linux", mode: "ui" } }

  it.live("its older connections of that role are closed, others stay", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const device = Rig.makeDevice()
      const before = yield* Rig.connectDevice(url, device, { ...tui, scopes: ["operator.read"] })
      const same = yield* Rig.connectDevice(url, device, { ...tui, scopes: ["operator.read"] })
      const stranger = yield* Rig.connectDevice(url, Rig.makeDevice(), tui)
      const wider = yield* Rig.connectDevice(url, device, { ...tui, scopes: ["operator.write"] })
      for (const { raw } of [before, same]) {
        assert.deepStrictEqual(yield* raw.close, { code: 1008, reason: "device credentials changed" })
      }
      for (const { raw } of [wider, stranger]) assert.isTrue((yield* raw.request("node.list")).ok)
    }).pipe(Effect.scoped)
  )

  it.live("who approves its own request is answered, and then closed", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const device = Rig.makeDevice()
      const own = yield* Rig.connectDevice(url, device, { ...tui, scopes: ["operator.pairing", "operator.write"] })
      const afar = yield* Rig.open(url, { headers: { forwarded: "for=192.0.2.1" } })
      const more = { ...tui, scopes: ["operator.write", "x.more"] }
      const asked = yield* afar.request("connect", Rig.signed(device, yield* afar.challenge, Rig.params(more)))
      const requestId: string = asked.error?.details.requestId
      const admin = yield* Rig.connect(url)
      const mine = yield* own.raw.request("device.pair.approve", { requestId })
      assert.strictEqual(mine.error?.code, "INVALID_REQUEST", "it lacks what it would give")
      assert.isTrue((yield* own.raw.request("node.list")).ok)
      assert.isTrue((yield* admin.raw.request("device.pair.approve", { requestId })).ok)
      assert.strictEqual((yield* own.raw.close).code, 1008)

      const self = Rig.makeDevice()
      const powerful = yield* Rig.connectDevice(url, self, { ...tui, scopes: ["operator.admin"] })
      const again = yield* Rig.open(url, { headers: { forwarded: "for=192.0.2.1" } })
      const wants = yield* again.request("connect", Rig.signed(self, yield* again.challenge, Rig.params(more)))
      const id: string = wants.error?.details.requestId
      assert.isTrue((yield* powerful.raw.request("device.pair.approve", { requestId: id })).ok)
      assert.deepStrictEqual(yield* powerful.raw.close, { code: 1008, reason: "device credentials changed" })
    }).pipe(Effect.scoped)
  )
})

describe("a restart", () => {
  it.live("is refused by a Gateway that another program runs", () =>
    Effect.gen(function* () {
      const { url } = yield* Rig.start()
      const { raw } = yield* Rig.connect(url)
      const answer = yield* raw.request("gateway.restart.request", { reason: "new configuration" })
      assert.deepInclude(answer.error, { code: "UNAVAILABLE" })
      assert.include(answer.error?.message, "inside another program")
    }).pipe(Effect.scoped)
  )
})

describe("liveness", () => {
  it.live("D5 a peer that answers no ping is cut, one that answers stays", () =>
    Effect.gen(function* () {
      const { gateway, url } = yield* Rig.start({ limits: { tickIntervalMs: 20 } })
      const quick = yield* Rig.connect(url)
      const gone = yield* Rig.open(url, { autoPong: false })
      yield* gone.challenge
      yield* gone.request("connect", Rig.params())
      assert.strictEqual(yield* gateway.connections, 2)
      assert.strictEqual((yield* gone.close).code, 1006)
      assert.isTrue((yield* quick.raw.request("health")).ok)
      assert.isUndefined(quick.raw.closed)
    }).pipe(Effect.scoped)
  )
})
