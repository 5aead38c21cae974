import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import { lookMs, ttlMs } from "../../src/layers/channels/Lease.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import type { Channel } from "../../src/services/Channel.ts"
import { ChannelRouter } from "../../src/services/ChannelRouter.ts"
import { inbound, makeChannel, stackOf } from "./kit.ts"
import { advancing, rig, type Rig } from "./rig.ts"

const us = { id: "us", process: "us-1" }
const them = { id: "them", process: "them-1" }

/** A channel for which only one program may receive, and what it was told. */
const exclusive = (accountId = "default") => {
  const fake = makeChannel("telegram", accountId)
  const whys: Array<string> = []
  const channel: Channel = { ...fake.channel, source: "42", standby: (why) => Effect.sync(() => void whys.push(why)) }
  return Object.assign(fake, { channel, whys })
}

/** Gateways that share a database. */
const shared = Effect.gen(function* () {
  const parts = yield* rig()
  const services = yield* Layer.build(Storage.layer({ filename: parts.filename }))
  return { ...parts, sql: Context.get(services, SqlClient.SqlClient) }
})
type Shared = Effect.Success<typeof shared>

/** One life of a Gateway over the rig's database. */
const live = Effect.fnUntraced(function* (
  parts: Shared,
  identity: Rig["identity"],
  ...channels: ReadonlyArray<Channel>
) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const services = yield* Layer.buildWithScope(stackOf({ ...parts, identity }), scope)
  for (const channel of channels) yield* Scope.provide(Context.get(services, ChannelRouter).add(channel), scope)
  return { stop: Scope.close(scope, Exit.void) }
})

/** Waits until a Gateway has seen that another has the lease. Its waiting is then measured from this moment on. */
const seen = (watcher: ReturnType<typeof exclusive>) =>
  Effect.repeat(Effect.yieldNow, { until: () => watcher.whys.length > 0 })

/** The lease as a Gateway leaves it that is killed. */
const killed = (sql: SqlClient.SqlClient, owner: string) =>
  sql`
    INSERT INTO channel_leases (channel, source, owner, process, account_id, epoch, beat)
    VALUES ('telegram', '42', ${owner}, 'dead', 'default', 7, 3)
    ON CONFLICT DO UPDATE SET owner = excluded.owner, process = 'dead', epoch = 7, beat = 3, released = 0`

const epoch = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ epoch: number }>`SELECT epoch FROM channel_leases`, (rows) => rows[0]?.epoch)

describe("who receives for a bot", () => {
  it.effect("of two Gateways on one database one does, and the other when it ends", () =>
    Effect.gen(function* () {
      const parts = yield* shared
      const [one, two] = [exclusive(), exclusive()]
      const first = yield* live(parts, us, one.channel)
      yield* live(parts, them, two.channel)
      two.push(inbound("early"))
      yield* seen(two)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(two.confirmed, 0)
      assert.include(two.whys, "another Gateway receives for this bot")
      one.push(inbound("hello"))
      yield* one.hasConfirmed(1)
      yield* first.stop
      yield* advancing(two.hasConfirmed(1))
    })
  )

  it.effect("a Gateway that was killed is waited out by others, by a clock that nobody sets", () =>
    Effect.gen(function* () {
      const parts = yield* shared
      const two = exclusive()
      const { sql } = parts
      yield* killed(sql, "us")
      yield* live(parts, them, two.channel)
      two.push(inbound("hello"))
      yield* seen(two)
      yield* TestClock.adjust(ttlMs - lookMs)
      assert.strictEqual(two.confirmed, 0)
      yield* advancing(two.hasConfirmed(1))
      assert.strictEqual(yield* epoch(sql), 8)
    })
  )

  it.effect("a Gateway that starts again after a kill receives at once", () =>
    Effect.gen(function* () {
      const parts = yield* shared
      const { sql } = parts
      yield* killed(sql, "us")
      const one = exclusive()
      one.push(inbound("hello"))
      yield* live(parts, { id: "us", process: "us-2" }, one.channel)
      yield* one.hasConfirmed(1)
      assert.deepStrictEqual(one.whys, [])
    })
  )

  it.effect("two state directories with one id do not take it from each other in turns", () =>
    Effect.gen(function* () {
      const parts = yield* shared
      const [one, two] = [exclusive(), exclusive()]
      const { sql } = parts
      yield* live(parts, us, one.channel)
      yield* live(parts, { id: "us", process: "copy" }, two.channel)
      // The first yields once, to the copy that cannot know better, and then nobody does.
      while (one.whys.length === 0) yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* epoch(sql), 2)
    })
  )

  it.effect("of two accounts with one bot one does, and the other names it", () =>
    Effect.gen(function* () {
      const parts = yield* shared
      const [one, two] = [exclusive("a"), exclusive("b")]
      yield* live(parts, us, one.channel, two.channel)
      two.push(inbound("hello"))
      yield* seen(two)
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual([...new Set(two.whys)], ["account a of this Gateway receives for this bot"])
      assert.strictEqual(two.confirmed, 0)
    })
  )

  it.effect("a holder that slept through the loss of its lease stores and confirms nothing", () =>
    Effect.gen(function* () {
      const parts = yield* shared
      const one = exclusive()
      const { sql } = parts
      yield* live(parts, us, one.channel)
      yield* killed(sql, "them")
      one.push(inbound("hello"))
      while (one.whys.length === 0) yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(one.whys.slice(0, 1), ["another Gateway receives for this bot"])
      assert.strictEqual(one.confirmed, 0)
      assert.deepStrictEqual(yield* sql`SELECT seq FROM channel_inbox`, [])
      // Whoever took it is dead as well.
      yield* advancing(one.hasConfirmed(1))
      assert.strictEqual(yield* epoch(sql), 8)
    })
  )

  it.effect("while leases cannot be stored nobody receives, the channel says so, and it recovers", () =>
    Effect.gen(function* () {
      const parts = yield* shared
      const one = exclusive()
      one.push(inbound("hello"))
      const { sql } = parts
      yield* sql`ALTER TABLE channel_leases RENAME TO elsewhere`
      yield* live(parts, us, one.channel)
      assert.include(one.whys.join(), "the lease cannot be used")
      assert.strictEqual(one.confirmed, 0)
      yield* sql`ALTER TABLE elsewhere RENAME TO channel_leases`
      yield* advancing(one.hasConfirmed(1))
    })
  )
})
