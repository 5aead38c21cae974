/**
 * The outbox with Telegram behind it as a state machine: whatever the script does to the calls and to the Gateway, each part is
 * shown whole once, in order, and what stays besides is a beginning that was counted.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { defaultPolicy, deliverPatiently } from "../../src/layers/channels/deliverPatiently.ts"
import * as Outbox from "../../src/layers/channels/Outbox.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { AccountState } from "../../src/layers/telegram/Account.ts"
import { renderMarkdown } from "../../src/layers/telegram/markdown/Split.ts"
import { previewMark } from "../../src/layers/telegram/preview.ts"
import * as Sending from "../../src/layers/telegram/Sending.ts"
import type { OutboundMessage } from "../../src/services/Channel.ts"
import { tempDatabase } from "./kit.ts"
import { Chat, Ending } from "./outboxModel.ts"

/** Lets files make progress while the clock stands. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const state = new AccountState({
  accountId: "default",
  apiRoot: "http://127.0.0.1:1",
  token: Redacted.make("1:x"),
  tokenSource: "config"
})

/** One life of the Gateway: it delivers to the end, or dies. */
const live = Effect.fnUntraced(function* (
  filename: string,
  chat: Chat,
  message: OutboundMessage & { idempotencyKey: string }
) {
  const scope = yield* Scope.make()
  const services = yield* Layer.buildWithScope(Storage.layer({ filename }), scope)
  const outbox = yield* Outbox.make.pipe(Effect.provideContext(services), Scope.provide(scope))
  const send = Sending.send({ api: chat.api, state, moved: new Map() })
  const deliver = (each: OutboundMessage) =>
    outbox.once(message.idempotencyKey, each, { send: (attempt) => send(each, attempt), resumes: true, kept: true })
  chat.death = Deferred.makeUnsafe<void>()
  const delivering = yield* Effect.forkDetach(deliverPatiently({ deliver }, message, defaultPolicy, "it"))
  while (delivering.pollUnsafe() === undefined && !(yield* Deferred.isDone(chat.death))) {
    yield* settle
    yield* TestClock.adjust("10 seconds")
  }
  const ended = delivering.pollUnsafe()
  if (ended === undefined) return undefined
  const row = yield* outbox.rows.find(message.idempotencyKey)
  yield* Scope.close(scope, Exit.void)
  return { exit: ended, row: row! }
})

const scripts = Arbitrary.all([
  Arbitrary.array(Arbitrary.schema(Ending), { maxLength: 14 }),
  Arbitrary.schema(Schema.Literals([1, 2, 3]))
])

describe("the outbox with Telegram", () => {
  it.effect(
    "shows each part whole once, in order, whatever happens",
    () =>
      Effect.gen(function* () {
        const filename = yield* tempDatabase
        let runs = 0
        const result = yield* Arbitrary.checkEffect(
          scripts,
          Effect.fnUntraced(function* ([script, size]) {
            const chat = new Chat(script)
            const words = Array.from({ length: size === 1 ? 5 : size * 600 }, (_, index) => `w${index}`).join(" ")
            const message = {
              peer: { channel: "telegram", accountId: "default", chatId: "7", chatType: "direct" as const },
              text: words,
              idempotencyKey: `k${++runs}`
            }
            let end = yield* live(filename, chat, message)
            for (let lives = 1; end === undefined; lives++) {
              assert.isAtMost(lives, script.length)
              end = yield* live(filename, chat, message)
            }
            assert.isTrue(Exit.isSuccess(end.exit), JSON.stringify(end.exit))
            const parts = renderMarkdown(words).map(({ html }) => html)
            // What each message shows in the end; nothing whole was ever shown besides.
            const wholes = chat.messages.flatMap(({ shown }) => shown.filter((text) => !text.endsWith(previewMark)))
            assert.deepStrictEqual(wholes, parts)
            const ids = chat.alive
              .filter(({ shown }) => !shown.at(-1)!.endsWith(previewMark))
              .map(({ id }) => String(id))
            assert.deepStrictEqual(ids, JSON.parse(end.row.message_ids))
            assert.isAtMost(chat.previews.length, end.row.orphans)
            assert.deepInclude(end.row, { state: "sent", message: null, progress: null })
            return true
          }),
          { runs: 40, size: 14 }
        )
        assert.isUndefined(Arbitrary.formatCheckFailure(result))
        assert.isAtLeast(runs, 40)
      }),
    30_000
  )
})
