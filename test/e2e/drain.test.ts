/**
 * An orderly end stops taking in first: nothing comes in by a chat while turns come to their place, and what was sent meanwhile
 * is answered by the next Gateway.
 */
import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { Gateway } from "../../src/services/Gateway.ts"
import { Supervisor } from "../../src/services/Supervisor.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"

const ada = { id: 4711, firstName: "Ada" }

describe("a drain", () => {
  it.live("ends the polling, and a message that comes then is answered after the restart", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const fs = yield* FileSystem.FileSystem
      const stateDir = yield* fs.makeTempDirectoryScoped({ prefix: "openclaw-drain-" })
      const telegram = { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [ada.id] } as const
      const config = { agents: { defaults: { model: "builtin/offline" } }, channels: { telegram } }
      const life = GatewayTest.layer({ stateDir, config })
      yield* Effect.gen(function* () {
        const services = yield* Layer.build(life)
        yield* bot.awaitPolling
        yield* Context.get(services, Gateway).drain()
        const tree = yield* Context.get(services, Supervisor).tree
        const state = (name: string) => tree.find((row) => row.name === `channels/telegram/default${name}`)?.state
        assert.deepStrictEqual([state(""), state("/inbox"), state("/lease")], ["stopped", "stopped", "running"])
        yield* bot.sendText({ from: ada, text: "are you there?" })
      }).pipe(Effect.scoped)
      assert.strictEqual(yield* bot.pendingCount, 1)
      yield* Layer.build(life)
      yield* bot.awaitReply({ chatId: ada.id })
      yield* bot.awaitConfirmed
      assert.lengthOf(yield* bot.sent, 1)
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )
})
