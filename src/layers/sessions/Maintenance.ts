/**
 * Keeps what was said from growing for ever, as `session.maintenance` in the configuration says.
 *
 * - A session's newest 1,000 messages stay, whatever their age; that is several times what a model is shown. What is older than
 *   `pruneAfter` and not among them goes, and so does everything beyond the newest 20,000.
 * - A session that nobody used for `pruneAfter` goes when there are more than `maxEntries`, the one that was used longest ago
 *   first. Before those go conversations that nobody can continue, whatever their age: each completion over HTTP that names no
 *   user is one.
 * - When the database has more than `maxDiskBytes`, sessions go the same way until it has `highWaterBytes`. One that was used
 *   within `preserveRecent`, or has a turn that has not ended, never goes.
 * - What people pinned or archived is theirs: it never goes, and what is archived does not count.
 *
 * With mode `warn` nothing goes, and the log tells what would.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type { SessionKey } from "../../domain/SessionKey.ts"
import { Config } from "../../services/Config.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { considerate, untilDone } from "../pauses.ts"
import { type Policy, policyOf } from "./policy.ts"

export interface MaintenanceOptions {
  /** Messages of a session that stay whatever their age. */
  readonly leastMessages: number
  /** Messages of a session that stay at most. */
  readonly mostMessages: number
  /** Milliseconds from the start to the first look. */
  readonly firstMs: number
  /** Milliseconds from one look to the next. */
  readonly everyMs: number
}

const defaults: MaintenanceOptions = {
  leastMessages: 1_000,
  mostMessages: 20_000,
  firstMs: 30_000,
  everyMs: 10 * 60_000
}

/** Rows that go in one statement. */
const batch = 500
/** Sessions that are looked at in one step. */
const page = 100

/** Keys that are made up for one request and told to nobody. */
const PASSING = "agent:*:openai:????????-????-????-????-????????????"

interface SessionSize {
  readonly key: SessionKey
  readonly last_seq: number
}

