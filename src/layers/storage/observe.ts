/**
 * Listens to what a connection of `node:sqlite` runs into, whoever uses it.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import * as Result from "effect/Result"

/** Calls the method as before, and tells what it throws before it is thrown on. */
const tellThrown = <Args extends ReadonlyArray<unknown>, A>(
  method: (...args: Args) => A,
  told: (cause: unknown) => void
) => {
  return (...args: Args): A =>
    Result.getOrThrowWith(Result.try({ try: () => method(...args), catch: (cause) => cause }), (cause) => {
      told(cause)
      return cause
    })
}

const observeStatement = (statement: StatementSync, told: (cause: unknown) => void): StatementSync => {
  statement.all = tellThrown(statement.all.bind(statement), told) as StatementSync["all"]
  statement.get = tellThrown(statement.get.bind(statement), told) as StatementSync["get"]
  statement.run = tellThrown(statement.run.bind(statement), told) as StatementSync["run"]
  return statement
}

/** From now on every failure of a statement or a commit on this connection is told, and fails as before. */
export const observe = (db: DatabaseSync, told: (cause: unknown) => void): void => {
  const prepare = tellThrown(db.prepare.bind(db), told)
  db.exec = tellThrown(db.exec.bind(db), told)
  db.prepare = (...args) => observeStatement(prepare(...args), told)
}
