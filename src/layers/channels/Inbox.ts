/**
 * The inbox: every message that a channel received, stored before the channel hears that it arrived, and what the bot owes
 * an answer to by itself.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { Channel, UnreadMessage } from "../../services/Channel.ts"
import { InboundMessage, InboxFailed, OutboundMessage } from "../../services/Channel.ts"
import type { SetAsideReason } from "../../services/SetAside.ts"
import { format } from "../../domain/TraceContext.ts"
import { type FlowSpan, Tracing } from "../../services/Tracing.ts"
import { now } from "../now.ts"

/** What the bot says by itself. `code` is the pairing code that the text tells. */
export const Reply = Schema.Struct({
  message: Schema.Struct({ ...OutboundMessage.fields, idempotencyKey: Schema.NonEmptyString }),
  code: Schema.optional(Schema.String)
})
export type Reply = typeof Reply.Type

const WaitingRow = Schema.Struct({
  seq: Schema.Natural,
  received_at: Schema.Natural,
  message: Schema.String,
  tries: Schema.Natural,
  trace: Schema.NullOr(Schema.String)
})
const decodeWaiting = Schema.decodeUnknownEffect(Schema.Array(WaitingRow))
const StoredReply = Schema.fromJsonString(Reply)
const decodeReply = Schema.decodeUnknownEffect(StoredReply)
const encodeReply = Schema.encodeSync(StoredReply)
const StoredMessage = Schema.fromJsonString(InboundMessage)
export const encodeMessage = Schema.encodeEffect(StoredMessage)

/** A message that waits for its turn. */
export interface Waiting {
  readonly seq: number
  /** Unix milliseconds of the commit. */
  readonly receivedAt: number
  /** The message as it was stored, an `InboundMessage` in JSON. */
  readonly stored: string
  /** How often an earlier process took it up and did not come to its end. */
  readonly tries: number
  /** The `traceparent` of its arrival. */
  readonly trace: string | undefined
}

/** Reads what was stored. */
export const decodeMessage = Schema.decodeUnknownEffect(StoredMessage)

/** A message's name within its channel and source: chats number their messages once and for all. */
export const keyOf = ({ messageId, peer }: Pick<InboundMessage, "messageId" | "peer">): string =>
  `${peer.chatId}:${messageId}`

/** The name of what has no readable one. */
const keyOfUnread = ({ raw, updateId }: UnreadMessage): string =>
  `unread:${updateId ?? ""}:${createHash("sha256").update(raw).digest("hex").slice(0, 32)}`

export const inboxFailed = (error: { readonly message: string }): InboxFailed =>
  error instanceof InboxFailed ? error : new InboxFailed({ message: `the inbox cannot be used: ${error.message}` })
export const orInboxFailed = Effect.mapError(inboxFailed)

/**
 * Reads and writes one channel's part of the inbox. Whose messages those are is said by the source where it is known, because
 * the account's name may change.
 */
