/** What an operator may ask of a node beside what it was approved for. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Kit from "../devices/kit.ts"
import * as Rig from "../gateway/rig.ts"

const forAdmins = ["browser.proxy", "browser.proxy.upload.v1", "fs.listDir", "terminal.upload"]

describe("node.invoke", () => {
  it.live("what reaches a machine's files and its browser is for admins", () =>
    Effect.gen(function* () {
      const kit = yield* Kit.start()
      const admin = yield* kit.connect()
      const writer = yield* kit.connect({ scopes: ["operator.write"] })
      const mine = Rig.makeDevice()
      const node = yield* kit.node(mine, { commands: ["device.info", ...forAdmins] })
      const { payload: pending } = yield* admin.raw.event("node.pair.requested")
      yield* admin.raw.request("node.pair.approve", { requestId: pending.requestId })
      const invoke = (raw: Rig.Raw, command: string) => {
        raw.send({
          type: "req",
          id: command,
          method: "node.invoke",
          params: { nodeId: mine.id, command, params: {}, idempotencyKey: `k-${command}` }
        })
      }
      const asked = (command: string) =>
        node.raw.until(() =>
          node.raw.frames.find((frame) => frame.event === "node.invoke.request" && frame.payload.command === command)
        )
      for (const command of forAdmins) {
        invoke(writer.raw, command)
        const { error } = yield* writer.raw.answer(command)
        assert.strictEqual(error?.code, "FORBIDDEN", command)
        assert.deepInclude(error?.details, { code: "MISSING_SCOPE", missingScope: "operator.admin" })
      }
      invoke(writer.raw, "device.info")
      yield* asked("device.info")
      for (const command of forAdmins) {
        invoke(admin.raw, command)
        yield* asked(command)
      }
    }).pipe(Effect.scoped)
  )
})
