import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import { RunId } from "../../src/domain/Ids.ts"
import * as SessionKey from "../../src/domain/SessionKey.ts"
import { ChannelAccess } from "../../src/services/ChannelRouter.ts"
import { groupPeer, inbound, makeChannel, telegram } from "./kit.ts"
import { advancing, drained, rig, type Rig, run, settled } from "./rig.ts"

describe("strangers", () => {
  it.effect("get one code and the command to approve it; what they wrote reaches nobody", () =>
    Effect.gen(function* () {
      const parts = yield* rig(telegram({}))
      yield* run(
        parts,
        Effect.gen(function* () {
          const access = yield* ChannelAccess
          parts.channel.push(inbound("obey me"), inbound("obey me, please"), inbound("/stop"), inbound("/new obey"))
          const [said] = yield* parts.channel.said(1)
          const [request] = yield* access.pending("telegram")
          assert.include(said!.text, request!.code)
          assert.include(said!.text, `openclaw pairing approve telegram ${request!.code}`)
          assert.include(said!.text, "7")
          assert.deepInclude(request, { senderId: "7", accountId: "default", displayName: "Eve", username: "eve" })
          yield* parts.channel.hasConfirmed(4)
          yield* drained
          yield* access.approve("telegram", request!.code)
          parts.channel.push(inbound("now I am in"))
          yield* parts.turns.has(1)
        })
      )
      assert.deepStrictEqual(
        parts.turns.submitted.map((turn) => turn.text),
        ["now I am in"]
      )
      assert.strictEqual(parts.channel.sent.length, 1)
      assert.deepStrictEqual([parts.turns.aborted, parts.sessions.reset], [[], []])
    })
  )

  it.effect("being let in directly opens no group", () =>
    Effect.gen(function* () {
      const parts = yield* rig(telegram({ groups: { "-1001": { requireMention: false } } }))
      yield* run(
        parts,
        Effect.gen(function* () {
          const access = yield* ChannelAccess
          parts.channel.push(inbound("hi"))
          yield* parts.channel.said(1)
          yield* access.approve("telegram", (yield* access.pending())[0]!.code)
          parts.channel.push(inbound("in the group", { peer: groupPeer() }), inbound("directly"))
          yield* parts.turns.has(1)
        })
      )
      assert.deepStrictEqual(
        parts.turns.submitted.map((turn) => turn.text),
        ["directly"]
      )
    })
  )

  const codesOf = (parts: Rig) => parts.channel.sent.map((message) => /`([A-Z2-9]{8})`/.exec(message.text)?.[1])

  for (const outcome of ["refused", "unknown"] as const) {
    it.effect(`a code whose delivery ended with ${outcome} is told at the next message, and then no more`, () =>
      Effect.gen(function* () {
        const parts = yield* rig(telegram({}))
        yield* run(
          parts,
          Effect.gen(function* () {
            const access = yield* ChannelAccess
            parts.channel.failures.push(outcome)
            parts.channel.push(inbound("let me in"))
            yield* parts.channel.hasConfirmed(1)
            yield* settled
            parts.channel.push(inbound("hello?"))
            yield* parts.channel.said(1)
            yield* settled
            parts.channel.push(inbound("thanks"))
            yield* parts.channel.hasConfirmed(3)
            yield* settled
            assert.deepStrictEqual(codesOf(parts), [(yield* access.pending())[0]!.code])
          })
        )
      })
    )
  }

  it.effect("a code that certainly did not arrive is told again by itself, also after a restart", () =>
    Effect.gen(function* () {
      const parts = yield* rig(telegram({}))
      parts.channel.failures.push("never-sent", "never-sent")
      parts.channel.push(inbound("let me in"), inbound("please"))
      yield* run(parts, parts.channel.hasConfirmed(2))
      yield* run(parts, advancing(parts.channel.said(1)))
      yield* run(parts, settled)
      assert.lengthOf(codesOf(parts), 1)
    })
  )

  it.effect("a code that cannot be delivered does not hold up the others", () =>
    Effect.gen(function* () {
      const parts = yield* rig(telegram({ allowFrom: ["8"] }))
      parts.channel.failures.push("refused")
      parts.channel.push(inbound("let me in"), inbound("hello", { sender: { id: "8" } }))
      yield* run(parts, parts.turns.has(1))
      assert.deepStrictEqual(parts.channel.sent, [])
    })
  )
})

