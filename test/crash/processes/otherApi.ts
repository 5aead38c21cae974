/**
 * The npm package `telegram-test-api` in the Bot API's place, a process of its own that writes the same journal. What it has
 * given out it does not give out again, and what it knew is gone when it is killed, so nobody may be killed while a message
 * is between it and the Gateway's inbox, and it may not be killed at all.
 */

import * as Journal from "../../../src/testing/bot-api/Journal.ts"
import { State } from "../../../src/testing/bot-api/State.ts"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { TelegramServer } from "telegram-test-api/lib/telegramServer.js"
import type { Order } from "./botApi.ts"

const [port, file, token] = process.argv.slice(2) as [string, string, string]

const now = () => performance.timeOrigin + performance.now()

const program = Effect.gen(function* () {
  const unused = new State(token, { id: 1, is_bot: true, first_name: "", username: "" })
  const write = yield* Journal.open(file, unused)
  // A day: it would forget what waits otherwise.
  const server = new TelegramServer({ host: "127.0.0.1", port: Number(port), storeTimeout: 86_400 })
  const { addBotMessage, editMessageText } = server
  server.addBotMessage = (message, botToken) => {
    write({ at: now(), call: "sendMessage", params: { ...message } })
    return addBotMessage.call(server, message, botToken)
  }
  server.editMessageText = (message) => {
    write({ at: now(), call: "editMessageText", params: { ...message } })
    editMessageText.call(server, message)
  }
  process.on("message", (order: Order) => {
    if (!("text" in order)) return
    const { from, text } = order.text
    write({ at: now(), text: order.text })
    const person = { id: from.id, first_name: from.firstName ?? "", last_name: "", username: "" }
    const chat = { id: from.id, type: "private", title: "", first_name: person.first_name, last_name: "", username: "" }
    const message = { botToken: token, from: { ...person, is_bot: false }, chat, date: Math.floor(now() / 1_000), text }
    void server.addUserMessage(message as never)
  })
  // Without its parent nobody would end it.
  process.on("disconnect", () => process.exit(0))
  yield* Effect.promise(() => server.start())
  yield* Effect.sync(() => process.stdout.write("ready\n"))
  return yield* Effect.never
}).pipe(Effect.scoped)

NodeRuntime.runMain(program)
