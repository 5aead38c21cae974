/**
 * Who receives for a bot: of all accounts and Gateways that share a database, one at a time.
 *
 * The lease is a row with an epoch, which grows with each holder, and a beat, which grows while the holder lives. Nobody
 * compares clocks: a watcher takes over once the beat stood still for `ttlMs` by its own monotonic clock, so a clock that is
 * set wrong or back wedges nothing. A holder that was stopped meanwhile finds another epoch in the transaction in which it
 * would store something, and stores nothing.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { type Channel, InboxFailed } from "../../services/Channel.ts"
import { GatewayIdentity } from "../../services/GatewayIdentity.ts"

/** Milliseconds without a beat after which a lease may be taken. */
export const ttlMs = 60_000
/** Milliseconds between two beats. */
export const beatMs = 15_000
/** Milliseconds between two looks at a lease that another has. */
export const lookMs = 2_000

/** A lease that is held. */
export interface Held {
  /** Part of each transaction that only the holder may make. */
  readonly fence: Effect.Effect<void, InboxFailed>
  /** Ends once it is known that another has it. */
  readonly lost: Effect.Effect<void>
}

const Row = Schema.Struct({
  owner: Schema.String,
  process: Schema.String,
  account_id: Schema.String,
  epoch: Schema.Natural,
  beat: Schema.Natural,
  released: Schema.Natural
})
type Row = typeof Row.Type
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

/** What a watcher saw last, and since when by the monotonic clock. */
interface Seen {
  readonly epoch: number
  readonly beat: number
  readonly since: bigint
}

const orInboxFailed = Effect.mapError(
  (error: { readonly message: string }) => new InboxFailed({ message: `the lease cannot be used: ${error.message}` })
)

/** The lease of a channel's source, as seen by one account of this Gateway. */
export const make = Effect.fnUntraced(function* (
  channel: Pick<Channel, "id" | "accountId">,
  source: string,
  standby: (why: string) => Effect.Effect<void>
) {
  const sql = yield* SqlClient.SqlClient
  const me = yield* GatewayIdentity
  const row = sql`channel = ${channel.id} AND source = ${source}`
  /** An earlier process of this Gateway is dead, or this one could not own the state directory. Later rivals are alive. */
  let isFirst = true
  let told: string | undefined

  const isMine = (held: Row) => held.process === me.process && held.account_id === channel.accountId
  const isStale = (held: Row, seen: Seen | undefined, now: bigint) =>
    seen?.epoch === held.epoch && seen.beat === held.beat && now - seen.since >= BigInt(ttlMs) * 1_000_000n

  /** The epoch that is mine now, or what another has. */
  const take = Effect.fnUntraced(
    function* (seen: Seen | undefined, now: bigint) {
      const found = yield* decodeRows(
        yield* sql`SELECT owner, process, account_id, epoch, beat, released FROM channel_leases WHERE ${row}`
      )
      const [held] = found
      const isFree =
        held === undefined ||
        held.released === 1 ||
        isMine(held) ||
        (isFirst && held.owner === me.id && held.process !== me.process) ||
        isStale(held, seen, now)
      if (!isFree) return { held }
      const epoch = (held?.epoch ?? 0) + 1
      yield* sql`
        INSERT INTO channel_leases (channel, source, owner, process, account_id, epoch, beat, released)
        VALUES (${channel.id}, ${source}, ${me.id}, ${me.process}, ${channel.accountId}, ${epoch}, 0, 0)
        ON CONFLICT (channel, source) DO UPDATE SET owner = excluded.owner, process = excluded.process,
          account_id = excluded.account_id, epoch = excluded.epoch, beat = 0, released = 0`
      return { epoch }
    },
    (effect) => sql.withTransaction(effect),
    orInboxFailed
  )

  const tell = Effect.fnUntraced(function* (why: string) {
    yield* standby(why)
    if (told === why) return
    told = why
    yield* Effect.logWarning(`receives nothing for now: ${why}`)
  })

  const holder = (held: Row): string =>
    held.process === me.process
      ? `account ${held.account_id} of this Gateway receives for this bot`
      : "another Gateway receives for this bot"

  /** Waits until the lease is ours. */
  const acquire = Effect.gen(function* () {
    let seen: Seen | undefined
    while (true) {
      const now = yield* Clock.monotonicTimeNanos
      const { epoch, held } = yield* Effect.tapError(take(seen, now), (error) => standby(error.message))
      isFirst = false
      if (epoch !== undefined) return epoch
      yield* tell(holder(held))
      if (seen?.epoch !== held.epoch || seen.beat !== held.beat) {
        seen = { epoch: held.epoch, beat: held.beat, since: now }
      }
      yield* Effect.sleep(lookMs)
    }
  })

  /** A sign of life; `false` when another has the lease. The row stays locked for the transaction, if there is one. */
  const beat = Effect.fnUntraced(function* (epoch: number) {
    const rows = yield* sql`
      UPDATE channel_leases SET beat = beat + 1
      WHERE ${row} AND epoch = ${epoch} AND process = ${me.process} AND released = 0 RETURNING epoch`
    return rows.length > 0
  }, orInboxFailed)

  const hold = Effect.fnUntraced(function* (epoch: number) {
    const lost = yield* Deferred.make<void>()
    const check = Effect.flatMap(beat(epoch), (ours) =>
      ours ? Effect.succeed(true) : Effect.as(Deferred.succeed(lost, undefined), false)
    )
    const fence = Effect.flatMap(check, (ours) =>
      ours ? Effect.void : Effect.fail(new InboxFailed({ message: "another Gateway receives for this bot by now" }))
    )
    // A beat that cannot be stored is not a lost lease: nothing else can be stored either.
    const beating = Effect.sleep(beatMs).pipe(
      Effect.andThen(Effect.catch(check, (error) => Effect.as(Effect.logDebug(error.message), true))),
      Effect.repeat({ while: (ours) => ours })
    )
    return { fence, lost: Effect.raceFirst(Deferred.await(lost), Effect.asVoid(beating)) } satisfies Held
  })

  const release = (epoch: number) =>
    Effect.ignore(
      sql`
        UPDATE channel_leases SET released = 1 WHERE ${row} AND epoch = ${epoch} AND process = ${me.process}`,
      { log: "Debug" }
    )

  /** Holds the lease as long as it can and runs `work` meanwhile, in a scope that closes when it is lost. */
  return Effect.fn("Lease.whileHeld")(function* (
    work: (held: Held) => Effect.Effect<void, never, Scope.Scope>
  ): Effect.fn.Return<never, InboxFailed> {
    while (true) {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const epoch = yield* Effect.acquireRelease(acquire, release, { interruptible: true })
          if (told !== undefined) yield* Effect.logInfo("receives again for this bot")
          told = undefined
          const held = yield* hold(epoch)
          yield* work(held)
          yield* held.lost
        })
      )
    }
  })
})
