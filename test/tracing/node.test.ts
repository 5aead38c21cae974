/** Our node host's part of a trace, as it tells it to the Gateway. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as DeviceIdentity from "../../src/client/DeviceIdentity.ts"
import { waterfall } from "../../src/cli/commands/trace/waterfall.ts"
import { token } from "../../src/domain/Credential.ts"
import * as StateDirLive from "../../src/layers/StateDir.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import * as NodeHost from "../../src/node-host/NodeHost.ts"
import { CurrentFlow } from "../../src/services/Tracing.ts"
import { open, path } from "../node-host/kit.ts"
import { ada, named, paths, start } from "./kit.ts"

describe("a node host", () => {
  it.live("tells its span below the Gateway's, and an invoke of an operator has the operator's trace", () =>
    Effect.gen(function* () {
      const { bot, kit } = yield* start()
      const fs = yield* FileSystem.FileSystem
      const root = yield* fs.makeTempDirectoryScoped()
      yield* fs.chmod(root, 0o700)
      const device = yield* DeviceIdentity.ephemeral
      yield* NodeHost.run({
        endpoint: kit.endpoint,
        credentials: [token(kit.token)],
        device,
        displayName: "Attic",
        version: "1.2.3"
      }).pipe(
        Effect.provide(
          NodeHost.layer({ env: { PATH: path, HOME: root }, cwd: root, execDefaults: open }).pipe(
            Layer.provide(StateDirLive.layer({ root })),
            Layer.merge(SupervisorLive.layer)
          )
        ),
        Effect.forkScoped
      )
      const operator = yield* kit.connect()
      const { pending } = yield* operator.call["node.pair.list"]({}).pipe(
        Effect.repeat({ until: (nodes) => nodes.pending.length > 0 })
      )
      yield* operator.call["node.pair.approve"]({ requestId: pending[0]!.requestId })
      yield* bot.sendText({ from: ada, text: "what is the uptime of attic?" })
      yield* bot.awaitReply({ chatId: ada.id })
      yield* bot.awaitConfirmed
      const trace = yield* operator.call["diagnostics.trace"]({}).pipe(
        Effect.repeat({ until: ({ spans }) => spans.some(({ name, status }) => name === "turn" && status === "ok") })
      )
      assert.include(paths(trace.spans), "receive > admit > turn > tool > invoke > node")
      const invoke = named(trace.spans, "invoke")
      const node = named(trace.spans, "node")
      assert.isAtLeast(node.startedAt, invoke.startedAt)
      assert.isAtMost(node.startedAt + node.durationMs!, invoke.startedAt + invoke.durationMs! + 1)
      assert.match(waterfall(trace), /└─ node /)

      const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
      yield* operator.call["node.invoke"]({
        nodeId: device.id,
        command: "device.info",
        idempotencyKey: "by-hand"
      }).pipe(Effect.provideService(CurrentFlow, { traceId, spanId: "00f067aa0ba902b7", sampled: true }))
      const byHand = yield* operator.call["diagnostics.trace"]({ message: traceId })
      assert.deepStrictEqual(paths(byHand.spans), ["request", "request > invoke", "request > invoke > node"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