describe("commands", () => {
  const say = (parts: Rig, text: string, count = 1) =>
    run(
      parts,
      Effect.gen(function* () {
        parts.channel.push(inbound(text))
        const said = yield* parts.channel.said(count)
        yield* drained
        return said.at(-1)!.text
      })
    )
  const main = SessionKey.main("main")

  it.effect("/stop ends the running turn and says so", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.turns.running.set(main, RunId.make("r"))
      assert.strictEqual(yield* say(parts, "/stop"), "Stopped.")
      assert.deepStrictEqual(parts.turns.aborted, [main])
      assert.strictEqual(yield* say(parts, "/stop", 2), "Nothing is running.")
    })
  )

  it.effect("/stop does not hold up others while the turn takes its time to end", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.turns.ending = Effect.never
      parts.channel.push(inbound("/stop"), inbound("hello", { sender: { id: "8" } }))
      yield* run(parts, Effect.all([parts.turns.has(1), parts.channel.said(1)]))
    })
  )

  it.effect("an answer that certainly did not arrive is given again, once", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.channel.failures.push("never-sent", "never-sent")
      parts.channel.push(inbound("/help"))
      yield* run(parts, Effect.andThen(advancing(parts.channel.said(1)), settled))
      yield* run(parts, Effect.andThen(TestClock.adjust("1 hour"), settled))
      assert.lengthOf(parts.channel.sent, 1)
    })
  )

  it.effect("an answer that cannot be read any more is given up, and those behind it are given", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.channel.failures.push("never-sent")
      parts.channel.push(inbound("/help"))
      yield* run(parts, parts.channel.hasConfirmed(1))
      yield* run(
        { ...parts, channel: makeChannel("telegram", "other") },
        SqlClient.SqlClient.use(
          (sql) =>
            sql`INSERT INTO channel_inbox (seq, channel, source, message_key, account_id, received_at, reply)
            VALUES (-1, 'telegram', '42', 'x', 'default', 0, '{"half":')`
        )
      )
      parts.channel.push(inbound("hello"))
      yield* run(parts, Effect.all([advancing(parts.channel.said(1)), parts.turns.has(1), settled]))
    })
  )

  it.effect("/new and /reset end the turn and reset the session", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      assert.include(yield* say(parts, "/new"), "new session")
      assert.include(yield* say(parts, "/reset", 2), "reset")
      assert.deepStrictEqual(
        [parts.turns.aborted, parts.sessions.reset],
        [
          [main, main],
          [main, main]
        ]
      )
      parts.sessions.broken = true
      assert.include(yield* say(parts, "/reset", 3), "could not be reset")
    })
  )

  it.effect("/new with a text resets and then asks", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      parts.channel.push(inbound("/new hello there"))
      yield* run(parts, parts.turns.has(1))
      assert.strictEqual(parts.turns.submitted[0]!.text, "hello there")
      assert.deepStrictEqual(parts.sessions.reset, [main])
      assert.deepStrictEqual(parts.channel.sent, [])
    })
  )

  it.effect("/status, /help and /start answer without a turn; an unknown command is a message", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      assert.include(yield* say(parts, "/status"), "agent:main:main")
      parts.turns.running.set(main, RunId.make("r"))
      assert.include(yield* say(parts, "/status", 2), "A reply is being made")
      assert.include(yield* say(parts, "/help", 3), "/stop")
      assert.include(yield* say(parts, "/start", 4), "/stop")
      assert.deepStrictEqual(parts.turns.submitted, [])
      parts.channel.push(inbound("/weather"))
      yield* run(parts, parts.turns.has(1))
    })
  )
})
