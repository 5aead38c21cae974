/**
 * The same channel against a Bot API server that is not ours, the npm package `telegram-test-api`. What it does not have
 * the tests do not ask of it: its `getUpdates` never waits, hands each update out once whatever the offset, and takes any
 * token; its `sendMessage` takes any HTML.
 */
import * as Net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TelegramServer } from "telegram-test-api/lib/telegramServer.js"
import * as SessionKey from "../../src/domain/SessionKey.ts"
import * as FromConfig from "../../src/layers/telegram/fromConfig.ts"
import { Channels } from "../../src/services/ChannelRouter.ts"
import { makeConfig, makeSessions, makeTurns, stackOf, telegram, tempDatabase } from "../channels/kit.ts"
import { clients } from "./kit.ts"

const token = "424242:AAtoken-of-the-other-server"

/** The package wants to be told a port. */
const freePort = Effect.callback<number>((resume) => {
  const probe = Net.createServer()
  probe.listen(0, "127.0.0.1", () => {
    const { port } = probe.address() as Net.AddressInfo
    probe.close(() => resume(Effect.succeed(port)))
  })
})

const otherServer = Effect.gen(function* () {
  const server = new TelegramServer({ host: "127.0.0.1", port: yield* freePort })
  yield* Effect.acquireRelease(
    Effect.promise(() => server.start()),
    () => Effect.promise(() => server.stop())
  )
  return server
})

describe("the channel against telegram-test-api", () => {
  it.live("a person's message becomes a turn, the reply arrives, the next message too", () =>
    Effect.gen(function* () {
      const server = yield* otherServer
      const client = server.getClient(token, { userId: 7, chatId: 7, firstName: "Eve", timeout: 10_000 })
      const config = makeConfig(telegram({ botToken: token, apiRoot: server.config.apiURL, allowFrom: [7] }))
      const turns = makeTurns()
      const stack = stackOf({ filename: yield* tempDatabase, config, turns, sessions: makeSessions() })
      const layer = FromConfig.layer.pipe(
        Layer.provideMerge(Layer.mergeAll(stack, config.layer, clients.undici, NodeFileSystem.layer))
      )
      yield* Effect.gen(function* () {
        const channels = yield* Channels
        yield* Effect.promise(() => client.sendMessage(client.makeMessage("hello")))
        const [turn] = yield* turns.has(1)
        assert.deepInclude(turn, { text: "hello", sessionKey: SessionKey.main("main") })
        yield* channels.deliver({ peer: turn!.replyTo!.peer, text: "**hi** <there>" })
        const replies = yield* Effect.promise(() => client.getUpdates())
        const [reply] = replies.result
        assert.deepInclude(reply!.message, { chat_id: "7", text: "<b>hi</b> &lt;there&gt;", parse_mode: "HTML" })
        yield* Effect.promise(() => client.sendCommand(client.makeCommand("/help")))
        const help = yield* Effect.promise(() => client.getUpdates())
        assert.include(help.result[0]!.message.text, "/stop")
        yield* Effect.promise(() => client.sendMessage(client.makeMessage("and again")))
        assert.strictEqual((yield* turns.has(2))[1]!.text, "and again")
        const status = yield* channels.status({ probe: true })
        // Its `getMe` leaves out `is_bot`; the probe reads what there is.
        assert.deepInclude(status.channelAccounts["telegram"]![0]!.probe, { ok: true })
      }).pipe(Effect.provide(layer))
    })
  )
})
