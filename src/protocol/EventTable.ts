/**
 * The table of events: name, payload, and who receives it.
 *
 * A broadcast event goes to every connection that its audience admits and carries that connection's next `seq`. A
 * targeted event goes to one connection and carries none.
 */
import * as Schema from "effect/Schema"
import { Challenge } from "./Connect.ts"
import { ApprovalResolved, PendingApproval } from "./methods/approvals.ts"
import { TranscriptMessage } from "./methods/chat.ts"
import { SessionMessage } from "./methods/history.ts"
import { SessionRow } from "./methods/sessions.ts"
import { NodeHostStats, PendingNode } from "./methods/nodes.ts"
import { PendingDevice, SetupOutcome } from "./methods/devices.ts"
import { NoParams } from "./methods/method.ts"
import { SessionOperation } from "./methods/compaction.ts"
import { HealthSummary } from "./methods/system.ts"
import { VoiceWakeTriggers } from "./methods/voice.ts"
import { PresenceEntry } from "./Presence.ts"
import type { OperatorScope } from "./Role.ts"

/** Who a broadcast reaches: every connection, or operators that hold a scope. */
export type Audience = "everyone" | OperatorScope

interface Event<S extends Schema.Top> {
  readonly payload: S
  readonly delivery:
    | { readonly _tag: "broadcast"; readonly audience: Audience }
    /** Of those in the audience, to whom asked for it. */
    | { readonly _tag: "subscribed"; readonly audience: Audience }
    | { readonly _tag: "targeted" }
  /** The frame carries `stateVersion`. */
  readonly versioned: boolean
  /** Every node is sent it too, as a targeted event is. */
  readonly nodes?: true
}

const broadcast = <S extends Schema.Top>(audience: Audience, payload: S, versioned = false): Event<S> => ({
  payload,
  delivery: { _tag: "broadcast", audience },
  versioned
})
const subscribed = <S extends Schema.Top>(audience: Audience, payload: S): Event<S> => ({
  payload,
  delivery: { _tag: "subscribed", audience },
  versioned: false
})
const targeted = <S extends Schema.Top>(payload: S): Event<S> => ({
  payload,
  delivery: { _tag: "targeted" },
  versioned: false
})

const run = {
  runId: Schema.NonEmptyString,
  sessionKey: Schema.NonEmptyString,
  agentId: Schema.optional(Schema.NonEmptyString),
  seq: Schema.Natural
}
const message = Schema.optional(TranscriptMessage)
const usage = Schema.optional(Schema.Unknown)

/** A turn as it happens. `deltaText` is the new text, `message` the whole text so far. */
export const ChatEvent = Schema.Union([
  /** Before the first word: what OpenClaw's Gateway prepares. Ours sends none. */
  Schema.Struct({ ...run, state: Schema.Literal("status"), phase: Schema.String, message }),
  Schema.Struct({
    ...run,
    state: Schema.Literal("delta"),
    message,
    deltaText: Schema.String,
    replace: Schema.optional(Schema.Boolean)
  }),
  Schema.Struct({
    ...run,
    state: Schema.Literal("final"),
    message,
    usage,
    stopReason: Schema.optional(Schema.String)
  }),
  Schema.Struct({
    ...run,
    state: Schema.Literal("aborted"),
    message,
    stopReason: Schema.optional(Schema.String)
  }),
  Schema.Struct({
    ...run,
    state: Schema.Literal("error"),
    message,
    errorMessage: Schema.optional(Schema.String),
    errorKind: Schema.optional(Schema.Literals(["refusal", "timeout", "rate_limit", "context_length", "unknown"])),
    usage
  })
])
export type ChatEvent = typeof ChatEvent.Type

/** The inside of a turn: lifecycle, assistant text and tool calls. */
export const AgentEvent = Schema.Struct({
  runId: Schema.NonEmptyString,
  sessionKey: Schema.optional(Schema.NonEmptyString),
  agentId: Schema.optional(Schema.NonEmptyString),
  seq: Schema.Natural,
  stream: Schema.NonEmptyString,
  ts: Schema.Natural,
  /** The turn was nobody's: this Gateway has none of the kind. */
  isHeartbeat: Schema.optional(Schema.Boolean),
  data: Schema.Record(Schema.String, Schema.Unknown)
})
export type AgentEvent = typeof AgentEvent.Type

/**
 * What a node promises with this capability: asked with `recall`, it answers what became of the request that it was sent
 * under the same key, waits for one that still runs, and says `NOT_REMEMBERED` where it knows of none. Told with
 * `askedAgoMs` how long ago that was at most, it runs the command if it is certain not to have begun it: its memory survives its
 * own restarts, and it knows how far back it is whole. It begins none that was asked for more than `RESUMED_WITHIN_MS`
 * milliseconds ago: by then nobody may expect it any longer. Whoever tells that must be sure that the first request was for this
 * same node. A question that the node cannot answer has the code `NOT_REMEMBERED` too, so that any other error is what became of
 * the request. Ours, not OpenClaw's.
 */
export const RECALL_CAP = "invoke.recall"
export const NOT_REMEMBERED = "NOT_REMEMBERED"
export const RESUMED_WITHIN_MS = 15 * 60_000

export const NodeInvokeRequest = Schema.Struct({
  id: Schema.NonEmptyString,
  nodeId: Schema.NonEmptyString,
  command: Schema.NonEmptyString,
  paramsJSON: Schema.optional(Schema.NullOr(Schema.String)),
  timeoutMs: Schema.optional(Schema.NullOr(Schema.Natural)),
  idempotencyKey: Schema.optional(Schema.NullOr(Schema.NonEmptyString)),
  /** Sent only to a node that declares `RECALL_CAP`: answer from memory. */
  recall: Schema.optional(Schema.Boolean),
  /** With `recall`: milliseconds since the request was made first, or more. Without it the command is never run. */
  askedAgoMs: Schema.optional(Schema.NullOr(Schema.Natural)),
  /** W3C's, and sent only to a node that declares `RECALL_CAP`: what the command belongs to. */
  traceparent: Schema.optional(Schema.String)
})
export type NodeInvokeRequest = typeof NodeInvokeRequest.Type

