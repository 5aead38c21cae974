/** Who may answer a device's request, and who is told of a device that nobody was asked about. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Rig from "../gateway/rig.ts"
import * as Kit from "./kit.ts"

const PAIRING = ["operator.pairing", "operator.read"]

/** The request of a stranger, and how each of some callers fares with it. */
const asked = Effect.fnUntraced(function* (kit: Effect.Success<ReturnType<typeof Kit.start>>, extra = {}) {
  const { hello } = yield* kit.device(Rig.makeDevice(), { scopes: ["operator.read"], ...extra }, { afar: true })
  return hello.error!.details.requestId as string
})

/** An operator that stands on its own device's token. */
const onToken = Effect.fnUntraced(function* (
  kit: Effect.Success<ReturnType<typeof Kit.start>>,
  scopes: ReadonlyArray<string>
) {
  const mine = Rig.makeDevice()
  const { hello } = yield* kit.device(mine, { scopes })
  const { raw } = yield* kit.device(mine, { scopes, auth: { deviceToken: hello.payload.auth.deviceToken } })
  return { mine, raw }
})

describe("answering the request of a device", () => {
  it.live("with a device's token only that device's, and never a node's without being an administrator", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const { raw } = yield* onToken(kit, PAIRING)
      const requestId = yield* asked(kit)
      for (const [verb, word] of [
        ["approve", "approval"],
        ["reject", "rejection"]
      ] as const) {
        const answer = yield* raw.request(`device.pair.${verb}`, { requestId })
        assert.deepInclude(answer.error, { code: "INVALID_REQUEST", message: `device pairing ${word} denied` })
        const unknown = yield* raw.request(`device.pair.${verb}`, { requestId: "there is none" })
        assert.strictEqual(unknown.error?.message, `device pairing ${word} denied`, "nor whether there is one")
      }
      const node = yield* asked(kit, { client: Rig.nodeClient, role: "node", scopes: [] })
      const pairing = yield* kit.connect({ scopes: PAIRING })
      const refused = yield* pairing.raw.request("device.pair.approve", { requestId: node })
      assert.strictEqual(refused.error?.message, "device pairing approval denied")
      const admin = yield* onToken(kit, ["operator.admin"])
      assert.isTrue((yield* admin.raw.request("device.pair.approve", { requestId: node })).ok)
      assert.isTrue((yield* pairing.raw.request("device.pair.approve", { requestId })).ok, "the secret's holder may")
    }).pipe(Effect.scoped)
  )

  it.live("nobody grants more than they hold", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const { raw } = yield* kit.connect({ scopes: ["operator.pairing"] })
      const answer = yield* raw.request("device.pair.approve", { requestId: yield* asked(kit) })
      assert.deepInclude(answer.error, { code: "INVALID_REQUEST", message: "missing scope: operator.read" })
    }).pipe(Effect.scoped)
  )
})

describe("a device that was let in without a person", () => {
  it.live("is told to those who look after devices, and to nobody else", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const pairing = yield* kit.connect({ scopes: ["operator.pairing"] })
      const reader = yield* kit.connect({ scopes: ["operator.read"] })
      const mine = Rig.makeDevice()
      yield* kit.device(mine)
      const { payload } = yield* pairing.raw.event("device.pair.resolved")
      assert.deepInclude(payload, { deviceId: mine.id, decision: "approved" })
      assert.isTrue((yield* reader.raw.request("health")).ok)
      assert.isUndefined(reader.raw.frames.find((frame) => frame.event === "device.pair.resolved"))
      yield* kit.device(mine)
      assert.isTrue((yield* pairing.raw.request("health")).ok)
      const told = pairing.raw.frames.filter((frame) => frame.event === "device.pair.resolved")
      assert.strictEqual(told.length, 1, "it was known already")
    }).pipe(Effect.scoped)
  )
})
