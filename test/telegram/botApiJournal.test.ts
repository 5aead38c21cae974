/**
 * The Bot API server's journal: a server that is killed goes on where it was.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as BotApi from "../../src/testing/BotApi.ts"

const ada = { id: 7, firstName: "Ada" }

/** `undefined` when the answer is lost. */
const call = (bot: BotApi.BotApiServer, method: string, params: object) =>
  Effect.promise(async () => {
    try {
      const response = await fetch(`${bot.url}/bot${bot.token}/${method}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(params)
      })
      return (await response.json()) as { readonly ok: boolean; readonly result: unknown }
    } catch {
      return undefined
    }
  })

/** What is known, but for times: a call is written down a moment before it is carried out. */
const known = Effect.fnUntraced(function* (bot: BotApi.BotApiServer) {
  const sent = yield* bot.sent
  return {
    sent: sent.map(({ at: _at, history, ...rest }) => ({ ...rest, history: history.map(({ text }) => text) })),
    pending: yield* bot.pendingCount
  }
})

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-journal-"))),
  (dir) => Effect.sync(() => Fs.rmSync(dir, { recursive: true, force: true }))
)

describe("the Bot API server's journal", () => {
  it.live("keeps updates until an offset confirmed them, messages, and what each of them showed", () =>
    Effect.gen(function* () {
      const journal = Path.join(yield* folder, "journal")
      const before = yield* Effect.gen(function* () {
        const bot = yield* BotApi.serve({ journal })
        const first = yield* bot.sendText({ from: ada, text: "one" })
        yield* bot.sendText({ from: ada, text: "two", topic: 3 })
        yield* call(bot, "getUpdates", { offset: first.updateId + 1 })
        yield* call(bot, "sendMessage", { chat_id: ada.id, text: "half …" })
        yield* call(bot, "sendMessage", { chat_id: 99, text: "refused" })
        const [sent] = yield* bot.sent
        yield* call(bot, "editMessageText", { chat_id: ada.id, message_id: sent!.messageId, text: "whole" })
        yield* bot.fault({ kind: "drop", method: "sendMessage", carriedOut: false })
        assert.isUndefined(yield* call(bot, "sendMessage", { chat_id: ada.id, text: "never carried out" }))
        return yield* known(bot)
      }).pipe(Effect.scoped)
      // A line that was cut by the kill is no entry.
      Fs.appendFileSync(journal, `{"at":1,"te`)
      const bot = yield* BotApi.serve({ journal })
      assert.deepStrictEqual(yield* known(bot), before)
      assert.deepStrictEqual(
        before.sent.map(({ history }) => history),
        [["half …", "whole"]]
      )
      const third = yield* bot.sendText({ from: ada, text: "three" })
      const answer = yield* call(bot, "getUpdates", {})
      assert.deepStrictEqual(
        (answer?.result as ReadonlyArray<{ readonly update_id: number }> | undefined)?.map(
          ({ update_id }) => update_id
        ),
        [third.updateId - 1, third.updateId]
      )
      assert.isAbove(third.messageId, before.sent.at(-1)!.messageId)
    }).pipe(Effect.scoped)
  )
})
