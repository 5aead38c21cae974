/**
 * Which requests this node began, and what it answered: a small SQLite file of its own, private to its user.
 *
 * A key is written down before its command begins and its answer after; both are on the disk when the call returns. A key
 * without an answer that is found on opening belongs to a command that a crash cut short. Keys themselves are not kept,
 * only their digests; answers are, with what commands wrote, until they are pruned. A key outlives its answer, so that the
 * absence of one proves that nothing was begun under it, as far back as the file says of itself that it is whole. An older
 * copy of the file that is put back says so no longer, unless the mark beside it is put back too.
 */
import { createHash, randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import { DatabaseSync, type SQLOutputValue } from "node:sqlite"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Mark from "./journalMark.ts"

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

/** The answer to a request whose command ended, and whose answer made way for others. */
export const noLongerKept: Reply = {
  ok: false,
  error: {
    code: "UNAVAILABLE",
    message:
      "it ran under this idempotency key and is not run again; its answer is no longer kept, so what came of it is unknown"
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
  /** Of answers. */
  readonly count: number
  /** Of answers, in characters. */
  readonly bytes: number
  /** Of keys, which stay when their answers have gone; 100,000 when left out. */
  readonly keys?: number
  /** Of keys and answers. */
  readonly ageMs: number
  /** Of the latest so many keys stay whatever their age. */
  readonly least?: number
}

const KEYS = 100_000

/** Milliseconds by which the clock may leave the course of time before it counts as set. */
const CLOCK_STEP_MS = 60_000
/** As much may pass unseen between two openings. Whoever asks how far memory goes back allows for it. */
const UNSEEN_MS = 3_600_000

export interface Begun {
  readonly digest: string
  readonly reply: Reply
}

type Done<A> = Result.Result<A, JournalUnusable>

/** Everything is done when it returns, so that nothing comes between a look and what follows. */
export interface Journal {
  readonly find: (key: string) => Done<Begun | undefined>
  /**
   * Writes a key down; what is known of it instead when it is there already. With `agoMs`, the milliseconds since it may
   * have been begun first, nothing is written when a key from then may be missing: it was pruned, it is older than the
   * file, or the clock was set since.
   */
  readonly begin: (key: string, digest: string, agoMs?: number) => Done<Begun | "forgotten" | undefined>
  readonly end: (key: string, reply: Reply) => Done<void>
  /** Nothing was done under this key. */
  readonly forget: (key: string) => Done<void>
}

const decodeReply = Schema.decodeUnknownExit(Schema.fromJsonString(Reply))
const encodeReply = Schema.encodeSync(Schema.fromJsonString(Reply))

/** As JSON, in which also a lone surrogate is a character of its own. */
const idOf = (key: string) => createHash("sha256").update(JSON.stringify(key)).digest("hex")

const problemOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

/** `at`: when it was begun, then when it ended; Unix milliseconds. `size`: of an answer that is kept, else 0. */
const schema = `
  CREATE TABLE IF NOT EXISTS invokes (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    at INTEGER NOT NULL,
    size INTEGER NOT NULL,
    reply TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS invokes_at ON invokes (at);
  CREATE INDEX IF NOT EXISTS invokes_kept ON invokes (at, size) WHERE size > 0;
  -- One row: whatever was begun from whole_since on is here; seen is what the clock said last. Unix milliseconds.
  CREATE TABLE IF NOT EXISTS span (whole_since INTEGER NOT NULL, seen INTEGER NOT NULL) STRICT;
  -- One row: what the mark beside this file says when both belong together, or less.
  CREATE TABLE IF NOT EXISTS mark (id TEXT NOT NULL, begun INTEGER NOT NULL) STRICT`

const markOf = (row: Readonly<Record<string, SQLOutputValue>> | undefined): Mark.Mark | undefined =>
  row === undefined ? undefined : { id: String(row["id"]), begun: Number(row["begun"]) }

/** A journal that lives no longer than its scope. */
export const IN_MEMORY = ":memory:"

/** Opens the journal for as long as the scope lives. Fails when the file cannot be used. */
export const open = Effect.fnUntraced(function* (file: string, limits: Limits) {
  const { ageMs, bytes, count, keys = KEYS, least = 0 } = limits
  const clock = yield* Clock.Clock
  const attempt = <A>(f: () => A): Done<A> =>
    Result.try({ try: f, catch: (cause) => new JournalUnusable({ file, problem: problemOf(cause) }) })

  const db = yield* Effect.acquireRelease(
    Effect.suspend(() =>
      Effect.fromResult(
        attempt(() => {
          // SQLite gives its companion files the mode that this one has.
          if (file !== IN_MEMORY) Fs.closeSync(Mark.openPrivate(file))
          return new DatabaseSync(file, { timeout: 1_000 })
        })
      )
    ),
    (db) => Effect.sync(() => db.close())
  )

  const mark =
    file === IN_MEMORY
      ? undefined
      : yield* Effect.acquireRelease(
          Effect.suspend(() => Effect.fromResult(attempt(() => Mark.openPrivate(`${file}-mark`)))),
          (fd) => Effect.sync(() => Fs.closeSync(fd))
        )

  const readTime = () => ({
    now: Math.floor(clock.currentTimeMillisUnsafe()),
    monotonic: Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
  })
  /** Where the clock and the course of time were seen together. */
  let anchor = readTime()

  const prepared = attempt(() => {
    for (const pragma of ["journal_mode = WAL", "synchronous = FULL", "journal_size_limit = 4194304"]) {
      db.exec(`PRAGMA ${pragma}`)
    }
    db.exec(schema)
    db.prepare("UPDATE invokes SET reply = ? WHERE reply IS NULL").run(encodeReply(interrupted))
    const { now } = anchor
    db.prepare("INSERT INTO span SELECT ?, ? WHERE NOT EXISTS (SELECT * FROM span)").run(now, now)
    // A long time since then may be a clock that was set, and so may one that ran backwards.
    db.prepare("UPDATE span SET whole_since = ? WHERE ? NOT BETWEEN seen AND seen + ?").run(now, now, UNSEEN_MS)
    const marked = markOf(db.prepare("SELECT id, begun FROM mark").get())
    if (mark !== undefined && (marked === undefined || !Mark.agrees(mark, marked))) {
      const fresh = { id: randomUUID(), begun: 0 }
      db.prepare("UPDATE span SET whole_since = ?").run(now)
      db.exec("DELETE FROM mark")
      db.prepare("INSERT INTO mark VALUES (?, ?)").run(fresh.id, fresh.begun)
      Mark.write(mark, fresh)
    }
    return {
      find: db.prepare("SELECT digest, reply FROM invokes WHERE id = ?"),
      insert: db.prepare("INSERT INTO invokes (id, digest, at, size) VALUES (?, ?, ?, 0)"),
      answer: db.prepare("UPDATE invokes SET reply = ?, size = ?, at = ? WHERE id = ?"),
      forget: db.prepare("DELETE FROM invokes WHERE id = ?"),
      // The plus keeps SQLite from walking all keys instead of the few that are old.
      expire: db.prepare(
        "DELETE FROM invokes WHERE reply IS NOT NULL AND at <= ? AND +seq <= (SELECT max(seq) FROM invokes) - ? RETURNING at"
      ),
      weigh: db.prepare("SELECT count(*) AS count, total(size) AS size FROM invokes WHERE size > 0"),
      strip: db.prepare(
        "UPDATE invokes SET reply = ?, size = 0 WHERE seq = (SELECT seq FROM invokes WHERE size > 0 ORDER BY at, seq LIMIT 1)"
      ),
      // Counting 100,000 keys takes about a millisecond.
      dropKeys: db.prepare(
        `DELETE FROM invokes WHERE seq IN (
          SELECT seq FROM invokes WHERE reply IS NOT NULL ORDER BY at, seq
          LIMIT max(0, (SELECT count(*) FROM invokes) - ?)
        ) RETURNING at`
      ),
      wholeSince: db.prepare("SELECT whole_since FROM span"),
      lose: db.prepare("UPDATE span SET whole_since = max(whole_since, ? + 1)"),
      restart: db.prepare("UPDATE span SET whole_since = ?"),
      see: db.prepare("UPDATE span SET seen = ?"),
      mark: db.prepare("UPDATE mark SET begun = begun + 1 RETURNING id, begun")
    }
  })
  const statements = yield* Effect.fromResult(prepared)
  // What fails here costs only the proof that nothing is missing.
  yield* Effect.addFinalizer(() => Effect.sync(() => attempt(() => statements.see.run(readTime().now))))

  const lose = (rows: ReadonlyArray<Readonly<Record<string, SQLOutputValue>>>) => {
    for (const { at } of rows) statements.lose.run(Number(at))
  }

  /** What runs now has no answer yet and stays. */
  const prune = (now: number) => {
    // The latest stay whatever the clock says: it may have been set forward since, as on a machine that starts without one.
    lose(statements.expire.all(now - ageMs, least))
    lose(statements.dropKeys.all(keys))
    for (;;) {
      const weight = statements.weigh.get()
      const isWithin = Number(weight?.["count"]) <= count && Number(weight?.["size"]) <= bytes
      if (isWithin || statements.strip.run(encodeReply(noLongerKept)).changes === 0) return
    }
  }

  /** All of it or nothing, with one wait for the disk. Given the time in Unix milliseconds. */
  const transact = <A>(f: (now: number) => A): Done<A> => {
    const time = readTime()
    const { now } = time
    const passed = time.monotonic - anchor.monotonic
    const isSet = Math.abs(now - anchor.now - passed) > CLOCK_STEP_MS
    const done = attempt(() => {
      db.exec("BEGIN IMMEDIATE")
      // Keys from before have another clock's times, by which they may go too early.
      if (isSet) statements.restart.run(now)
      const value = f(now)
      db.exec("COMMIT")
      return value
    })
    // A commit that failed leaves its transaction open, and the next one could not begin.
    if (Result.isFailure(done)) attempt(() => (db.isTransaction ? db.exec("ROLLBACK") : undefined))
    else if (isSet) anchor = time
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
    find: (key) => transact((now) => look(idOf(key), now)),
    begin: (key, digest, agoMs) => {
      let marked: Mark.Mark | undefined
      const begun = transact((now) => {
        const id = idOf(key)
        const known = look(id, now)
        if (known !== undefined) return known
        const isWhole = agoMs === undefined || now - agoMs >= Number(statements.wholeSince.get()?.["whole_since"])
        if (!isWhole) return "forgotten"
        statements.insert.run(id, digest, now)
        statements.see.run(now)
        marked = markOf(statements.mark.get())
        return undefined
      })
      // One that could not be written is behind, and so is one of a process that ended here: neither makes this a copy.
      if (mark !== undefined && marked !== undefined && Result.isSuccess(begun)) {
        const latest = marked
        attempt(() => Mark.write(mark, latest))
      }
      return begun
    },
    end: (key, reply) =>
      transact((now) => {
        const text = encodeReply(reply)
        statements.answer.run(text, text.length, now, idOf(key))
        statements.see.run(now)
        prune(now)
      }),
    forget: (key) => attempt(() => void statements.forget.run(idOf(key)))
  }
  return journal
})
