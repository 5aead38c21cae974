/**
 * Group commit: transactions of many fibers share one `COMMIT`, and with it one wait for the disk.
 *
 * A transaction is a savepoint in the group that is open. When it ends it lets the next one in, and its fiber goes on only
 * after the group's `COMMIT`, so whoever was told "committed" can rely on it as before. Who opened the group commits it once
 * those that were waiting have had their turn; a lone transaction waits for nobody.
 *
 * A transaction that fails takes only its own savepoint back. A `COMMIT` that fails, or an error for which SQLite gives up the
 * whole transaction (a full disk), fails all transactions of the group.
 *
 * Reading outside of a transaction goes through a connection of its own and sees what is committed, nothing else.
 */
import type { DatabaseSync } from "node:sqlite"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Connection } from "effect/sql/SqlConnection"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { make as makeConnection, sqlError } from "./connection.ts"

/** The name of a transaction's savepoint; those nested in it have other names. */
const SAVEPOINT = "openclaw_transaction"

interface Group {
  readonly committed: Deferred.Deferred<void, SqlError>
  isOpen: boolean
}

/** A transaction's place in a group. It holds the connection until it leaves. */
interface Seat {
  readonly group: Group
  /** Opened the group, and so commits it. */
  readonly leads: boolean
  /** Holds the lock until it is closed. */
  readonly hold: Scope.Closeable
}

