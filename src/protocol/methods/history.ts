/**
 * `chat.startup`, `chat.history` and what else reads and adds to a transcript without a turn.
 *
 * After a reconnect: `chat.history` with the `deltaCursor` that it gave before answers what was added since, with
 * `inFlightRun` (the turn that runs now and its text so far) and `pendingInputs` (messages that wait for their turn).
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { Name, SessionKeyText } from "../text.ts"
import { CommandEntry } from "./agents.ts"
import { TranscriptMessage } from "./chat.ts"
import { method } from "./method.ts"
import { ModelChoice } from "./models.ts"
import { SessionDefaults, SessionRow } from "./sessions.ts"

const optionalText = Schema.optional(Schema.String)
const optionalId = Schema.optional(Name)
const within = (least: number, most: number) =>
  Schema.optional(Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(least), Schema.isLessThanOrEqualTo(most))))

export const ChatHistoryParams = Schema.Struct({
  sessionKey: SessionKeyText,
  agentId: optionalId,
  /** A `deltaCursor` of before: only what came since. */
  cursor: Schema.optional(Schema.String.pipe(Schema.check(Schema.isMaxLength(4096)))),
  limit: within(1, 1000),
  /** Newest messages to leave out. */
  offset: Schema.optional(Schema.Natural),
  pendingBefore: within(1, Number.MAX_SAFE_INTEGER),
  /** What became of these messages is told in `inputReceipts`. */
  inputRunIds: Schema.optional(Schema.Array(Name).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(50)))),
  /** A page that has this message. */
  messageId: optionalId,
  sessionId: optionalId,
  /** Characters of a text at most. */
  maxChars: within(1, 500_000),
  /** Bytes of the messages as JSON, together; the oldest are left out first. 6 MiB when left out, 16 MiB at most. */
  maxBytes: within(1024, Number.MAX_SAFE_INTEGER)
})
export type ChatHistoryParams = typeof ChatHistoryParams.Type

const InFlightRun = Schema.Struct({
  runId: Schema.NonEmptyString,
  text: optionalText,
  startedAt: Schema.optional(Schema.Finite)
})

/** Messages that wait for their turn, the newest 20 before `pendingBefore`, oldest first. */
const PendingInputs = Schema.Struct({
  items: Schema.Array(
    Schema.Struct({
      id: Schema.NonEmptyString,
      runId: optionalText,
      message: TranscriptMessage,
      acceptedAt: Schema.Finite,
      state: Schema.Literals(["queued", "cancelled", "interrupted"])
    })
  ),
  total: Schema.Natural,
  /** Ask with this as `pendingBefore` for those before. */
  nextBefore: Schema.optional(Schema.Natural)
})

const InputReceipt = Schema.Union([
  Schema.Struct({ runId: Schema.NonEmptyString, state: Schema.Literal("pending") }),
  Schema.Struct({
    runId: Schema.NonEmptyString,
    state: Schema.Literal("consumed"),
    /** The message's entry in the transcript. */
    consumedByEventId: Schema.NonEmptyString
  })
])
export type InputReceipt = typeof InputReceipt.Type

/** A message with the place where it was said: also the payload of the event `session.message`. */
export const SessionMessage = Schema.Struct({
  sessionKey: Schema.NonEmptyString,
  agentId: optionalText,
  message: TranscriptMessage,
  messageId: optionalText,
  messageSeq: Schema.optional(Schema.Natural),
  sessionId: optionalText,
  session: Schema.optional(SessionRow)
})
export type SessionMessage = typeof SessionMessage.Type

const live = {
  /** The turn that runs now, so that a client that was away can pick it up. */
  inFlightRun: Schema.optional(InFlightRun),
  pendingInputs: Schema.optional(PendingInputs),
  inputReceipts: Schema.optional(Schema.Array(InputReceipt)),
  /** Missing as long as the session has nothing. */
  sessionInfo: Schema.optional(SessionRow)
}

const Page = Schema.Struct({
  ...live,
  sessionKey: Schema.NonEmptyString,
  sessionId: optionalText,
  messages: Schema.Array(TranscriptMessage),
  deltaCursor: optionalText,
  offset: Schema.optional(Schema.Natural),
  /** The `offset` of the next older page. */
  nextOffset: Schema.optional(Schema.Natural),
  hasMore: Schema.optional(Schema.Boolean),
  totalMessages: Schema.optional(Schema.Natural),
  defaults: Schema.optional(SessionDefaults)
})

const Delta = Schema.Struct({
  ...live,
  kind: Schema.Literal("delta"),
  messages: Schema.Array(SessionMessage),
  deltaCursor: Schema.String
})

/** The cursor is of a transcript that is no more, or too much came since: ask without it. */
const Reset = Schema.Struct({ kind: Schema.Literal("reset") })

const ChatHistoryResult = Schema.Union([Page, Delta, Reset])
export type ChatHistoryResult = typeof ChatHistoryResult.Type

/** What a page offers to choose from, in one answer. */
const Metadata = Schema.Struct({ models: Schema.Array(ModelChoice), commands: Schema.Array(CommandEntry) })

export const HistoryMethods = RpcGroup.make(
  /** What a page has to know before somebody writes: models and commands. As `models.list` and `commands.list` together. */
  method("chat.metadata", {
    access: "operator.read",
    params: Schema.Struct({ agentId: optionalId, sessionKey: Schema.optional(SessionKeyText) }),
    result: Metadata
  }),
  /** As `chat.history`: what a page asks for first. */
  method("chat.startup", { access: "operator.read", params: ChatHistoryParams, result: ChatHistoryResult }),
  /** The last messages of a session, a page at a time. */
  method("chat.history", { access: "operator.read", params: ChatHistoryParams, result: ChatHistoryResult }),
  /** One message, whole. */
  method("chat.message.get", {
    access: "operator.read",
    params: Schema.Struct({
      sessionKey: SessionKeyText,
      agentId: optionalId,
      messageId: Name,
      maxChars: within(1, 2_000_000)
    }),
    result: Schema.Struct({
      ok: Schema.Boolean,
      message: Schema.optional(TranscriptMessage),
      unavailableReason: Schema.optional(Schema.Literals(["not_found", "oversized", "not_visible"]))
    })
  }),
  /** Puts words into the assistant's mouth. They are in the transcript, and models see them. */
  method("chat.inject", {
    access: "operator.admin",
    params: Schema.Struct({
      sessionKey: SessionKeyText,
      agentId: optionalId,
      message: Schema.NonEmptyString,
      label: Schema.optional(Schema.String.pipe(Schema.check(Schema.isMaxLength(100))))
    }),
    result: Schema.Struct({ ok: Schema.Literal(true), messageId: Schema.NonEmptyString })
  })
)