/** Nobody waits for an invoke any longer: the node ends the command. Recorded as OpenClaw's node host reads it. */
export const NodeInvokeCancel = Schema.Struct({ invokeId: Schema.NonEmptyString, nodeId: Schema.NonEmptyString })
export type NodeInvokeCancel = typeof NodeInvokeCancel.Type

const NodeResolved = Schema.Struct({
  /** Empty for a node that was removed. */
  requestId: Schema.String,
  nodeId: Schema.NonEmptyString,
  decision: Schema.Literals(["approved", "rejected", "removed"]),
  ts: Schema.Natural
})
const DeviceResolved = Schema.Struct({
  requestId: Schema.NonEmptyString,
  deviceId: Schema.NonEmptyString,
  decision: Schema.Literals(["approved", "rejected"]),
  ts: Schema.Natural
})

/** The fields of the row are there once more beside `session`: OpenClaw's clients read them in either place. */
const withRow = Schema.Record(Schema.String, Schema.Unknown)

/** Something of a session changed. Without `session` it is gone. */
const SessionsChanged = Schema.StructWithRest(
  Schema.Struct({
    sessionKey: Schema.NonEmptyString,
    agentId: Schema.optional(Schema.String),
    /** `create`, `patch`, `reset`, `delete`. */
    reason: Schema.optional(Schema.String),
    /** Of the turn `runId`: `start`, `end`, `error`. */
    phase: Schema.optional(Schema.String),
    runId: Schema.optional(Schema.String),
    ts: Schema.Natural,
    sessionId: Schema.optional(Schema.String),
    session: Schema.optional(SessionRow)
  }),
  [withRow]
)

export const EventTable = {
  /** The first frame on a connection: what a device has to sign. */
  "connect.challenge": targeted(Challenge),
  /** Sent now and then, so that a client notices a connection that is dead. */
  tick: broadcast("everyone", Schema.Struct({ ts: Schema.Natural })),
  /** Who is connected changed. */
  presence: broadcast("operator.read", Schema.Struct({ presence: Schema.Array(PresenceEntry) }), true),
  /** How the Gateway is changed. */
  health: broadcast("operator.read", HealthSummary, true),
  /** What a turn says, as people read it. */
  chat: broadcast("operator.read", ChatEvent),
  /** What goes on inside a turn. */
  agent: broadcast("operator.read", AgentEvent),
  /** To those who called `sessions.subscribe`. */
  "sessions.changed": subscribed("operator.read", SessionsChanged),
  /** To those, and to those who called `sessions.messages.subscribe` for the session. */
  "session.message": subscribed("operator.read", Schema.StructWithRest(SessionMessage, [withRow])),
  /** A session is being compacted, because somebody asked for it. To those who called `sessions.subscribe`. */
  "session.operation": subscribed("operator.read", SessionOperation),
  /** A node is asked to carry out a command. */
  "node.invoke.request": targeted(NodeInvokeRequest),
  /** A node is asked to end a command. */
  "node.invoke.cancel": targeted(NodeInvokeCancel),
  /** What a node reported of its machine. */
  "node.hostStats": broadcast(
    "operator.read",
    Schema.Struct({ nodeId: Schema.NonEmptyString, hostStats: NodeHostStats })
  ),
  /** A node's commands wait for approval. */
  "node.pair.requested": broadcast("operator.pairing", PendingNode),
  /** What a node declares was approved or refused, or the node was removed. */
  "node.pair.resolved": broadcast("operator.pairing", NodeResolved),
  /** A device waits to be let in. */
  "device.pair.requested": broadcast("operator.pairing", PendingDevice),
  /** A device was let in or refused. */
  "device.pair.resolved": broadcast("operator.pairing", DeviceResolved),
  /** Somebody has to decide whether a command may run. */
  "exec.approval.requested": broadcast("operator.approvals", PendingApproval),
  /** It was decided whether a command may run. */
  "exec.approval.resolved": broadcast("operator.approvals", ApprovalResolved),
  /** A device was renamed. */
  "device.pair.changed": broadcast("operator.pairing", NoParams),
  /** A setup code was used, and its device is paired. */
  "device.pair.setup.completed": broadcast("operator.pairing", SetupOutcome),
  /** A setup code was used, and nobody knows whether the device received its token. */
  "device.pair.setup.deliveryUncertain": broadcast("operator.pairing", SetupOutcome),
  /** The configuration was written; `config.get` tells what it says. */
  "config.changed": broadcast(
    "operator.read",
    Schema.Struct({ path: Schema.String, hash: Schema.String, ts: Schema.Natural })
  ),
  /** Also to each node when it connects. */
  "voicewake.changed": { ...broadcast("operator.read", VoiceWakeTriggers), nodes: true },
  /** The Gateway is about to end, or to start anew. */
  shutdown: broadcast(
    "everyone",
    Schema.Struct({ reason: Schema.NonEmptyString, restartExpectedMs: Schema.optional(Schema.Natural) })
  )
} as const

export type EventName = keyof typeof EventTable
export type EventRow = Event<Schema.Top>
export type EventPayload<Name extends EventName> = (typeof EventTable)[Name]["payload"]["Type"]

/** Names of all events, as `hello-ok.features.events` lists them. */
export const eventNames: ReadonlyArray<EventName> = Object.keys(EventTable) as Array<EventName>
