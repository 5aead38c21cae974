/**
 * Which requests this node began, and what it answered: a small SQLite file of its own, private to its user.
 *
 * A key is written down before its command begins and its answer after; both are on the disk when the call returns. A key
 * without an answer that is found on opening belongs to a command that a crash cut short. Keys themselves are not kept,
 * only their digests; answers are, with what commands wrote, until they are pruned.
 */
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import { DatabaseSync, type SQLOutputValue } from "node:sqlite"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** One answer, as it travels. */
export const Reply = Schema.Union([
  Schema.Struct({ ok: Schema.Literal(true), payloadJSON: Schema.String }),
  Schema.Struct({ ok: Schema.Literal(false), error: Schema.Struct({ code: Schema.String, message: Schema.String }) })
])
export type Reply = typeof Reply.Type

/** The answer to a request whose command was begun and whose end nobody saw. */
export const interrupted: Reply = {
  ok: false,
  error: {
    code: "UNAVAILABLE",
    message:
      "interrupted, outcome unknown: this node stopped while the command ran; it is not run again under this idempotency key"
  }
}

/** The file cannot be opened, or not written to. `message` names the fix. */
export class JournalUnusable extends Schema.TaggedError<JournalUnusable>()("JournalUnusable", {
  file: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `This node cannot write down in ${this.file} which commands it began, so it runs none: ${this.problem}.\nFix: check that its folder is writable and has room; when the file is damaged, move it away.`
  }
}

export interface Limits {
  readonly count: number
  /** Of answers, in characters. */
  readonly bytes: number
  readonly ageMs: number
  /** Of the latest so many stay whatever their age. */
  readonly least?: number
}

export interface Begun {
  readonly digest: string
  readonly reply: Reply
}

type Done<A> = Result.Result<A, JournalUnusable>

/** Everything is done when it returns, so that nothing comes between a look and what follows. Times are Unix milliseconds. */
export interface Journal {
  readonly find: (key: string, now: number) => Done<Begun | undefined>
  /**
   * Writes a key down; what is known of it instead when it is there already. With `since`, the time from which on it may
   * have been begun, nothing is written when a key from then may have been pruned.
   */
  readonly begin: (key: string, digest: string, now: number, since?: number) => Done<Begun | "forgotten" | undefined>
  readonly end: (key: string, reply: Reply, now: number) => Done<void>
  /** Nothing was done under this key. */
  readonly forget: (key: string) => Done<void>
}

const decodeReply = Schema.decodeUnknownExit(Schema.fromJsonString(Reply))
const encodeReply = Schema.encodeSync(Schema.fromJsonString(Reply))

/** As JSON, in which also a lone surrogate is a character of its own. */
const idOf = (key: string) => createHash("sha256").update(JSON.stringify(key)).digest("hex")

const problemOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

const schema = `
  CREATE TABLE IF NOT EXISTS invokes (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    at INTEGER NOT NULL,
    size INTEGER NOT NULL,
    reply TEXT
  ) STRICT;
  -- One row: whatever was begun since then is remembered. Unix milliseconds.
  CREATE TABLE IF NOT EXISTS memory (whole_since INTEGER NOT NULL) STRICT`

/** Made with mode 0600 before SQLite opens it; its companion files get the same mode. A link is not followed. */
const secure = (file: string) => {
  const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = Fs.constants
  // Windows has neither flag.
  const fd = Fs.openSync(file, O_RDWR | O_CREAT | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0), 0o600)
  const info = Fs.fstatSync(fd)
  if (info.isFile() && (info.mode & 0o077) !== 0) Fs.fchmodSync(fd, 0o600)
  Fs.closeSync(fd)
}

/** A journal that lives no longer than its scope. */
export const IN_MEMORY = ":memory:"

