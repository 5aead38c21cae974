import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import { RunId } from "../../src/domain/Ids.ts"
import * as SessionKey from "../../src/domain/SessionKey.ts"
import { keepMs, waitMs } from "../../src/layers/channels/inboxPruning.ts"
import type { Channel } from "../../src/services/Channel.ts"
import { ChannelInterrupted, ChannelUnauthorized } from "../../src/services/Channel.ts"
import { ChannelRouter, Channels } from "../../src/services/ChannelRouter.ts"
import { SetAside } from "../../src/services/SetAside.ts"
import { Supervisor } from "../../src/services/Supervisor.ts"
import { inbound, makeChannel } from "./kit.ts"
import { advancing, drained, rig, rows, run } from "./rig.ts"

describe("the way in", () => {
  it.effect("a message becomes a turn of its session, confirmed after it was stored", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      const message = inbound("hello")
      parts.channel.push(message)
      yield* run(
        parts,
        Effect.gen(function* () {
          const [turn] = yield* parts.turns.has(1)
          assert.deepStrictEqual(turn, {
            runId: RunId.make(`telegram:42:7:${message.messageId}`),
            sessionKey: SessionKey.main("main"),
            agentId: "main",
            text: "hello",
            receivedAt: 0,
            sender: { id: "7", displayName: "Eve" },
            replyTo: { peer: message.peer }
          })
          yield* parts.channel.hasConfirmed(1)
        })
      )
      assert.deepStrictEqual(parts.sessions.touched, [SessionKey.main("main")])
    })
  )

  it.effect("the same update twice is one message, in one batch, in two, and after a restart", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      const message = inbound("once")
      parts.channel.push(message, message)
      parts.channel.push({ ...message, text: "once, again" })
      yield* run(parts, Effect.andThen(parts.channel.hasConfirmed(3), drained))
      parts.channel.push(message)
      const last = inbound("last")
      parts.channel.push(last)
      yield* run(parts, parts.turns.has(2))
      assert.deepStrictEqual(
        parts.turns.submitted.map((turn) => turn.text),
        ["once", "last"]
      )
      assert.strictEqual(parts.turns.calls, 2)
    })
  )

  it.effect("another bot's update of the same number is another message", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      const message = inbound("old bot")
      parts.channel.push(message, { ...message, source: "43", text: "new bot" })
      yield* run(parts, parts.turns.has(2))
    })
  )

  it.effect(
    "an update id that comes again for another message is another message, however long ago the first was",
    () =>
      Effect.gen(function* () {
        const parts = yield* rig()
        const message = inbound("old")
        parts.channel.push(message, inbound("new", { updateId: message.updateId }))
        yield* run(parts, parts.turns.has(2))
        assert.deepStrictEqual(
          parts.turns.submitted.map((turn) => turn.text),
          ["old", "new"]
        )
      })
  )

  it.effect("messages wait for their bot, whatever its account is called by then", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.turns.refuse = Number.POSITIVE_INFINITY
      parts.channel.push(inbound("first"))
      yield* run(parts, parts.channel.hasConfirmed(1), { ...parts.channel.channel, source: "42" })
      parts.turns.refuse = 0
      const other = makeChannel()
      other.push(inbound("of the other bot", { source: "43" }))
      yield* run(parts, parts.turns.has(1), { ...other.channel, source: "43" })
      const renamed = makeChannel("telegram", "renamed")
      const [, turn] = yield* run(parts, parts.turns.has(2), { ...renamed.channel, source: "42" })
      assert.deepInclude(turn, { text: "first" })
      assert.strictEqual(turn!.replyTo!.peer.accountId, "renamed")
      assert.strictEqual(parts.turns.submitted.length, 2)
    })
  )

  it.effect("messages whose bot does not come back are set aside in the end, and can still be had", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.turns.refuse = Number.POSITIVE_INFINITY
      parts.channel.push(inbound("first"))
      yield* run(parts, parts.channel.hasConfirmed(1), { ...parts.channel.channel, source: "42" })
      yield* run(
        parts,
        Effect.gen(function* () {
          yield* TestClock.adjust(keepMs * 2)
          assert.lengthOf(yield* rows, 1)
          const setAside = yield* SetAside
          assert.deepStrictEqual(yield* setAside.list, [])
          yield* TestClock.adjust(waitMs)
          const [message] = yield* setAside.list
          assert.deepInclude(message, { reason: "expired", text: "first", source: "42", tries: 0 })
          yield* setAside.retry(message!.id)
          assert.strictEqual(yield* setAside.count, 0)
        }),
        { ...makeChannel("telegram", "other").channel, source: "43" }
      )
    })
  )

  it.effect("what was committed and not submitted when the process died is submitted at the next start", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.turns.refuse = Number.POSITIVE_INFINITY
      parts.channel.push(inbound("first"), inbound("second"))
      yield* run(parts, parts.channel.hasConfirmed(2))
      assert.deepStrictEqual(parts.turns.submitted, [])
      parts.turns.refuse = 0
      yield* run(parts, parts.turns.has(2))
      assert.deepStrictEqual(
        parts.turns.submitted.map((turn) => turn.text),
        ["first", "second"]
      )
    })
  )

  it.effect("a turn that is not taken in is tried again, and nothing overtakes it", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.turns.refuse = 3
      parts.channel.push(inbound("first"), inbound("second"))
      yield* run(parts, advancing(parts.turns.has(2)))
      assert.deepStrictEqual(
        parts.turns.submitted.map((turn) => turn.text),
        ["first", "second"]
      )
    })
  )

  it.effect("what cannot be stored is not confirmed", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.channel.push(inbound("hello"))
      yield* run(
        { ...parts, channel: makeChannel() },
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          yield* sql`ALTER TABLE channel_inbox RENAME TO elsewhere`
          const router = yield* ChannelRouter
          const supervisor = yield* Supervisor
          yield* router.add({ ...parts.channel.channel, accountId: "other" })
          const failed = supervisor.tree.pipe(
            Effect.map((tree) => tree.find((fiber) => fiber.name === "channels/telegram/other")?.lastCause),
            Effect.tap(Effect.yieldNow),
            Effect.repeat({ until: (cause) => cause !== undefined })
          )
          assert.include(yield* failed, "InboxFailed")
          assert.strictEqual(parts.channel.confirmed, 0)
          yield* sql`ALTER TABLE elsewhere RENAME TO channel_inbox`
          yield* advancing(parts.channel.hasConfirmed(1))
        })
      )
    })
  )

  it.effect("texts are kept only until a turn has them", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.channel.push(inbound("secret"))
      const next = inbound("next")
      yield* run(
        parts,
        Effect.gen(function* () {
          yield* parts.turns.has(1)
          parts.channel.push(next)
          yield* parts.turns.has(2)
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(yield* rows, [{ message: null }, { message: null }])
        })
      )
    })
  )

  it.effect("a session that cannot be noted does not stop the turn", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.sessions.broken = true
      parts.channel.push(inbound("hello"))
      yield* run(parts, parts.turns.has(1))
    })
  )

  it.effect("a configuration that never was readable admits nobody", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      yield* parts.config.breakIt
      parts.channel.push(inbound("one"))
      yield* run(parts, parts.channel.hasConfirmed(1))
      assert.strictEqual(parts.turns.calls, 0)
    })
  )
})

