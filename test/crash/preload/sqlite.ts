/**
 * Points before and after each commit, one for each transaction in it, named by what that wrote: `+` inserted, `~` updated
 * (with the first column), `-` deleted. Transactions that share a commit are told apart by their savepoints.
 */
import { DatabaseSync, StatementSync } from "node:sqlite"
import { pass } from "./points.ts"

const change =
  /^\s*(?:WITH\b[\s\S]*?\)\s*)?(INSERT|REPLACE|UPDATE|DELETE)\b(?:\s+OR\s+\w+)?(?:\s+(?:INTO|FROM))?\s+["'`]?(\w+)/i
const marks: Readonly<Record<string, string>> = { INSERT: "+", REPLACE: "+", UPDATE: "~", DELETE: "-" }

/** A table, and in brackets what of it a bare name does not tell. */
const writtenBy = (sql: string): string | undefined => {
  const found = change.exec(sql)
  if (found === null) return undefined
  const mark = marks[found[1]!.toUpperCase()]!
  const column = mark === "~" ? /\bSET\s+["'`]?(\w+)/i.exec(sql)?.[1] : undefined
  return `${mark}${found[2]}${column === undefined ? "" : `(${column})`}`
}

/** The transaction that a database is in. */
interface Open {
  /** Names of what is to be committed. */
  readonly names: Set<string>
  /** What the outermost savepoint has written, and how deep it is. */
  readonly changes: Set<string>
  depth: number
}

const opened = new WeakMap<DatabaseSync, Open>()
const owners = new WeakMap<StatementSync, DatabaseSync>()

const nameOf = (changes: ReadonlySet<string>): string => [...changes].sort().join(",")

const committing = <A>(names: ReadonlySet<string>, run: () => A): A => {
  for (const name of names) pass(`commit:${name}:before`)
  const result = run()
  for (const name of names) pass(`commit:${name}:after`)
  return result
}

const seal = (open: Open): void => {
  if (open.changes.size > 0) open.names.add(nameOf(open.changes))
  open.changes.clear()
}

const around = <A>(db: DatabaseSync, sql: string, run: () => A): A => {
  const word = /^\s*(\w+)(?:\s+(TO)\b)?/i.exec(sql)
  const open = opened.get(db)
  switch (word?.[1]?.toUpperCase()) {
    case "BEGIN":
      opened.set(db, { names: new Set(), changes: new Set(), depth: 0 })
      return run()
    case "SAVEPOINT":
      if (open !== undefined) open.depth++
      return run()
    case "RELEASE":
      if (open !== undefined && --open.depth === 0) seal(open)
      return run()
    case "ROLLBACK":
      // Back to the outermost savepoint: its transaction wrote nothing. A nested one is as good as kept.
      if (open?.depth === 1 && word?.[2] !== undefined) open.changes.clear()
      if (word?.[2] === undefined) opened.delete(db)
      return run()
    case "COMMIT":
    case "END":
      opened.delete(db)
      return committing(open?.names ?? new Set(), run)
  }
  const written = writtenBy(sql)
  if (written === undefined) return run()
  if (open === undefined) return committing(new Set([written]), run)
  if (open.depth === 0) open.names.add(written)
  else open.changes.add(written)
  return run()
}

type Method = (this: StatementSync, ...args: ReadonlyArray<unknown>) => unknown

const prepare = DatabaseSync.prototype.prepare
DatabaseSync.prototype.prepare = function (sql, ...rest) {
  const statement = prepare.call(this, sql, ...rest)
  owners.set(statement, this)
  return statement
}
const exec = DatabaseSync.prototype.exec
DatabaseSync.prototype.exec = function (sql) {
  return around(this, sql, () => exec.call(this, sql))
}
for (const name of ["run", "get", "all"] as const) {
  const original = StatementSync.prototype[name] as Method
  Object.assign(StatementSync.prototype, {
    [name](this: StatementSync, ...args: ReadonlyArray<unknown>) {
      const db = owners.get(this)
      return db === undefined
        ? original.apply(this, [...args])
        : around(db, this.sourceSQL, () => original.apply(this, [...args]))
    }
  })
}
