/**
 * `chat.send`, `chat.abort`, `agent` and `send`: what starts and ends turns, and the transcript that they write.
 *
 * Times are Unix milliseconds, timeouts milliseconds.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import type { ErrorShape } from "../GatewayError.ts"
import { Address, AddressOrNone, Label, Name, NameOrNone, SessionKeyOrNone, SessionKeyText } from "../text.ts"
import { FailedAnswer, method, streamMethod } from "./method.ts"

const optionalText = Schema.optional(Schema.String)
const optionalId = Schema.optional(Name)
const optionalWord = Schema.optional(NameOrNone)
const optionalAddress = Schema.optional(AddressOrNone)
const optionalName = Schema.optional(Schema.NonEmptyString)

/** One part of a message. Unknown kinds pass through untouched. */
export const ContentPart = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text"), text: Schema.String }),
  Schema.Record(Schema.String, Schema.Unknown)
])

/** One entry of a transcript as clients see it. */
export const TranscriptMessage = Schema.Struct({
  id: optionalText,
  role: Schema.String,
  content: Schema.Union([Schema.String, Schema.Array(ContentPart)]),
  timestamp: Schema.optional(Schema.Finite),
  model: optionalText,
  provider: optionalText,
  stopReason: optionalText,
  errorMessage: optionalText,
  usage: Schema.optional(Schema.Unknown),
  toolCallId: optionalText,
  toolName: optionalText,
  isError: Schema.optional(Schema.Boolean),
  runId: optionalText,
  idempotencyKey: optionalText,
  /** Where the entry stands, who wrote a user's message, and what became of one that has no reply of its own. */
  __openclaw: Schema.optional(
    Schema.Struct({
      /** As `id` and `runId` beside it; here OpenClaw's clients look for them. */
      id: optionalText,
      runId: optionalText,
      idempotencyKey: optionalText,
      /** Its place in the session, from 1. */
      seq: Schema.optional(Schema.Natural),
      /** `compaction`: models are shown a summary instead of what stands before; about so many tokens. */
      kind: optionalText,
      tokensBefore: Schema.optional(Schema.Finite),
      tokensAfter: Schema.optional(Schema.Finite),
      senderId: optionalText,
      senderName: optionalText,
      folded: Schema.optional(Schema.Struct({ how: Schema.String, into: optionalText }))
    })
  ),
  /** The text of a turn that somebody ended: it is not all that would have come. */
  openclawAbort: Schema.optional(
    Schema.Struct({ aborted: Schema.Literal(true), origin: Schema.String, runId: Schema.NonEmptyString })
  )
})
export type TranscriptMessage = typeof TranscriptMessage.Type

/**
 * A message to a session. `queueMode` says what becomes of it while a turn runs there; without it
 * the session's setting holds, then the configuration's. Params that
 * this Gateway has no use for (`thinking`, `fastMode`, `expected…`, provenance) are accepted and not read.
 */
export const ChatSendParams = Schema.Struct({
  sessionKey: SessionKeyText,
  agentId: optionalId,
  sessionId: optionalId,
  message: Schema.String,
  thinking: optionalWord,
  fastMode: Schema.optional(Schema.Unknown),
  fastAutoOnSeconds: Schema.optional(Schema.Natural),
  systemInputProvenance: Schema.optional(Schema.Unknown),
  systemProvenanceReceipt: optionalText,
  queueMode: Schema.optional(Schema.Literals(["steer", "followup", "collect", "interrupt"])),
  deliver: Schema.optional(Schema.Boolean),
  originatingChannel: optionalWord,
  originatingTo: optionalAddress,
  originatingAccountId: optionalWord,
  originatingThreadId: optionalWord,
  replyToId: optionalId,
  attachments: Schema.optional(Schema.Array(Schema.Unknown)),
  toolBindings: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)),
  timeoutMs: Schema.optional(Schema.Natural),
  suppressCommandInterpretation: Schema.optional(Schema.Boolean),
  expectedLeafEntryId: Schema.optional(Schema.NullOr(Name)),
  expectedSessionRoutingContract: optionalName,
  expectedPermissionMode: Schema.optional(Schema.Unknown),
  expectedToolOverrides: Schema.optional(Schema.Unknown),
  idempotencyKey: Name
})
export type ChatSendParams = typeof ChatSendParams.Type