describe("supervision", () => {
  const ending = (error: ChannelUnauthorized | ChannelInterrupted): Channel => ({
    ...makeChannel().channel,
    receive: () => Effect.fail(error)
  })
  const fields = { channel: "telegram", accountId: "default", message: "no" }
  const receiver = Effect.map(
    Supervisor.use((supervisor) => supervisor.tree),
    (tree) => tree.find((fiber) => fiber.name === "channels/telegram/default")
  )

  it.effect("ChannelUnauthorized ends the channel; the rest goes on", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      yield* run(
        parts,
        Effect.gen(function* () {
          yield* TestClock.adjust("1 hour")
          assert.deepInclude(yield* receiver, { state: "failed", restarts: 0 })
          const tree = yield* (yield* Supervisor).tree
          assert.strictEqual(tree.find((fiber) => fiber.name.endsWith("/inbox"))?.state, "running")
        }),
        ending(new ChannelUnauthorized(fields))
      )
    })
  )

  it.effect("ChannelInterrupted is tried again, not before the time that the channel named", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      yield* run(
        parts,
        Effect.gen(function* () {
          yield* TestClock.adjust("59 minutes")
          const waiting = yield* receiver
          assert.deepInclude(waiting, { state: "backoff", restarts: 0 })
          assert.include(waiting?.lastCause, "ChannelInterrupted: no")
          yield* TestClock.adjust("2 minutes")
          assert.deepInclude(yield* receiver, { restarts: 1 })
        }),
        ending(new ChannelInterrupted({ ...fields, retryAfterMs: 3_600_000 }))
      )
    })
  )

  it.effect("a channel leaves with its scope", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      yield* run(
        parts,
        Effect.gen(function* () {
          const router = yield* ChannelRouter
          const supervisor = yield* Supervisor
          yield* Effect.scoped(router.add(makeChannel("telegram", "second").channel))
          assert.notInclude((yield* supervisor.tree).map((fiber) => fiber.name).join(), "second")
          const { channelAccounts } = yield* (yield* Channels).status()
          assert.deepStrictEqual(
            channelAccounts["telegram"]?.map((account) => account.accountId),
            ["default"]
          )
        })
      )
    })
  )
})
