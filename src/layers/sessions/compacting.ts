/** What a model is told of a session: the summary of what is older, and the messages since. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SessionKey } from "../../domain/SessionKey.ts"
import type { TranscriptMessage } from "../../protocol/methods/chat.ts"
import {
  type Compacted,
  SessionBusy,
  SessionChanged,
  type SessionChange,
  type SessionContext,
  type TranscriptEntry
} from "../../services/Sessions.ts"
import * as Time from "../now.ts"
import { decodeMessage, failed } from "./rows.ts"

interface Marks {
  readonly session_id: string
  readonly reset_seq: number
  readonly compact_seq: number
  readonly compact_summary: string | null
}

interface Needs {
  readonly sql: SqlClient.SqlClient
  readonly appendOne: (
    entry: TranscriptEntry,
    now: number
  ) => Effect.Effect<number, Parameters<ReturnType<typeof failed>>[0]>
  readonly tell: (change: SessionChange) => Effect.Effect<void>
}

/** The place of a compaction in the transcript, in OpenClaw's form. */
const marker = ({ model, provider, tokensAfter, tokensBefore, usage }: Compacted, now: number): TranscriptMessage => ({
  role: "system",
  content: [{ type: "text", text: "Compaction" }],
  timestamp: now,
  provider,
  model,
  usage,
  __openclaw: { kind: "compaction", tokensBefore, tokensAfter }
})

export const make = ({ appendOne, sql, tell }: Needs) => {
  const marksOf = Effect.fnUntraced(function* (key: SessionKey) {
    const rows = yield* sql<Marks>`
      SELECT session_id, reset_seq, compact_seq, compact_summary FROM sessions WHERE key = ${key}`
    return rows[0]
  })

  const context = Effect.fn("Sessions.context")(
    function* (key: SessionKey, limit: number) {
      const marks = yield* marksOf(key)
      if (marks === undefined) {
        return { sessionId: undefined, since: 0, summary: undefined, entries: [] } satisfies SessionContext
      }
      // A reset forgets the summary; whichever mark is newer holds.
      const since = Math.max(marks.reset_seq, marks.compact_seq)
      const rows = yield* sql<{ readonly seq: number; readonly message: string }>`
        SELECT seq, message FROM transcript WHERE session_key = ${key} AND seq > ${since}
        ORDER BY seq DESC LIMIT ${limit}`
      return {
        sessionId: marks.session_id,
        since,
        summary: marks.compact_summary ?? undefined,
        entries: yield* Effect.forEach([...rows].reverse(), ({ message, seq }) =>
          Effect.map(decodeMessage(message), (decoded) => ({ seq, message: decoded }))
        )
      } satisfies SessionContext
    },
    Effect.mapError(failed("reading the transcript"))
  )

  const compact = Effect.fn("Sessions.compact")(
    function* (key: SessionKey, compacted: Compacted) {
      const now = yield* Time.now
      const marks = yield* marksOf(key)
      const since = marks === undefined ? undefined : Math.max(marks.reset_seq, marks.compact_seq)
      if (marks?.session_id !== compacted.sessionId || since !== compacted.since) {
        return yield* new SessionChanged({ sessionKey: key })
      }
      yield* sql`
        UPDATE sessions SET
          compact_seq = ${compacted.through}, compact_summary = ${compacted.summary},
          compaction_count = compaction_count + 1, updated_at = MAX(updated_at, ${now}),
          input_tokens = NULL, output_tokens = NULL, total_tokens = ${compacted.tokensAfter}
        WHERE key = ${key}`
      const { runId } = compacted
      const dedupeKey = `${runId}:compaction:${compacted.through}`
      yield* appendOne({ sessionKey: key, runId, dedupeKey, message: marker(compacted, now) }, now)
      yield* tell({ sessionKey: key, reason: "compact" })
    },
    (effect) => sql.withTransaction(effect),
    Effect.mapError((error) => (error._tag === "SessionChanged" ? error : failed("compacting the session")(error)))
  )

  const truncate = Effect.fn("Sessions.truncate")(
    function* (key: SessionKey, keep: number) {
      const counted = yield* sql<{ readonly n: number }>`
        SELECT COUNT(*) AS n FROM transcript WHERE session_key = ${key}`
      const n = counted[0]?.n ?? 0
      if (n <= keep) return { removed: 0, kept: n }
      const turns = yield* sql`SELECT 1 FROM turns WHERE session_key = ${key} AND finished_at IS NULL LIMIT 1`
      if (turns.length > 0) return yield* new SessionBusy({ sessionKey: key })
      yield* sql`
        DELETE FROM transcript WHERE session_key = ${key} AND seq <= (
          SELECT seq FROM transcript WHERE session_key = ${key} ORDER BY seq DESC LIMIT 1 OFFSET ${keep}
        )`
      yield* sql`UPDATE sessions SET updated_at = MAX(updated_at, ${yield* Time.now}) WHERE key = ${key}`
      yield* tell({ sessionKey: key, reason: "compact" })
      return { removed: n - keep, kept: keep }
    },
    (effect) => sql.withTransaction(effect),
    Effect.mapError((error) => (error._tag === "SessionBusy" ? error : failed("shortening the transcript")(error)))
  )

  return { context, compact, truncate }
}
