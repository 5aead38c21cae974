/** Every frame of a handshake and of what follows, held against OpenClaw's published schema. */
import { describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { EventBus } from "../../src/services/EventBus.ts"
import { conforms } from "../protocol/published.ts"
import * as Rig from "./rig.ts"

describe("protocol.schema.json", () => {
  it.live("hello-ok, its snapshot and every frame validate", () =>
    Effect.gen(function* () {
      const rig = yield* Rig.start({ stateDir: "/state", configPath: "/state/openclaw.json" })
      const operator = yield* Rig.connect(rig.url)
      const device = Rig.makeDevice()
      const node = yield* Rig.connectNode(rig.url, device)
      const paired = yield* Rig.connectDevice(rig.url, Rig.makeDevice(), {
        client: { id: "openclaw-tui", version: "1", platform: "linux", mode: "ui" }
      })
      for (const { hello } of [operator, node, paired]) conforms("HelloOk", hello.payload)
      const { raw } = operator
      for (const method of [
        "status",
        "system-presence",
        "node.list",
        "node.pair.list",
        "device.pair.list",
        "sessions.list",
        "foo"
      ]) {
        yield* raw.request(method)
      }
      yield* raw.request("node.invoke", { nodeId: device.id, command: "x", idempotencyKey: "k" })
      conforms("ChannelsStatusResult", (yield* raw.request("channels.status")).payload)
      const events = Context.get(rig.context, EventBus)
      yield* events.publish("chat", {
        runId: "r",
        sessionKey: "s",
        seq: 1,
        state: "delta",
        deltaText: "x",
        message: { role: "assistant", content: [{ type: "text", text: "x" }] }
      })
      yield* events.publish("tick", { ts: 1 })
      conforms("ChatEvent", (yield* raw.event("chat")).payload)
      conforms("TickEvent", (yield* raw.event("tick")).payload)
      for (const entry of (yield* raw.event("presence")).payload.presence) conforms("PresenceEntry", entry)
      const request = yield* node.raw.event("node.invoke.request")
      conforms("NodeInvokeRequestEvent", request.payload)
      for (const frame of [...raw.frames, ...node.raw.frames]) conforms("GatewayFrame", frame)
    }).pipe(Effect.scoped)
  )
})
