/**
 * The sections `session` and `messages` of `openclaw.json`: which messages belong together, how long they are kept, and what
 * becomes of one that comes while its session is busy.
 */
import * as Schema from "effect/Schema"
import { atLeast, oneOf, positive, record, text } from "./ConfigFields.ts"

/** A text such as `1h30m`; a number counts days. */
const duration = Schema.Union([
  Schema.Finite.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0))),
  Schema.String.pipe(
    Schema.check(Schema.isPattern(/^\s*(?:\d+(?:\.\d+)?|(?:\d+(?:\.\d+)?\s*(?:ms|[smhdw])\s*)+)\s*$/i))
  )
])
/** A text such as `500mb`; a number counts bytes. */
const size = Schema.Union([
  Schema.Finite.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0))),
  Schema.String.pipe(Schema.check(Schema.isPattern(/^\s*\d+(?:\.\d+)?\s*(?:[kmgt]?b)?\s*$/i)))
])
const off = Schema.Literal(false)

export const SessionSection = Schema.Struct({
  /** Whose direct messages share a conversation: everybody's (`main`), one person's, one person's on one channel, one person's on one account. @default main */
  dmScope: oneOf("main", "per-peer", "per-channel-peer", "per-account-channel-peer"),
  /** The name of the main session. @default main */
  mainKey: text,
  /** What keeps the transcripts from growing for ever: what is old, too much or too large goes, by itself. */
  maintenance: Schema.optional(
    Schema.Struct({
      /** `warn`: nothing is deleted, the log tells what would be. @default enforce */
      mode: oneOf("enforce", "warn"),
      /** Sessions that were not used for this long are deleted. @default 30d */
      pruneAfter: Schema.optional(duration),
      /** Sessions that are kept at most. @default 5000 */
      maxEntries: positive,
      /** Sessions used within this time are never deleted. @default none */
      preserveRecent: Schema.optional(Schema.Union([off, duration])),
      /** What transcripts may take of the disk; `false` is no limit. @default 10gb */
      maxDiskBytes: Schema.optional(Schema.Union([off, size])),
      /** What is left after some had to go. @default 80 % of `maxDiskBytes` */
      highWaterBytes: Schema.optional(size)
    })
  )
})

const queueMode = Schema.Literals(["steer", "followup", "collect", "interrupt"])

export const MessagesSection = Schema.Struct({
  queue: Schema.optional(
    Schema.Struct({
      /**
       * What becomes of a message while its session is busy: a turn of its own (`followup`), taken in by the running turn
       * (`steer`), joined with those that wait (`collect`), or the running turn is ended (`interrupt`). @default followup
       */
      mode: Schema.optional(queueMode),
      /** The same by channel. */
      byChannel: record(queueMode),
      /** Milliseconds of quiet that `collect` waits for, by channel. @default 500 */
      debounceMsByChannel: record(atLeast(0)),
      /** Messages that may wait in a session. @default any number */
      cap: positive,
      /** Beyond `cap`: the oldest goes, the newest goes, or the oldest are kept as a summary. @default summarize */
      drop: oneOf("old", "new", "summarize")
    })
  )
})
