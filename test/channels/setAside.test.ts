import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { maxTries } from "../../src/layers/channels/Emptying.ts"
import { notice } from "../../src/layers/channels/setAsideNotice.ts"
import type { Channel } from "../../src/services/Channel.ts"
import { SetAside } from "../../src/services/SetAside.ts"
import { groupPeer, inbound, makeChannel, telegram } from "./kit.ts"
import { advancing, rig, type Rig, run } from "./rig.ts"

/** Lives in which a Gateway never comes to the end of handling its first message, and is then killed. */
const livesThatEnd = Effect.fnUntraced(function* (parts: Rig, count: number) {
  const inBetween = (statement: string) =>
    run(
      parts,
      SqlClient.SqlClient.use((sql) => sql.unsafe(statement)),
      { ...makeChannel("idle").channel }
    )
  // What an orderly end takes back stays after a kill.
  yield* inBetween(`
    CREATE TRIGGER killed BEFORE UPDATE OF tries ON channel_inbox WHEN NEW.tries < OLD.tries
    BEGIN SELECT RAISE(ABORT, 'killed'); END`)
  parts.turns.hang = true
  for (let life = 0; life < count; life++) yield* run(parts, parts.turns.asked(parts.turns.calls + 1))
  parts.turns.hang = false
  yield* inBetween("DROP TRIGGER killed")
})

const tries = SqlClient.SqlClient.use((sql) =>
  Effect.map(sql<{ tries: number }>`SELECT tries FROM channel_inbox ORDER BY seq`, (rows) =>
    rows.map((row) => row.tries)
  )
)

describe("a message that the process dies of", () => {
  it.effect("is set aside, its sender is told, what is behind it goes on, and it can be tried again", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      const poison = inbound("poison")
      parts.channel.push(poison, inbound("behind"))
      // The first time nothing is counted: it arrived in that life.
      yield* livesThatEnd(parts, 1 + maxTries)
      assert.deepStrictEqual(parts.channel.sent, [])
      yield* run(
        parts,
        Effect.gen(function* () {
          yield* parts.turns.has(1)
          const [reply] = yield* parts.channel.said(1)
          assert.deepInclude(reply, { text: notice, peer: poison.peer })
          assert.deepStrictEqual(
            parts.turns.submitted.map((turn) => turn.text),
            ["behind"]
          )
          const setAside = yield* SetAside
          const [message] = yield* setAside.list
          assert.deepInclude(message, {
            reason: "crashed",
            text: "poison",
            tries: maxTries,
            chatId: "7",
            sender: { id: "7", displayName: "Eve" }
          })
          assert.deepStrictEqual(yield* setAside.get(message!.id), message)
          yield* setAside.retry(message!.id)
          yield* parts.turns.has(2)
          assert.strictEqual((yield* Effect.flip(setAside.retry(message!.id)))._tag, "SetAsideNotFound")
          assert.strictEqual((yield* Effect.flip(setAside.get(message!.id)))._tag, "SetAsideNotFound")
        })
      )
    })
  )

  it.effect("tells nobody who is not answered", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.channel.push(inbound("poison"))
      yield* livesThatEnd(parts, 1 + maxTries)
      yield* parts.config.set(telegram({ dmPolicy: "allowlist", allowFrom: ["8"] }))
      yield* run(
        parts,
        Effect.gen(function* () {
          const setAside = yield* SetAside
          while ((yield* setAside.count) === 0) yield* Effect.yieldNow
          yield* settledButSetAside
          assert.deepStrictEqual(parts.channel.sent, [])
          const [message] = yield* setAside.list
          yield* setAside.drop(message!.id)
          assert.strictEqual((yield* Effect.flip(setAside.drop(message!.id)))._tag, "SetAsideNotFound")
          assert.deepStrictEqual(yield* setAside.list, [])
        })
      )
    })
  )

  it.effect("an orderly end, or storage that fails, counts for nothing", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.channel.push(inbound("hello"))
      for (let life = 0; life < 2 * maxTries; life++) {
        const isHung = life % 2 === 0
        parts.turns.hang = isHung
        parts.turns.refuse = isHung ? 0 : 2
        yield* run(parts, advancing(parts.turns.asked(parts.turns.calls + (isHung ? 1 : 2))))
        yield* run(
          parts,
          Effect.map(tries, (all) => assert.deepStrictEqual(all, [0])),
          makeChannel("idle").channel
        )
      }
      parts.turns.hang = false
      parts.turns.refuse = 0
      yield* run(parts, parts.turns.has(1))
    })
  )

  it.effect("one whose handling dies of a defect is set aside in the same life", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.turns.defect = (request) => request.text === "bad"
      parts.channel.push(inbound("bad"), inbound("good"))
      yield* run(
        parts,
        Effect.gen(function* () {
          yield* advancing(parts.turns.has(1))
          const [message] = yield* (yield* SetAside).list
          assert.deepInclude(message, { reason: "failed", text: "bad" })
          yield* parts.channel.said(1)
        })
      )
    })
  )
})

