/**
 * Notes what the database connection runs into, and finds out when it is over.
 *
 * A failure is noted where it happens. Recovery is not taken from the next statement that succeeds, because reading works
 * on a full disk and so does a small change in a page that is there: `watch` commits a probe of several pages.
 */
import type { DatabaseSync } from "node:sqlite"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as SqlClient from "effect/sql/SqlClient"
import { StorageHealth, type StorageStatus, type StorageTrouble } from "../../services/StorageHealth.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { observe } from "./observe.ts"
import { troubleOf } from "./trouble.ts"

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** The service, and how it comes to listen to connections. */
export const make = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const changes = yield* Queue.sliding<StorageStatus>(16)
  const now = () => Math.max(0, Math.floor(clock.currentTimeMillisUnsafe()))
  let status: StorageStatus = { condition: "ok", since: now(), failures: 0 }

  const change = (next: StorageStatus) => {
    const changed = next.condition !== status.condition
    status = next
    if (changed) Queue.offerUnsafe(changes, next)
  }

  const failed = (trouble: StorageTrouble, message: string) => {
    const at = now()
    // What is corrupt is not less so because the disk is full as well.
    const condition = status.condition === "corrupt" ? "corrupt" : trouble
    const goesOn = condition === status.condition
    change({
      condition,
      since: goesOn ? status.since : at,
      failures: goesOn ? status.failures + 1 : 1,
      lastFailureAt: at,
      message
    })
  }

  const connections = new Set<DatabaseSync>()

  const told = (cause: unknown) => {
    const trouble = troubleOf(cause)
    if (trouble === undefined) return
    const isFirst = trouble === "corrupt" && status.condition !== "corrupt"
    failed(trouble, textOf(cause))
    if (!isFirst) return
    // A damaged file is written to no more: nothing can then be confirmed that might not be there tomorrow.
    for (const db of connections) if (db.isOpen) db.exec("PRAGMA query_only = ON")
  }

  const proved = Effect.sync(() => {
    if (status.condition === "ok" || status.condition === "corrupt") return
    const { failures, lastFailureAt, message } = status
    change({
      condition: "ok",
      since: now(),
      failures,
      ...(lastFailureAt === undefined ? undefined : { lastFailureAt }),
      ...(message === undefined ? undefined : { message })
    })
  })

  const service = StorageHealth.of({
    status: Effect.sync(() => status),
    statusUnsafe: () => status,
    nextChange: Queue.take(changes),
    proved
  })
  return {
    service,
    observe: (db: DatabaseSync): void => {
      connections.add(db)
      observe(db, told)
    }
  }
})

/** Bytes that the probe stores: more than the free space that a full file still has in its pages. */
const probeBytes = 256 * 1024
const probePause = "1 second"

/** Stores something large and takes it back, each with a commit of its own. */
const probe = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql.withTransaction(sql`INSERT OR REPLACE INTO storage_probe (id, filler) VALUES (1, zeroblob(${probeBytes}))`)
  yield* sql.withTransaction(sql`DELETE FROM storage_probe`)
})

const advice: Readonly<Record<StorageTrouble, string>> = {
  full: "the disk is full: nothing new is taken in until there is room; it then goes on by itself",
  "read-only": "the storage is read-only: nothing new is taken in until it can be written; it then goes on by itself",
  "io-error":
    "the storage fails: nothing new is taken in until it works; it then goes on by itself. Check the disk, and restart the Gateway when it stays like this",
  locked: "another program holds the database: nothing new is taken in until it lets go",
  corrupt:
    "the database is damaged and is not written to any more. Stop the Gateway, then restore a backup with `openclaw backup restore <archive>`"
}

const tell = ({ condition, failures, message }: StorageStatus) =>
  condition === "ok"
    ? Effect.logInfo(`the storage works again, after ${failures} failures (${message})`)
    : Effect.logError(`${advice[condition]} (${message})`)

/** Tells each change once, and probes while there is trouble. Does nothing where nobody keeps the storage's health. */
export const watch: Layer.Layer<never, never, SqlClient.SqlClient | Supervisor> = Layer.effectDiscard(
  Effect.gen(function* () {
    const found = yield* Effect.serviceOption(StorageHealth)
    if (Option.isNone(found)) return
    const health = found.value
    const supervisor = yield* Supervisor
    const sql = yield* SqlClient.SqlClient
    const tried = Effect.ignore(Effect.andThen(Effect.provideService(probe, SqlClient.SqlClient, sql), health.proved))
    const isCurable = Effect.map(health.status, ({ condition }) => condition !== "ok" && condition !== "corrupt")
    const once = Effect.gen(function* () {
      // A fiber that died in the middle of trouble was told of it already: it probes first.
      if (!(yield* isCurable)) yield* tell(yield* health.nextChange)
      while (yield* isCurable) {
        yield* tried
        const next = yield* Effect.timeoutOption(health.nextChange, probePause)
        if (Option.isSome(next)) yield* tell(next.value)
      }
    })
    yield* supervisor.supervise("storage/health", Effect.forever(once), { restart: "always" })
  })
)
