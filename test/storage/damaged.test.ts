/**
 * A database that is not whole is refused at the start, and left as it was found.
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as Storage from "../../src/layers/storage/Storage.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-damaged-"))),
  (dir) => Effect.sync(() => Fs.rmSync(dir, { recursive: true, force: true }))
)

const open = (filename: string) => Effect.scoped(Layer.build(Storage.layer({ filename })))

/** A database with some rows, closed in order. */
const closed = Effect.gen(function* () {
  const filename = Path.join(yield* folder, "state.sqlite")
  yield* SqlClient.SqlClient.use((sql) =>
    Effect.forEach(
      Array.from({ length: 50 }, (_, id) => id),
      (id) => sql`INSERT INTO storage_probe (id, filler) VALUES (${id}, zeroblob(2000))`
    )
  ).pipe(Effect.provide(Storage.layer({ filename })))
  return filename
})

/** The same as a process leaves it that was killed: its latest changes are in the log only. */
const killed = Effect.gen(function* () {
  const filename = yield* closed
  const script = `
    const db = new (require("node:sqlite").DatabaseSync)(process.argv[1])
    db.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; DELETE FROM storage_probe WHERE id > 40")
    process.kill(process.pid, "SIGKILL")`
  spawnSync(process.execPath, ["-e", script, filename])
  assert.isAbove(Fs.statSync(`${filename}-wal`).size, 0)
  return filename
})

const everything = (filename: string) =>
  Object.fromEntries(
    Fs.readdirSync(Path.dirname(filename))
      // The index is SQLite's own scratch paper.
      .filter((name) => !name.endsWith("-shm"))
      .map((name) => [name, Fs.readFileSync(Path.join(Path.dirname(filename), name)).toString("base64")])
  )

const overwrite = (filename: string, at: number, bytes: Buffer) => {
  const file = Fs.openSync(filename, "r+")
  Fs.writeSync(file, bytes, 0, bytes.length, at)
  Fs.closeSync(file)
}

/** A page that the log has no newer version of. */
const rootOf = (filename: string): number => {
  const db = new DatabaseSync(filename, { readOnly: true })
  const row = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'channel_inbox'").get()
  db.close()
  return Number(row?.["rootpage"])
}

const refused = {
  "an empty file": [closed, (file: string) => Fs.truncateSync(file, 0), "it is empty"],
  "an empty file beside a log": [killed, (file: string) => Fs.truncateSync(file, 0), "it is empty"],
  "a log without its file": [killed, (file: string) => Fs.rmSync(file), "it is missing, but its log"],
  "other bytes": [closed, (file: string) => overwrite(file, 0, Buffer.alloc(200, 0x55)), "no SQLite database"],
  "a text": [closed, (file: string) => Fs.writeFileSync(file, "hello"), "no SQLite database"],
  "a header that makes no sense": [
    closed,
    (file: string) => overwrite(file, 16, Buffer.from([0, 3])),
    "its header makes no sense"
  ],
  "a file that is cut short": [
    closed,
    (file: string) => Fs.truncateSync(file, Fs.statSync(file).size - 8192),
    "it is cut short"
  ],
  "a file that is cut short beside a log": [killed, (file: string) => Fs.truncateSync(file, 40_960), "malformed"],
  "a lost log": [killed, (file: string) => Fs.rmSync(`${file}-wal`), "is missing, and with it the latest changes"],
  "a schema that cannot be read": [
    closed,
    (file: string) => overwrite(file, 100, Buffer.alloc(3_000, 0xaa)),
    "malformed"
  ],
  "damaged pages after an unclean stop": [
    killed,
    (file: string) => overwrite(file, (rootOf(file) - 1) * 4096, Buffer.alloc(4096, 0xaa)),
    "malformed"
  ]
} as const

describe("a database file", () => {
  it.effect.each(Object.entries(refused))("is refused and left alone: %s", ([, [make, damage, expected]]) =>
    Effect.gen(function* () {
      const filename = yield* make
      damage(filename)
      const before = everything(filename)
      const error = yield* Effect.flip(open(filename))
      assert.strictEqual(error._tag, "DatabaseUnusable")
      assert.include(error.message, filename)
      assert.include(error.message, expected)
      assert.include(error.message, "Nothing was changed")
      assert.include(error.message, "openclaw backup restore")
      const after = everything(filename)
      for (const [name, bytes] of Object.entries(before)) assert.strictEqual(after[name], bytes, name)
    })
  )

  it.effect("opens after a kill, with what was committed last", () =>
    Effect.gen(function* () {
      const filename = yield* killed
      const rows = yield* SqlClient.SqlClient.use((sql) => sql`SELECT COUNT(*) AS n FROM storage_probe`).pipe(
        Effect.provide(Storage.layer({ filename }))
      )
      assert.deepStrictEqual(rows, [{ n: 41 }])
    })
  )

  it.effect("is not a directory", () =>
    Effect.gen(function* () {
      const filename = Path.join(yield* folder, "state.sqlite")
      Fs.mkdirSync(filename)
      assert.include((yield* Effect.flip(open(filename))).message, "it is a directory")
    })
  )

  it.effect("of another program is not written to", () =>
    Effect.gen(function* () {
      const filename = Path.join(yield* folder, "state.sqlite")
      const db = new DatabaseSync(filename)
      db.exec("CREATE TABLE recipes (name TEXT)")
      db.close()
      const error = yield* Effect.flip(open(filename))
      assert.include(error.message, "another program")
      const again = new DatabaseSync(filename, { readOnly: true })
      assert.deepStrictEqual(
        again
          .prepare("SELECT name FROM sqlite_schema")
          .all()
          .map((row) => row["name"]),
        ["recipes"]
      )
      again.close()
    })
  )

  it.effect("is made private and leaves nothing beside it", () =>
    Effect.gen(function* () {
      const filename = Path.join(yield* folder, "state.sqlite")
      yield* open(filename)
      yield* open(filename)
      assert.deepStrictEqual(Fs.readdirSync(Path.dirname(filename)), ["state.sqlite"])
      assert.strictEqual(Fs.statSync(filename).mode & 0o777, 0o600)
    })
  )
})