export const make = Effect.fnUntraced(function* ({ accountId, id: channel, source }: Channel) {
  const sql = yield* SqlClient.SqlClient
  const tracing = yield* Tracing
  const own =
    source === undefined
      ? sql`channel = ${channel} AND account_id = ${accountId}`
      : sql`channel = ${channel} AND source = ${source}`
  /** Begins the trace of each message; it lasts until all of them are committed. */
  const received = <A, E, R>(
    messages: ReadonlyArray<InboundMessage>,
    use: (spans: ReadonlyArray<FlowSpan>) => Effect.Effect<A, E, R>,
    spans: ReadonlyArray<FlowSpan> = []
  ): Effect.Effect<A, E, R> => {
    const message = messages[spans.length]
    if (message === undefined) return use(spans)
    const { messageId, updateId } = message
    return tracing.span("receive", { root: true, attributes: { channel, accountId, messageId, updateId } }, (span) =>
      received(messages, use, [...spans, span])
    )
  }

  const commit = Effect.fnUntraced(function* (
    messages: ReadonlyArray<InboundMessage>,
    unread: ReadonlyArray<UnreadMessage>,
    fence: Effect.Effect<void, InboxFailed>,
    spans: ReadonlyArray<FlowSpan>
  ) {
    yield* fence
    const receivedAt = yield* now
    const setAside = (each: UnreadMessage) => sql`
      INSERT INTO channel_inbox (channel, source, message_key, account_id, received_at, message, raw,
        set_aside_at, set_aside_reason, set_aside_detail)
      VALUES (${channel}, ${each.source}, ${keyOfUnread(each)}, ${accountId}, ${receivedAt}, ${each.raw}, 1,
        ${receivedAt}, 'unreadable', ${each.reason})
      ON CONFLICT DO NOTHING`
    for (const [index, message] of messages.entries()) {
      const stored = yield* Effect.result(encodeMessage(message))
      if (stored._tag === "Failure") {
        yield* setAside({
          source: message.source,
          raw: JSON.stringify(message),
          reason: `its channel gave it in a wrong shape: ${stored.failure.message}`
        })
        continue
      }
      const span = spans[index]
      const trace = span?.context === undefined ? null : format(span.context)
      const entered = yield* sql`
        INSERT INTO channel_inbox (channel, source, message_key, account_id, received_at, message, trace)
        VALUES (${channel}, ${message.source}, ${keyOf(message)}, ${accountId}, ${receivedAt}, ${stored.success}, ${trace})
        ON CONFLICT DO NOTHING RETURNING seq`
      // It came before, and has its trace.
      if (entered.length === 0) span?.drop()
    }
    for (const each of unread) yield* setAside(each)
  })

  return {
    /**
     * Stores what is new, all of it or nothing, if `fence` allows. A message that was stored before changes nothing. One that
     * its own channel cannot have read right is set aside, or it would hold up what came with it.
     */
    commit: Effect.fn("Inbox.commit")(
      (
        messages: ReadonlyArray<InboundMessage>,
        unread: ReadonlyArray<UnreadMessage>,
        fence: Effect.Effect<void, InboxFailed>
      ) =>
        received(messages, (spans) =>
          Effect.uninterruptible(sql.withTransaction(commit(messages, unread, fence, spans)))
        ),
      orInboxFailed
    ),
    /** The oldest messages that wait. */
    waiting: Effect.fnUntraced(function* (limit: number) {
      const rows = yield* decodeWaiting(
        yield* sql`
          SELECT seq, received_at, message, tries, trace FROM channel_inbox
          WHERE ${own} AND message IS NOT NULL AND set_aside_at IS NULL ORDER BY seq LIMIT ${limit}`
      )
      return rows.map(({ message, received_at, seq, trace, tries }): Waiting => ({
        seq,
        receivedAt: received_at,
        stored: message,
        tries,
        trace: trace ?? undefined
      }))
    }, orInboxFailed),
    /** The newest row that is there now; 0 when there is none. */
    newest: Effect.gen(function* () {
      const rows = yield* sql<{ readonly seq: number }>`SELECT MAX(seq) AS seq FROM channel_inbox`
      return rows[0]?.seq ?? 0
    }).pipe(orInboxFailed),
    /** Counts a try that may not come to its end, or takes it back. */
    countTry: (seq: number, by: 1 | -1) =>
      orInboxFailed(sql`UPDATE channel_inbox SET tries = MAX(0, tries + ${by}) WHERE seq = ${seq}`),
    /** It is not handled any more, and kept. `false` when it is dealt with already. */
    setAside: Effect.fnUntraced(function* (seq: number, reason: SetAsideReason, detail: string) {
      const rows = yield* sql`
        UPDATE channel_inbox
        SET set_aside_at = ${yield* now}, set_aside_reason = ${reason}, set_aside_detail = ${detail}
        WHERE seq = ${seq} AND message IS NOT NULL AND set_aside_at IS NULL RETURNING seq`
      return rows.length > 0
    }, orInboxFailed),
    /** The message is dealt with; only its key remains. `false` when it was already. */
    done: Effect.fnUntraced(function* (seq: number) {
      const rows = yield* sql`
        UPDATE channel_inbox SET message = NULL
        WHERE seq = ${seq} AND message IS NOT NULL AND set_aside_at IS NULL RETURNING seq`
      return rows.length > 0
    }, orInboxFailed),
    /** Keeps what is to be said about a message. */
    owe: (seq: number, reply: Reply) =>
      orInboxFailed(sql`UPDATE channel_inbox SET reply = ${encodeReply(reply)} WHERE seq = ${seq}`),
    /** What is still to be said. */
    owed: Effect.gen(function* () {
      const rows = yield* sql<{ readonly seq: number; readonly reply: string }>`
        SELECT seq, reply FROM channel_inbox WHERE ${own} AND reply IS NOT NULL ORDER BY seq`
      const read = yield* Effect.forEach(rows, ({ reply, seq }) =>
        decodeReply(reply).pipe(
          Effect.map((decoded) => [{ seq, reply: decoded }]),
          // It would keep everything behind it from being said.
          Effect.catchTag("SchemaError", () =>
            Effect.logError(`the answer of inbox row ${seq} cannot be read and is given up`).pipe(
              Effect.andThen(sql`UPDATE channel_inbox SET reply = NULL WHERE seq = ${seq}`),
              Effect.as([])
            )
          )
        )
      )
      return read.flat()
    }).pipe(orInboxFailed),
    /** Whether a pairing code is still to be told. */
    owesCode: Effect.fnUntraced(function* (code: string) {
      const rows = yield* sql`
        SELECT seq FROM channel_inbox
        WHERE ${own} AND reply IS NOT NULL AND json_valid(reply) AND json_extract(reply, '$.code') = ${code} LIMIT 1`
      return rows.length > 0
    }, orInboxFailed),
    /** It was said, or given up. */
    said: (seq: number) => orInboxFailed(sql`UPDATE channel_inbox SET reply = NULL WHERE seq = ${seq}`)
  }
})

export type Inbox = Effect.Success<ReturnType<typeof make>>
