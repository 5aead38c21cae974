/**
 * Points before and after each commit, named by the tables that it wrote and how: `+` inserted, `~` updated, `-` deleted.
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

/** What the open transaction of each database has written. */
const open = new WeakMap<DatabaseSync, Set<string>>()
const owners = new WeakMap<StatementSync, DatabaseSync>()

const around = <A>(db: DatabaseSync, sql: string, run: () => A): A => {
  const inside = db.isTransaction
  const written = writtenBy(sql)
  if (/^\s*BEGIN\b/i.test(sql)) {
    open.set(db, new Set())
    return run()
  }
  if (/^\s*(?:COMMIT|END)\b/i.test(sql)) {
    const tables = [...(open.get(db) ?? [])].sort()
    return committing(tables, run)
  }
  if (written === undefined) return run()
  if (!inside) return committing([written], run)
  const known = open.get(db)
  if (known === undefined) open.set(db, new Set([written]))
  else known.add(written)
  return run()
}

const committing = <A>(tables: ReadonlyArray<string>, run: () => A): A => {
  if (tables.length === 0) return run()
  pass(`commit:${tables.join(",")}:before`)
  const result = run()
  pass(`commit:${tables.join(",")}:after`)
  return result
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