/** Opens the journal for as long as the scope lives. Fails when the file cannot be used. */
export const open = Effect.fnUntraced(function* (file: string, { ageMs, bytes, count, least = 0 }: Limits) {
  const attempt = <A>(f: () => A): Done<A> =>
    Result.try({ try: f, catch: (cause) => new JournalUnusable({ file, problem: problemOf(cause) }) })

  const db = yield* Effect.acquireRelease(
    Effect.suspend(() =>
      Effect.fromResult(
        attempt(() => {
          if (file !== IN_MEMORY) secure(file)
          return new DatabaseSync(file, { timeout: 1_000 })
        })
      )
    ),
    (db) => Effect.sync(() => db.close())
  )

  const opened = Math.floor(yield* Clock.currentTimeMillis)
  const prepared = attempt(() => {
    for (const pragma of ["journal_mode = WAL", "synchronous = FULL", "journal_size_limit = 4194304"]) {
      db.exec(`PRAGMA ${pragma}`)
    }
    db.exec(schema)
    db.prepare("UPDATE invokes SET reply = ? WHERE reply IS NULL").run(encodeReply(interrupted))
    db.prepare("INSERT INTO memory SELECT ? WHERE NOT EXISTS (SELECT * FROM memory)").run(opened)
    return {
      find: db.prepare("SELECT digest, reply FROM invokes WHERE id = ?"),
      insert: db.prepare("INSERT INTO invokes (id, digest, at, size) VALUES (?, ?, ?, 0)"),
      answer: db.prepare("UPDATE invokes SET reply = ?, size = ?, at = ? WHERE id = ?"),
      forget: db.prepare("DELETE FROM invokes WHERE id = ?"),
      expire: db.prepare(
        "DELETE FROM invokes WHERE reply IS NOT NULL AND at <= ? AND seq <= (SELECT max(seq) FROM invokes) - ? RETURNING at"
      ),
      weigh: db.prepare("SELECT count(*) AS count, total(size) AS size FROM invokes"),
      dropOldest: db.prepare(
        "DELETE FROM invokes WHERE seq = (SELECT seq FROM invokes WHERE reply IS NOT NULL ORDER BY at, seq LIMIT 1) RETURNING at"
      ),
      wholeSince: db.prepare("SELECT whole_since FROM memory"),
      lose: db.prepare("UPDATE memory SET whole_since = max(whole_since, ? + 1)")
    }
  })
  const statements = yield* Effect.fromResult(prepared)

  const lose = (row: Readonly<Record<string, SQLOutputValue>>) => void statements.lose.run(Number(row["at"]))

  /** What runs now has no answer yet and stays. */
  const prune = (now: number) => {
    // The latest stay whatever the clock says: it may have been set forward since, as on a machine that starts without one.
    for (const row of statements.expire.all(now - ageMs, least)) lose(row)
    for (;;) {
      const weight = statements.weigh.get()
      const isWithin = Number(weight?.["count"]) <= count && Number(weight?.["size"]) <= bytes
      const dropped = isWithin ? undefined : statements.dropOldest.get()
      if (dropped === undefined) return
      lose(dropped)
    }
  }

  /** All of it or nothing, with one wait for the disk. */
  const together = <A>(f: () => A): Done<A> => {
    const done = attempt(() => {
      db.exec("BEGIN IMMEDIATE")
      const value = f()
      db.exec("COMMIT")
      return value
    })
    // A commit that failed leaves its transaction open, and the next one could not begin.
    if (Result.isFailure(done)) attempt(() => (db.isTransaction ? db.exec("ROLLBACK") : undefined))
    return done
  }

  const look = (id: string, now: number): Begun | undefined => {
    prune(now)
    const row = statements.find.get(id)
    if (row === undefined) return undefined
    // No answer: another process with this state directory runs it.
    const reply = decodeReply(row["reply"])
    return { digest: String(row["digest"]), reply: Exit.isSuccess(reply) ? reply.value : interrupted }
  }

  const journal: Journal = {
    find: (key, now) => together(() => look(idOf(key), now)),
    begin: (key, digest, now, since = Infinity) =>
      together(() => {
        const id = idOf(key)
        const known = look(id, now)
        if (known !== undefined) return known
        if (since < Number(statements.wholeSince.get()?.["whole_since"])) return "forgotten"
        statements.insert.run(id, digest, now)
        return undefined
      }),
    end: (key, reply, now) =>
      together(() => {
        const text = encodeReply(reply)
        statements.answer.run(text, text.length, now, idOf(key))
        prune(now)
      }),
    forget: (key) => attempt(() => void statements.forget.run(idOf(key)))
  }
  return journal
})
