/**
 * The way in is closed before the way out: nothing is taken in any more, nothing is lost, and messages still leave.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ChannelRouter, Channels } from "../../src/services/ChannelRouter.ts"
import { Supervisor } from "../../src/services/Supervisor.ts"
import { groupPeer, inbound, makeChannel } from "./kit.ts"
import { rig, rows, run } from "./rig.ts"

const states = Effect.gen(function* () {
  const tree = yield* (yield* Supervisor).tree
  const own = tree.filter(({ name }) => name.startsWith("channels/telegram/"))
  return Object.fromEntries(own.map(({ name, state }) => [name.replace("channels/telegram/", ""), state]))
})

describe("once it is paused", () => {
  it.live("nothing is received, and messages leave as before", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      const { channel, turns } = parts
      const effect = Effect.gen(function* () {
        const router = yield* ChannelRouter
        channel.push(inbound("one"))
        yield* turns.has(1)
        assert.deepStrictEqual(yield* states, { default: "running", "default/inbox": "running" })
        yield* router.pause
        assert.deepStrictEqual(yield* states, { default: "stopped", "default/inbox": "stopped" })
        channel.push(inbound("two"))
        yield* Effect.repeat(Effect.yieldNow, { times: 100 })
        assert.strictEqual(channel.confirmed, 1)
        yield* (yield* Channels).deliver({ peer: groupPeer("7"), text: "bye", idempotencyKey: "k" })
        assert.strictEqual(channel.sent.at(-1)?.text, "bye")
        // Nor by an account that the configuration gets meanwhile.
        const other = makeChannel("telegram", "other")
        yield* router.add(other.channel)
        other.push(inbound("three"))
        yield* Effect.repeat(Effect.yieldNow, { times: 100 })
        assert.strictEqual(other.confirmed, 0)
        assert.hasAllKeys(yield* states, ["default", "default/inbox"])
      })
      yield* run(parts, effect)
      // What was not confirmed comes again.
      yield* run(parts, turns.has(2))
    })
  )

  it.live("what is in the inbox waits for the next start, also what was being handled", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      const { channel, turns } = parts
      turns.hang = true
      const effect = Effect.gen(function* () {
        channel.push(inbound("one"))
        yield* turns.asked(1)
        yield* (yield* ChannelRouter).pause
        assert.deepStrictEqual(yield* states, { default: "stopped", "default/inbox": "stopped" })
        assert.isNotNull((yield* rows)[0]?.message)
      })
      yield* run(parts, effect)
      turns.hang = false
      yield* run(parts, turns.has(1))
    })
  )
})
