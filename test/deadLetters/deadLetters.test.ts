import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import * as DeadLettersLayer from "../../src/layers/deadLetters/DeadLetters.ts"
import * as Store from "../../src/layers/deadLetters/Store.ts"
import { DeliveryFailed } from "../../src/services/Channel.ts"
import { Channels, DeliveryNotFound, type OpenDelivery } from "../../src/services/ChannelRouter.ts"
import { DeadLetters } from "../../src/services/DeadLetters.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { SetAside, type SetAsideMessage, SetAsideNotFound, SetAsideUnreadable } from "../../src/services/SetAside.ts"
import { Turns } from "../../src/services/Turns.ts"
import { main, peer, request, start, type World, world } from "../turns/kit.ts"

const delivery = (key: string, state: OpenDelivery["state"], more: Partial<OpenDelivery> = {}): OpenDelivery => ({
  key,
  channel: "test",
  accountId: "default",
  chatId: "9",
  state,
  since: 5,
  updatedAt: 10,
  orphans: 0,
  ...more
})

const received: SetAsideMessage = {
  id: 7,
  reason: "crashed",
  detail: "the Gateway stopped each time",
  channel: "test",
  source: "bot",
  accountId: "default",
  chatId: "9",
  text: "raw",
  tries: 3,
  receivedAt: 1,
  setAsideAt: 2
}

/** Dead letters over real turns; deliveries and messages are these lists. */
const parts = (w: World, deliveries: Array<OpenDelivery> = [], messages: Array<SetAsideMessage> = []) => {
  const take = (key: string) => {
    const index = deliveries.findIndex((each) => each.key === key)
    return index < 0 ? undefined : deliveries.splice(index, 1)[0]
  }
  const channels = Layer.mock(Channels, {
    deliveries: () => Effect.sync(() => [...deliveries]),
    retryDelivery: (key) =>
      Effect.suspend((): Effect.Effect<{ messageIds: Array<string> }, DeliveryFailed | DeliveryNotFound> => {
        if (key === "blocked") {
          return Effect.fail(
            new DeliveryFailed({ channel: "test", to: "9", message: "403 blocked", outcome: "refused" })
          )
        }
        return take(key) === undefined
          ? Effect.fail(new DeliveryNotFound({ key }))
          : Effect.succeed({ messageIds: ["m1"] })
      }),
    dropDelivery: (key) => Effect.sync(() => take(key) !== undefined)
  })
  const setAside = Layer.mock(SetAside, {
    list: Effect.sync(() => [...messages]),
    retry: (id) =>
      id === received.id
        ? Effect.sync(() => void messages.splice(0))
        : Effect.fail(new SetAsideUnreadable({ id, message: "no account of its bot runs" })),
    drop: (id) =>
      Effect.suspend(() => (messages.splice(0).length > 0 ? Effect.void : Effect.fail(new SetAsideNotFound({ id }))))
  })
  return DeadLettersLayer.layer.pipe(Layer.provide([channels, setAside]), Layer.provideMerge(start(w)))
}

/** A turn that was given up. */
const bury = Effect.fnUntraced(function* (runId: string, text = "boo") {
  const store = yield* Store.make
  yield* store.add(request(runId, text, { replyTo: { peer }, sender: { id: "7" } }), 3, "it stopped the Gateway")
  return Store.idOf("turn", runId)
})

const texts = Effect.gen(function* () {
  const { messages } = yield* (yield* Sessions).history(main)
  return messages.map(({ content, role }) => `${role} ${typeof content === "string" ? content : "…"}`)
})

