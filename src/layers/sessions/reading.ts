/** Reading transcripts: what clients are shown of them. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SessionKey } from "../../domain/SessionKey.ts"
import type { TranscriptMessage } from "../../protocol/methods/chat.ts"
import type { Page } from "../../services/Sessions.ts"
import { decodeMessage, failed } from "./rows.ts"

interface Entry {
  readonly seq: number
  readonly dedupe_key: string
  readonly message: string
}

/** What was used, in OpenClaw's words. */
const decodeUsage = Schema.decodeUnknownOption(
  Schema.Struct({
    inputTokens: Schema.optional(Schema.Finite),
    outputTokens: Schema.optional(Schema.Finite),
    totalTokens: Schema.optional(Schema.Finite)
  })
)
const usageOf = (usage: unknown) => {
  const known = Option.getOrUndefined(decodeUsage(usage))
  if (known?.inputTokens === undefined && known?.outputTokens === undefined) return usage
  const input = known.inputTokens ?? 0
  const output = known.outputTokens ?? 0
  return { input, output, totalTokens: known.totalTokens ?? input + output }
}

/** A message with its place, where OpenClaw's clients look for it. */
const shown = (message: TranscriptMessage, { dedupe_key, seq }: Entry): TranscriptMessage => ({
  ...message,
  ...(message.usage === undefined ? undefined : { usage: usageOf(message.usage) }),
  __openclaw: {
    ...message.__openclaw,
    id: message.id ?? dedupe_key,
    seq,
    ...(message.runId === undefined ? undefined : { runId: message.runId }),
    ...(message.idempotencyKey === undefined ? undefined : { idempotencyKey: message.idempotencyKey })
  }
})

const decode = (entry: Entry) => Effect.map(decodeMessage(entry.message), (message) => shown(message, entry))

export const make = (sql: SqlClient.SqlClient) => {
  const sessionOf = Effect.fnUntraced(function* (key: SessionKey) {
    const rows = yield* sql<{ readonly session_id: string; readonly reset_seq: number; readonly last_seq: number }>`
      SELECT session_id, reset_seq, last_seq FROM sessions WHERE key = ${key}`
    return rows[0]
  })

  const page = Effect.fn("Sessions.page")(
    function* (
      key: SessionKey,
      options: { readonly limit: number; readonly offset?: number; readonly after?: number }
    ) {
      const session = yield* sessionOf(key)
      if (session === undefined) {
        return { sessionId: undefined, messages: [], total: 0, resetSeq: 0, lastSeq: 0 } satisfies Page
      }
      const { last_seq: lastSeq, reset_seq: resetSeq } = session
      const after = Math.max(resetSeq, options.after ?? 0)
      const entries =
        options.after === undefined
          ? sql<Entry>`
              SELECT seq, dedupe_key, message FROM transcript WHERE session_key = ${key} AND seq > ${resetSeq}
              ORDER BY seq DESC LIMIT ${options.limit} OFFSET ${options.offset ?? 0}`
          : sql<Entry>`
              SELECT seq, dedupe_key, message FROM transcript WHERE session_key = ${key} AND seq > ${after}
              ORDER BY seq LIMIT ${options.limit}`
      const rows = [...(yield* entries)].sort((a, b) => a.seq - b.seq)
      const counted = yield* sql<{ readonly n: number }>`
        SELECT COUNT(*) AS n FROM transcript WHERE session_key = ${key} AND seq > ${resetSeq}`
      return {
        sessionId: session.session_id,
        messages: yield* Effect.forEach(rows, decode),
        total: counted[0]?.n ?? 0,
        resetSeq,
        lastSeq
      } satisfies Page
    },
    Effect.mapError(failed("reading the transcript"))
  )

  const find = Effect.fn("Sessions.find")(
    function* (key: SessionKey, id: string) {
      const session = yield* sessionOf(key)
      if (session === undefined) return undefined
      const rows = yield* sql<Entry>`
        SELECT seq, dedupe_key, message FROM transcript
        WHERE session_key = ${key} AND seq > ${session.reset_seq}
        AND (dedupe_key = ${id} OR message ->> '$.id' = ${id})
        ORDER BY dedupe_key = ${id} DESC LIMIT 1`
      const row = rows[0]
      if (row === undefined) return undefined
      const newer = yield* sql<{ readonly n: number }>`
        SELECT COUNT(*) AS n FROM transcript WHERE session_key = ${key} AND seq > ${row.seq}`
      return { message: yield* decode(row), newer: newer[0]?.n ?? 0 }
    },
    Effect.mapError(failed("looking for a message"))
  )

  return { page, find }
}