/** One look at everything: what it does with what it finds is for the policy to say. */
export const make = Effect.fnUntraced(function* (options: MaintenanceOptions) {
  const sql = yield* SqlClient.SqlClient

  /** Takes some of a session's oldest messages away. Whether there may be more to take. */
  const trim = (session: SessionSize, policy: Policy, now: number) =>
    Effect.map(
      sql`
        DELETE FROM transcript WHERE session_key = ${session.key} AND seq IN (
          SELECT seq FROM transcript
          WHERE session_key = ${session.key} AND seq <= ${session.last_seq - options.leastMessages}
          ORDER BY seq LIMIT ${batch}
        ) AND (seq <= ${session.last_seq - options.mostMessages} OR created_at < ${now - policy.pruneAfterMs})
        RETURNING seq`,
      (gone) => gone.length === batch
    )

  /** Of some sessions those with messages to take away. The oldest message tells. */
  const tooLong = (after: SessionKey | "", policy: Policy, now: number) =>
    sql<SessionSize & { readonly due: number }>`
      SELECT key, last_seq, COALESCE((
        SELECT seq <= last_seq - ${options.mostMessages}
          OR (seq <= last_seq - ${options.leastMessages} AND created_at < ${now - policy.pruneAfterMs})
        FROM transcript WHERE session_key = key ORDER BY seq LIMIT 1
      ), 0) AS due
      FROM sessions WHERE key > ${after} ORDER BY key LIMIT ${page}`

  const trimAll = Effect.fnUntraced(function* (policy: Policy, now: number) {
    let after: SessionKey | "" = ""
    let trimmed = 0
    while (true) {
      const sessions: ReadonlyArray<SessionSize & { readonly due: number }> = yield* considerate(
        tooLong(after, policy, now)
      )
      for (const session of sessions) {
        if (session.due === 0) continue
        trimmed += 1
        if (policy.enforced) yield* untilDone(trim(session, policy, now))
      }
      const last = sessions.at(-1)
      if (last === undefined || sessions.length < page) return trimmed
      after = last.key
    }
  })

  /** The session that was used longest ago, before a time, and has nothing to do; of those whose key is like this. */
  const oldest = (before: number, like: string) =>
    Effect.map(
      sql<{ readonly key: SessionKey }>`
        SELECT key FROM sessions WHERE updated_at < ${before} AND pinned_at IS NULL AND archived_at IS NULL
        AND key GLOB ${like} AND NOT EXISTS (SELECT 1 FROM turns WHERE session_key = key AND finished_at IS NULL)
        ORDER BY updated_at LIMIT 1`,
      (rows) => rows[0]?.key
    )

  /** Takes a session away. One that is used again meanwhile stays, shorter than it was. */
  const remove = Effect.fnUntraced(function* (key: SessionKey, before: number) {
    const some = Effect.map(
      sql`
        DELETE FROM transcript WHERE session_key = ${key} AND seq IN (
          SELECT seq FROM transcript WHERE session_key = ${key} ORDER BY seq LIMIT ${batch}
        ) AND EXISTS (
          SELECT 1 FROM sessions
          WHERE key = ${key} AND updated_at < ${before} AND pinned_at IS NULL AND archived_at IS NULL
        )
        AND NOT EXISTS (SELECT 1 FROM turns WHERE session_key = ${key} AND finished_at IS NULL) RETURNING seq`,
      (gone) => gone.length > 0
    )
    yield* untilDone(some)
    yield* sql`
      DELETE FROM sessions WHERE key = ${key} AND updated_at < ${before}
      AND NOT EXISTS (SELECT 1 FROM transcript WHERE session_key = ${key})
      AND NOT EXISTS (SELECT 1 FROM turns WHERE session_key = ${key} AND finished_at IS NULL)`
  })

  /** Takes sessions away, the least used first, for as long as there are too many. */
  const removeWhile = Effect.fnUntraced(function* <E>(before: number, tooMany: Effect.Effect<boolean, E>, like = "*") {
    let removed = 0
    while (yield* tooMany) {
      const key = yield* oldest(before, like)
      if (key === undefined) break
      yield* considerate(remove(key, before))
      removed += 1
    }
    return removed
  })

  const count = Effect.map(
    sql<{ readonly n: number }>`SELECT COUNT(*) AS n FROM sessions WHERE archived_at IS NULL`,
    (rows) => rows[0]?.n ?? 0
  )

  /** Bytes of the database that are in use. */
  const bytes = Effect.map(
    sql<{ readonly n: number }>`
      SELECT (page_count - freelist_count) * page_size AS n
      FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
    (rows) => rows[0]?.n ?? 0
  )

  return Effect.fn("SessionMaintenance.look")(function* (policy: Policy) {
    const now = yield* Clock.currentTimeMillis
    const trimmed = yield* trimAll(policy, now)
    const tooMany = Effect.map(count, (n) => n > policy.maxEntries)
    const isBig = (yield* bytes) > policy.maxDiskBytes
    if (!policy.enforced) {
      if (trimmed > 0) yield* Effect.logWarning(`${trimmed} sessions have messages that mode "enforce" would take away`)
      if (isBig) yield* Effect.logWarning("the state database is bigger than session.maintenance.maxDiskBytes")
      return
    }
    const recent = now - policy.preserveRecentMs
    const passing = yield* removeWhile(recent, tooMany, PASSING)
    const removed = passing + (yield* removeWhile(Math.min(recent, now - policy.pruneAfterMs), tooMany))
    const forRoom = isBig
      ? yield* removeWhile(
          recent,
          Effect.map(bytes, (n) => n > policy.highWaterBytes)
        )
      : 0
    if (removed + forRoom > 0) yield* Effect.logInfo(`${removed + forRoom} sessions that were not used were removed`)
    if (isBig && (yield* bytes) > policy.maxDiskBytes) {
      yield* Effect.logWarning(
        "the state database stays bigger than session.maintenance.maxDiskBytes: all else is in use"
      )
    }
  })
})

/** Looks for as long as the scope lives. */
export const layer = (
  options: Partial<MaintenanceOptions> = {}
): Layer.Layer<never, never, Config | SqlClient.SqlClient | Supervisor> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const config = yield* Config
      const supervisor = yield* Supervisor
      const settings = { ...defaults, ...options }
      const look = yield* make(settings)
      const once = Effect.flatMap(config.get, (current) => look(policyOf(current))).pipe(
        Effect.catch((error) => Effect.logWarning(`old messages stay for now: ${error.message}`))
      )
      yield* supervisor.supervise(
        "transcripts/maintenance",
        Effect.delay(Effect.repeat(once, Schedule.spaced(settings.everyMs)), settings.firstMs),
        { restart: "always" }
      )
    })
  )