export interface GroupCommit {
  /** Runs statements outside of transactions. */
  readonly plain: Connection
  /** Runs those of the transaction that is inside. */
  readonly inside: Connection
  /** Lends the writing connection with no group open; nobody else writes until the scope closes. */
  readonly exclusive: Effect.Effect<Connection, SqlError, Scope.Scope>
  /** Enters a group; the scope leaves it. Waiting for it can be interrupted. */
  readonly enter: (restore: Restore) => Effect.Effect<void, SqlError, Scope.Scope>
  /** What follows is for the one that is inside. */
  readonly begin: Effect.Effect<void, SqlError>
  /** Ends the transaction and waits until its group is on the disk. */
  readonly commit: Effect.Effect<void, SqlError>
  readonly rollback: Effect.Effect<void, SqlError>
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export interface GroupCommitOptions {
  /** The connection that writes. */
  readonly db: DatabaseSync
  /** One that reads the same database. */
  readonly reader: DatabaseSync
  /** Milliseconds that another program may hold the file before a transaction fails. */
  readonly busyTimeoutMs: number
}

const lost = new SqlError({
  reason: new ConnectionError({
    message: "the transaction was given up by the database after an error",
    operation: "execute",
    cause: undefined
  })
})

const BUSY_PAUSE = 20
const isBusy = ({ reason }: SqlError): boolean => reason._tag === "LockTimeoutError"

const isRead = (sql: string): boolean => /^\s*SELECT\b/i.test(sql)
/** What SQLite refuses or ignores inside a transaction. */
const isOutside = (sql: string): boolean => /^\s*(?:PRAGMA|VACUUM|ATTACH|DETACH)\b/i.test(sql)

export const make = (options: GroupCommitOptions): GroupCommit => {
  const { busyTimeoutMs, db } = options
  const lock = Semaphore.makeUnsafe(1)
  const writer = makeConnection(db)
  const reader = makeConnection(options.reader)
  /** A group is open. Asking a database that is closed already would throw. */
  const isAlive = () => db.isOpen && db.isTransaction
  let current: Group | undefined
  /** Who holds the lock as a transaction. */
  let inside: Seat | undefined

  const exec = (sql: string): Effect.Effect<void, SqlError> =>
    Effect.try({
      try: () => db.exec(sql),
      catch: (cause) => sqlError(cause, sql)
    })

  const close = (group: Group, result: Effect.Effect<void, SqlError>) =>
    Effect.suspend(() => {
      if (!group.isOpen) return Effect.void
      group.isOpen = false
      if (current === group) current = undefined
      return Effect.asVoid(Deferred.completeWith(group.committed, result))
    })

  /** Commits what is there. For whoever holds the lock. */
  const commitGroup = (group: Group) =>
    Effect.suspend(() => {
      if (!group.isOpen) return Effect.void
      if (!isAlive()) return close(group, Effect.fail(lost))
      return exec("COMMIT").pipe(
        Effect.matchEffect({
          onFailure: (error) =>
            Effect.andThen(
              // What cannot be rolled back now is rolled back before the next group opens.
              isAlive() ? Effect.ignore(exec("ROLLBACK")) : Effect.void,
              close(group, Effect.fail(error))
            ),
          onSuccess: () => close(group, Effect.void)
        })
      )
    })

  const flush = Effect.suspend(() => (current === undefined ? Effect.void : commitGroup(current)))

  /** Another program may write just now. It is waited for here and not inside SQLite, which would stand still with everything. */
  const begin = exec("BEGIN IMMEDIATE").pipe(
    Effect.retry({ while: isBusy, schedule: Schedule.spaced(BUSY_PAUSE), times: Math.ceil(busyTimeoutMs / BUSY_PAUSE) })
  )

  /** For whoever holds the lock. */
  const join = Effect.suspend((): Effect.Effect<Pick<Seat, "group" | "leads">, SqlError> => {
    if (current !== undefined && isAlive()) return Effect.succeed({ group: current, leads: false })
    const stale = current === undefined ? Effect.void : commitGroup(current)
    return stale.pipe(
      Effect.andThen(Effect.suspend(() => (isAlive() ? exec("ROLLBACK") : Effect.void))),
      // A deferred transaction that turns into a writer fails at once when another process writes; this one waits.
      Effect.andThen(begin),
      Effect.map(() => {
        current = { committed: Deferred.makeUnsafe(), isOpen: true }
        return { group: current, leads: true }
      })
    )
  })

  const lead = (group: Group) =>
    // Fibers that are ready to write come first, and those that wait already.
    Effect.andThen(Effect.yieldNow, lock.withPermit(commitGroup(group)))

  /** Lets the next one in. Who leads the group commits it. */
  const leave = ({ group, hold, leads }: Seat): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (hold.state._tag === "Closed") return Effect.void
      return Effect.andThen(Scope.close(hold, Exit.void), leads ? lead(group) : Effect.void)
    })

  /** All of a group are told in one step, and what each does next would make it a long one: they go on one after the other. */
  const told = ({ committed }: Group) =>
    Effect.suspend(() =>
      Deferred.isDoneUnsafe(committed)
        ? Deferred.await(committed)
        : Effect.ensuring(Deferred.await(committed), Effect.yieldNow)
    )

  const written = (seat: Seat) => Effect.andThen(leave(seat), told(seat.group))

  const sit = (restore: Restore): Effect.Effect<Seat, SqlError> =>
    Effect.flatMap(Scope.make(), (hold) =>
      // The lock is given to the scope in the same step in which it is taken: an interruption finds it there.
      restore(Scope.provide(lock.takeScoped(1), hold)).pipe(
        Effect.andThen(join),
        Effect.map((place): Seat => ({ ...place, hold })),
        Effect.onError((cause) => Scope.close(hold, Exit.failCause(cause)))
      )
    )

  /** A single statement that writes: atomic by itself. */
  const write = <A>(statement: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(sit(restore), (seat) =>
        statement.pipe(
          Effect.onError(() => leave(seat)),
          Effect.tap(() => written(seat))
        )
      )
    )

  const outside = <A>(statement: Effect.Effect<A, SqlError>) => lock.withPermit(Effect.andThen(flush, statement))

  const route = <A>(sql: string, statement: (connection: Connection) => Effect.Effect<A, SqlError>) => {
    if (isRead(sql)) return statement(reader)
    return isOutside(sql) ? outside(statement(writer)) : write(statement(writer))
  }

  const plain: Connection = {
    execute: (sql, params, transform) => route(sql, (on) => on.execute(sql, params, transform)),
    executeUnprepared: (sql, params, transform) => route(sql, (on) => on.executeUnprepared(sql, params, transform)),
    executeRaw: (sql, params) => route(sql, (on) => on.executeRaw(sql, params)),
    executeValues: (sql, params) => route(sql, (on) => on.executeValues(sql, params)),
    executeValuesUnprepared: (sql, params) => route(sql, (on) => on.executeValuesUnprepared(sql, params)),
    executeStream: (sql, params, transform) =>
      Stream.unwrap(
        Effect.map(
          route(sql, (on) => on.execute(sql, params, transform)),
          (rows) => Stream.fromIterable(rows)
        )
      )
  }

  const whileAlive = (effect: Effect.Effect<void, SqlError>) => Effect.suspend(() => (isAlive() ? effect : Effect.void))

  return {
    plain,
    inside: makeConnection(db, () => (isAlive() ? undefined : lost)),
    exclusive: Effect.uninterruptibleMask((restore) =>
      Effect.andThen(restore(lock.takeScoped(1)), Effect.as(flush, writer))
    ),
    enter: (restore) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.tap(sit(restore), (seat) => Effect.sync(() => (inside = seat))),
          leave
        )
      ),
    begin: exec(`SAVEPOINT ${SAVEPOINT}`),
    commit: Effect.suspend(() => {
      const seat = inside!
      return Effect.andThen(whileAlive(exec(`RELEASE ${SAVEPOINT}`)), written(seat))
    }),
    rollback: whileAlive(Effect.andThen(exec(`ROLLBACK TO ${SAVEPOINT}`), exec(`RELEASE ${SAVEPOINT}`)))
  }
}