/** Waits until nothing waits to be handled or said. */
const settledButSetAside: Effect.Effect<void, never, SqlClient.SqlClient> = Effect.suspend(() =>
  Effect.flatMap(
    SqlClient.SqlClient.use((sql) =>
      Effect.orDie(
        sql`SELECT 1 FROM channel_inbox WHERE (message IS NOT NULL AND set_aside_at IS NULL) OR reply IS NOT NULL`
      )
    ),
    (open) => (open.length > 0 ? Effect.andThen(Effect.yieldNow, settledButSetAside) : Effect.void)
  )
)

describe("what cannot be read", () => {
  const readable = inbound("legible after all", { source: "42" })
  const unread = { source: "42", updateId: "5", raw: '{"strange":true}', reason: "it is strange" }

  /** A channel that hands over one thing that it cannot read, twice. */
  const strange = (reread: Channel["reread"]): Channel => ({
    ...makeChannel().channel,
    source: "42",
    receive: (commit) =>
      Effect.andThen(commit([inbound("fine")], [unread]), Effect.andThen(commit([], [unread]), Effect.never)),
    ...(reread === undefined ? undefined : { reread })
  })

  it.effect("is kept once, and read again when the channel can", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      let isUpgraded = false
      const channel = strange(() => Effect.succeed(isUpgraded ? readable : undefined))
      yield* run(
        parts,
        Effect.gen(function* () {
          yield* parts.turns.has(1)
          const setAside = yield* SetAside
          const [message, ...others] = yield* setAside.list
          assert.deepStrictEqual(others, [])
          assert.deepInclude(message, { reason: "unreadable", detail: "it is strange", text: unread.raw })
          const refused = yield* Effect.flip(setAside.retry(message!.id))
          assert.strictEqual(refused._tag, "SetAsideUnreadable")
          isUpgraded = true
          yield* setAside.retry(message!.id)
          yield* parts.turns.has(2)
          assert.strictEqual(parts.turns.submitted[1]?.text, "legible after all")
        }),
        channel
      )
    })
  )

  it.effect("needs its bot to be read again", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      yield* run(parts, parts.turns.has(1), strange(undefined))
      yield* run(
        parts,
        Effect.gen(function* () {
          const setAside = yield* SetAside
          const [message] = yield* setAside.list
          const refused = yield* Effect.flip(setAside.retry(message!.id))
          assert.include(refused.message, "only while its bot runs")
        })
      )
    })
  )

  it.effect("a row that is damaged does not block the others, and can only be dropped", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      yield* run(
        parts,
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`
            INSERT INTO channel_inbox (channel, source, message_key, account_id, received_at, message)
            VALUES ('telegram', '1', '1', 'default', 0, '{"half":')`
          parts.channel.push(inbound("after it"))
          yield* parts.turns.has(1)
          const setAside = yield* SetAside
          const [message] = yield* setAside.list
          assert.deepInclude(message, { reason: "unreadable", text: '{"half":' })
          assert.strictEqual((yield* Effect.flip(setAside.retry(message!.id)))._tag, "SetAsideUnreadable")
          yield* setAside.drop(message!.id)
        })
      )
    })
  )

  it.effect("a message in a wrong shape does not keep back what came with it", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.channel.push(inbound("fine"), inbound("no sender", { sender: { id: "" }, peer: groupPeer() }))
      yield* run(
        parts,
        Effect.gen(function* () {
          yield* parts.channel.hasConfirmed(2)
          yield* settledButSetAside
          const [message] = yield* (yield* SetAside).list
          assert.include(message?.detail, "wrong shape")
          assert.include(message?.text, "no sender")
        })
      )
    })
  )
})
