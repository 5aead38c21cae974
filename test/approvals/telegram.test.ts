/** A command that waits, decided in its owner's chat. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { approversOf, hasButtons } from "../../src/layers/approvals/approvers.ts"
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

        // The buttons below a question are its commands, for whoever presses them.
        yield* Stream.runDrain(
          operator.call["exec.approval.request"]({
            id: "q-2",
            command: "reboot",
            ask: "always",
            warningText: "Ends every session.",
            env: { FOO: "1" },
            twoPhase: true
          })
        ).pipe(Effect.forkScoped({ startImmediately: true }))
        const second = yield* bot.awaitReply({ chatId: ada.id, matching: ({ text }) => text.includes("reboot") })
        assert.include(second.text, "Ends every session.")
        assert.include(second.text, "Variables: FOO")
        const shown = (yield* bot.calls).findLast(({ params }) => params["message_id"] === second.messageId)
        const keyboard = JSON.parse(JSON.stringify(shown?.params["reply_markup"]))
        assert.deepStrictEqual(keyboard, {
          inline_keyboard: [
            [
              { text: "Allow once", callback_data: "/approve q-2 allow-once" },
              { text: "Deny", callback_data: "/approve q-2 deny" }
            ]
          ]
        })
        const press = (id: string, from: typeof ada, data: string) =>
          bot.sendUpdate({
            callback_query: {
              id,
              from: { id: from.id, is_bot: false, first_name: from.firstName },
              data,
              message: { message_id: second.messageId, date: 1, chat: { id: from.id, type: "private" } }
            }
          })
        const before = (yield* bot.sent).at(-1)?.messageId ?? 0
        yield* press("p1", bob, "/approve q-2 allow-once")
        yield* bot.awaitReply({
          chatId: bob.id,
          after: before,
          matching: ({ text }) => text.includes("may not decide")
        })
        yield* press("p2", ada, "/approve q-2 deny")
        yield* bot.awaitReply({ chatId: ada.id, matching: ({ text }) => /Approval denied/.test(text) })
        yield* bot.awaitCall(({ method }) => method === "answerCallbackQuery", 2)
        const denied = yield* operator.call["approval.get"]({ id: "q-2" })
        assert.deepInclude(denied.approval, {
          status: "denied",
          resolver: { kind: "channel", id: `telegram:${ada.id}` }
        })

        // One for clients alone is no business of the chat; a long one is shown whole.
        const words = Array.from({ length: 1_000 }, (_, index) => `word${index}`)
        yield* Stream.runDrain(
          operator.call["exec.approval.request"]({ id: "q-3", command: "secret", deliverToApprovalClientsOnly: true })
        )
        yield* Stream.runDrain(
          operator.call["exec.approval.request"]({ id: "q-4", command: `echo ${words.join(" ")}`, twoPhase: true })
        ).pipe(Effect.forkScoped({ startImmediately: true }))
        yield* bot.awaitReply({ chatId: ada.id, matching: ({ text }) => text.includes("/approve q-4 deny") })
        const all = (yield* bot.sent).filter(({ chatId }) => chatId === ada.id).map(({ text }) => text)
        // Nothing is left out where one message ends and the next begins.
        const seen = all.join("").replace(/\s/g, "")
        assert.include(seen, words.join(""))
        assert.isFalse(all.some((text) => text.includes("secret")))
        yield* says(ada, "/approve DENY q-4", /deny: q-4/)
        assert.isFalse((yield* bot.sent).some(({ chatId, text }) => chatId === bob.id && text.includes("uname")))
      }).pipe(Effect.scoped, Effect.provide(gateway))
    }).pipe(Effect.scoped)
  )

  it("is for those whom the configuration names by number, and has buttons unless it says otherwise", () => {
    const with_ = (telegram: object, owners: ReadonlyArray<string | number> = []) =>
      ({ commands: { ownerAllowFrom: owners }, channels: { telegram } }) as never
    const named = (telegram: object, owners?: ReadonlyArray<string | number>) =>
      approversOf(with_(telegram, owners), "telegram", "work")
    assert.deepStrictEqual(named({}, ["telegram:1", "tg:2", 3, "discord:4", "@eve", "telegram:@eve", "*"]), [
      "1",
      "2",
      "3"
    ])
    assert.deepStrictEqual(named({ allowFrom: [9], execApprovals: { approvers: [5] } }, [1]), ["5"])
    assert.deepStrictEqual(named({ accounts: { work: { execApprovals: { approvers: [] } } } }, [1]), [])
    const shown = (telegram: object) => hasButtons(with_(telegram), "telegram", "work")
    assert.isTrue(shown({}))
    assert.isTrue(shown({ capabilities: ["inlineButtons"], accounts: { work: { capabilities: [] } } }))
    assert.isFalse(shown({ capabilities: { inlineButtons: "off" }, accounts: { work: { capabilities: [] } } }))
    assert.isFalse(shown({ accounts: { work: { capabilities: { inlineButtons: "group" } } } }))
    assert.isTrue(
      shown({ capabilities: { inlineButtons: "off" }, accounts: { work: { capabilities: { inlineButtons: "dm" } } } })
    )
  })
})
