/** A command that waits, decided in its owner's chat. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { plan } from "./kit.ts"

const ada = { id: 4711, firstName: "Ada" }
const bob = { id: 4712, firstName: "Bob" }

describe("an approval on Telegram", () => {
  it.live("is put to the owner, who decides with /approve; nobody else does", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const telegram = { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist" as const }
      const gateway = GatewayTest.layer({
        config: {
          commands: { ownerAllowFrom: [`telegram:${ada.id}`] },
          channels: { telegram: { ...telegram, allowFrom: [ada.id, bob.id] } }
        }
      })
      const says = (from: typeof ada, text: string, answer: RegExp) =>
        Effect.andThen(
          bot.sendText({ from, text }),
          bot.awaitReply({ chatId: from.id, matching: (message) => answer.test(message.text) })
        )
      yield* Effect.gen(function* () {
        const kit = yield* GatewayTest.GatewayTest
        const operator = yield* kit.connect()
        // A bot may write only to those who have written to it.
        const hello = yield* says(ada, "/help", /approve/)
        const asking = yield* Stream.runCollect(
          operator.call["exec.approval.request"]({
            id: "q-1",
            systemRunPlan: plan,
            nodeId: "attic",
            host: "node",
            twoPhase: true
          })
        ).pipe(Effect.forkScoped({ startImmediately: true }))
        const question = yield* bot.awaitReply({ chatId: ada.id, after: hello.messageId })
        assert.include(question.text, "/usr/bin/uname -s")
        assert.include(question.text, "/approve q-1 allow-once")
        assert.include(question.text, "Node: attic")

        yield* says(bob, "/approve q-1 allow-once", /You may not decide this/)
        yield* says(ada, "/approve q-1", /Write .*approve/)
        yield* says(ada, "/approve nope deny", /unknown or expired approval id/)
        yield* says(ada, "/approve q-1 allow-once", /allow-once: q-1/)
        const [accepted, decided] = yield* Fiber.join(asking)
        assert.deepInclude(accepted as object, { status: "accepted", deliveryRoute: "forwarder" })
        assert.deepInclude(decided as object, { id: "q-1", decision: "allow-once" })
        const end = yield* bot.awaitReply({ chatId: ada.id, matching: ({ text }) => /Approval allowed/.test(text) })
        assert.include(end.text, `telegram:${ada.id}`)
        const { approval } = yield* operator.call["approval.get"]({ id: "q-1" })
        assert.deepStrictEqual(approval.resolver, { kind: "channel", id: `telegram:${ada.id}` })
        assert.isFalse((yield* bot.sent).some(({ chatId, text }) => chatId === bob.id && text.includes("uname")))
      }).pipe(Effect.scoped, Effect.provide(gateway))
    }).pipe(Effect.scoped)
  )
})