describe("dead letters", () => {
  it.live("a turn is listed with its text, tried again once under a derived id, and told in the transcript", () =>
    Effect.gen(function* () {
      const w = yield* world
      yield* Effect.gen(function* () {
        const letters = yield* DeadLetters
        const turns = yield* Turns
        const id = yield* bury("r1")
        assert.strictEqual(yield* bury("r1", "once"), id)
        assert.deepInclude(yield* letters.find(id), {
          kind: "turn",
          text: "boo",
          attempts: 3,
          chatId: "7",
          runId: "r1"
        })
        assert.deepInclude(yield* letters.counts, { total: 1, turn: 1, delivery: 0, message: 0 })
        const [both, other] = yield* Effect.all([letters.retry(id), letters.retry(id)], { concurrency: 2 })
        assert.deepStrictEqual([both.already, other.already].toSorted(), [false, true])
        assert.deepStrictEqual([both.runId, other.runId], ["r1#2", "r1#2"])
        assert.deepInclude(yield* turns.await(RunId.make("r1#2"), main), { status: "ok", text: "re: boo" })
        assert.deepStrictEqual(
          w.sent.map(({ idempotencyKey, text }) => [idempotencyKey, text]),
          [["r1#2:reply", "re: boo"]]
        )
        assert.deepStrictEqual(yield* texts, [
          `system The message "boo" was set aside and is tried again (${id}).`,
          "user boo"
        ])
        assert.deepStrictEqual(yield* letters.list(), [])
        const gone = yield* Effect.flip(letters.find(id))
        assert.include(gone.message, "was retried before")
        assert.include((yield* Effect.flip(letters.drop(id))).message, "was retried before")
        // It failed once more: the next try counts on.
        const second = yield* bury("r1#2")
        assert.strictEqual((yield* letters.retry(second)).runId, "r1#3")
      }).pipe(Effect.provide(parts(w)))
    }).pipe(Effect.scoped)
  )

  it.live("what breaks in the middle of a retry leaves everything as it was", () =>
    Effect.gen(function* () {
      const w = yield* world
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const letters = yield* DeadLetters
        const id = yield* bury("r1")
        yield* sql`
          CREATE TRIGGER broken BEFORE UPDATE ON dead_letters BEGIN SELECT RAISE(ABORT, 'broken on purpose'); END`
        assert.include((yield* Effect.flip(letters.retry(id))).message, "broken on purpose")
        assert.deepStrictEqual(yield* sql`SELECT run_id FROM turns`, [])
        assert.deepStrictEqual(yield* texts, [])
        yield* sql`DROP TRIGGER broken`
        assert.strictEqual((yield* letters.retry(id)).already, false)
      }).pipe(Effect.provide(parts(w)))
    }).pipe(Effect.scoped)
  )

  it.live("a dropped turn is forgotten, text and all; dropping it again says so", () =>
    Effect.gen(function* () {
      const w = yield* world
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const letters = yield* DeadLetters
        const id = yield* bury("r1", "a secret")
        assert.deepStrictEqual(yield* letters.drop(id), { id, kind: "turn", already: false })
        assert.deepStrictEqual(yield* letters.drop(id), { id, kind: "turn", already: true })
        assert.include((yield* Effect.flip(letters.retry(id))).message, "was dropped before")
        assert.notInclude(JSON.stringify(yield* sql`SELECT * FROM dead_letters`), "a secret")
        const unknown = yield* Effect.flip(letters.drop("nobody"))
        assert.match(unknown.message, /no dead letter has the id nobody; `openclaw channels dead-letters list`/)
      }).pipe(Effect.provide(parts(w)))
    }).pipe(Effect.scoped)
  )

  it.live("deliveries that nobody works on and messages that are set aside are dead letters too", () =>
    Effect.gen(function* () {
      const w = yield* world
      const unread = { ...received, id: 8 }
      const deliveries = [
        delivery("on its way", "sending"),
        delivery("u", "unknown", { text: "lost?" }),
        delivery("blocked", "refused", { channel: "other", updatedAt: 20 })
      ]
      const messages = [received]
      yield* Effect.gen(function* () {
        const letters = yield* DeadLetters
        const all = yield* letters.list()
        assert.deepStrictEqual(
          all.map(({ kind, mayDouble }) => [kind, mayDouble]),
          [
            ["message", false],
            ["delivery", true],
            ["delivery", false]
          ]
        )
        const [message, lost, blocked] = all
        assert.lengthOf(yield* letters.list({ channel: "other" }), 1)
        assert.lengthOf(yield* letters.list({ kind: "delivery", limit: 1 }), 1)
        assert.deepStrictEqual(yield* letters.queues, [
          { direction: "in", channel: "test", accountId: "default", count: 1, oldestFailedAt: 2 },
          { direction: "out", channel: "test", accountId: "default", count: 1, oldestFailedAt: 10 },
          { direction: "out", channel: "other", accountId: "default", count: 1, oldestFailedAt: 20 }
        ])
        assert.deepInclude(yield* letters.find(lost!.id), { text: "lost?", chatId: "9" })
        assert.deepInclude(yield* letters.retry(lost!.id), { kind: "delivery", messageIds: ["m1"], mayDouble: true })
        assert.strictEqual((yield* Effect.flip(letters.retry(lost!.id)))._tag, "DeadLetterNotFound")
        assert.strictEqual((yield* Effect.flip(letters.retry(blocked!.id)))._tag, "DeliveryFailed")
        assert.deepInclude(yield* letters.drop(blocked!.id), { kind: "delivery", already: false })
        assert.deepInclude(yield* letters.retry(message!.id), { kind: "message" })
        messages.push(unread)
        const [last] = yield* letters.list()
        const stuck = yield* Effect.flip(letters.retry(last!.id))
        assert.include(stuck.message, "cannot be tried again: no account of its bot runs")
        assert.deepInclude(yield* letters.drop(last!.id), { kind: "message" })
        assert.deepStrictEqual(yield* letters.list(), [])
      }).pipe(Effect.provide(parts(w, deliveries, messages)))
    }).pipe(Effect.scoped)
  )
})