export const AgentParams = Schema.Struct({
  message: Schema.NonEmptyString,
  agentId: optionalId,
  provider: optionalWord,
  model: optionalWord,
  to: optionalAddress,
  replyTo: optionalAddress,
  sessionId: optionalWord,
  sessionKey: Schema.optional(SessionKeyOrNone),
  thinking: optionalWord,
  deliver: Schema.optional(Schema.Boolean),
  attachments: Schema.optional(Schema.Array(Schema.Unknown)),
  channel: optionalWord,
  replyChannel: optionalWord,
  accountId: optionalWord,
  replyAccountId: optionalWord,
  threadId: optionalWord,
  groupId: optionalWord,
  groupChannel: optionalWord,
  groupSpace: optionalWord,
  voiceWakeTrigger: optionalWord,
  cleanupBundleMcpOnRunEnd: Schema.optional(Schema.Boolean),
  /** Seconds, as OpenClaw's CLI sends it; 0 means no limit. */
  timeout: Schema.optional(Schema.Natural),
  bestEffortDeliver: Schema.optional(Schema.Boolean),
  lane: optionalWord,
  extraSystemPrompt: optionalText,
  inputProvenance: Schema.optional(Schema.Unknown),
  idempotencyKey: Name,
  label: Schema.optional(Label)
})
export type AgentParams = typeof AgentParams.Type

const Accepted = Schema.Struct({
  runId: Schema.NonEmptyString,
  sessionKey: optionalText,
  agentId: optionalText,
  status: Schema.Literal("accepted"),
  acceptedAt: Schema.Natural
})

const Finished = Schema.Struct({
  runId: Schema.NonEmptyString,
  status: Schema.Literals(["ok", "error", "timeout"]),
  summary: optionalText,
  error: optionalText,
  result: Schema.optional(
    Schema.Struct({
      payloads: Schema.Array(
        Schema.Struct({ text: optionalText, mediaUrl: Schema.optional(Schema.NullOr(Schema.String)) })
      ),
      meta: Schema.optional(Schema.Record(Schema.String, Schema.Unknown))
    })
  )
})
export type AgentFinished = typeof Finished.Type

const Aborted = Schema.Struct({
  ok: Schema.Literal(true),
  aborted: Schema.Boolean,
  runIds: Schema.optional(Schema.Array(Schema.String))
})

/** A message is answered with `runId` and `status`; the command `/stop` is answered as `chat.abort` is. */
export const Sent = Schema.Struct({
  /** The request's idempotency key. */
  runId: optionalName,
  /** `started`, or `in_flight`/`ok` when the idempotency key was seen before. */
  status: optionalText,
  messageSeq: Schema.optional(Schema.Natural),
  ok: Schema.optional(Schema.Literal(true)),
  aborted: Schema.optional(Schema.Boolean),
  runIds: Schema.optional(Schema.Array(Schema.String))
})
export type Sent = typeof Sent.Type

const isFinished = Schema.is(Finished)
/** A turn that failed is answered `ok: false` with the same payload beside the error. */
const failedTurn = (payload: unknown): ErrorShape | undefined =>
  isFinished(payload) && payload.status !== "ok"
    ? { code: "UNAVAILABLE", message: payload.summary || payload.error || "the turn failed" }
    : undefined

export const ChatMethods = RpcGroup.make(
  /** Says something to an agent in a session. Answers once the message is stored; the events `chat` and `agent` tell what follows. */
  method("chat.send", {
    access: "operator.write",
    repeat: "keyed",
    params: ChatSendParams,
    result: Sent
  }),
  /** Ends a session's running turn, or the one that `runId` names. */
  method("chat.abort", {
    access: "operator.write",
    params: Schema.Struct({
      sessionKey: SessionKeyText,
      agentId: optionalId,
      runId: optionalId,
      preserveSideRuns: Schema.optional(Schema.Boolean)
    }),
    result: Aborted
  }),
  /** Says something to an agent and waits for the reply. Two answers: accepted at once, finished when the turn is over. */
  streamMethod("agent", {
    access: "operator.write",
    repeat: "keyed",
    params: AgentParams,
    result: Schema.Union([Accepted, Finished])
  }).annotate(FailedAnswer, failedTurn),
  /** Sends a message through a channel, without an agent. Stored first, then delivered once. */
  method("send", {
    access: "operator.write",
    repeat: "keyed",
    params: Schema.Struct({
      to: Address,
      message: optionalText,
      mediaUrl: optionalText,
      mediaUrls: Schema.optional(Schema.Array(Schema.String)),
      /** A file in base64. */
      buffer: optionalText,
      filename: optionalText,
      /** Its MIME type. */
      contentType: optionalText,
      channel: optionalWord,
      accountId: optionalWord,
      agentId: optionalWord,
      replyToId: optionalWord,
      threadId: optionalWord,
      silent: Schema.optional(Schema.Boolean),
      asVoice: Schema.optional(Schema.Boolean),
      gifPlayback: Schema.optional(Schema.Boolean),
      forceDocument: Schema.optional(Schema.Boolean),
      parseMode: Schema.optional(Schema.Literal("HTML")),
      sessionKey: Schema.optional(SessionKeyOrNone),
      idempotencyKey: Name
    }),
    result: Schema.Struct({
      runId: Schema.NonEmptyString,
      messageId: Schema.NonEmptyString,
      channel: Schema.NonEmptyString,
      chatId: optionalText
    })
  })
)
