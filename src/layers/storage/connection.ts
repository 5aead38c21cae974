/**
 * One open database of `node:sqlite` as a `Connection`: statements are compiled once and run on the calling fiber.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { classifySqliteError, SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"

export interface NodeConnection extends Connection {
  readonly db: DatabaseSync
}

/** Statements kept compiled, some 25 kB each. Those with lists of changing length are many; the least used make room. */
const maxPrepared = 96

const asInput = (value: unknown): SQLInputValue =>
  typeof value === "boolean" ? Number(value) : value instanceof Date ? value.toISOString() : (value as SQLInputValue)

const hasErrcode = (cause: unknown): cause is { readonly errcode: number } =>
  typeof cause === "object" && cause !== null && "errcode" in cause && typeof cause.errcode === "number"

/** `node:sqlite` calls SQLite's result code `errcode`; the classifier looks for `errno`. */
export const sqlError = (cause: unknown, operation: string): SqlError =>
  new SqlError({
    reason: classifySqliteError(hasErrcode(cause) ? Object.assign(cause, { errno: cause.errcode }) : cause, {
      message: cause instanceof Error ? cause.message : String(cause),
      operation
    })
  })

const statements = (db: DatabaseSync) => {
  const prepared = new Map<string, StatementSync>()
  return (sql: string): StatementSync => {
    const known = prepared.get(sql)
    if (known !== undefined) {
      prepared.delete(sql)
      prepared.set(sql, known)
      return known
    }
    const statement = db.prepare(sql)
    prepared.set(sql, statement)
    if (prepared.size > maxPrepared) prepared.delete(prepared.keys().next().value!)
    return statement
  }
}

/** `guard` says why no statement may run just now. */
export const make = (db: DatabaseSync, guard?: () => SqlError | undefined): NodeConnection => {
  const prepare = statements(db)
  const run = <A>(sql: string, use: (statement: StatementSync) => A): Effect.Effect<A, SqlError> =>
    Effect.withFiber((fiber) => {
      const refusal = guard?.()
      if (refusal !== undefined) return Effect.fail(refusal)
      return Effect.try({
        try: () => {
          const statement = prepare(sql)
          statement.setReadBigInts(Context.get(fiber.context, SqlClient.SafeIntegers))
          return use(statement)
        },
        catch: (cause) => sqlError(cause, "execute")
      })
    })

  const objects = (params: ReadonlyArray<unknown>) => (statement: StatementSync) => {
    statement.setReturnArrays(false)
    return statement.all(...params.map(asInput)) as ReadonlyArray<object>
  }
  const arrays = (params: ReadonlyArray<unknown>) => (statement: StatementSync) => {
    statement.setReturnArrays(true)
    return statement.all(...params.map(asInput)) as unknown as ReadonlyArray<ReadonlyArray<unknown>>
  }
  const execute: Connection["execute"] = (sql, params, transformRows) => {
    const rows = run(sql, objects(params))
    return transformRows === undefined ? rows : Effect.map(rows, transformRows)
  }
  const executeValues: Connection["executeValues"] = (sql, params) => run(sql, arrays(params))

  return {
    db,
    execute,
    // What another driver must not prepare is cheaper compiled once here as well.
    executeUnprepared: execute,
    executeRaw: (sql, params) =>
      run(sql, (statement) =>
        statement.columns().length === 0 ? statement.run(...params.map(asInput)) : objects(params)(statement)
      ),
    executeValues,
    executeValuesUnprepared: executeValues,
    // Rows are read at once: a cursor left open would block the checkpoint for as long as its reader dawdles.
    executeStream: (sql, params, transformRows) =>
      Stream.unwrap(Effect.map(execute(sql, params, transformRows), (rows) => Stream.fromIterable(rows)))
  }
}
