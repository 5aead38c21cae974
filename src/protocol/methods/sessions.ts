/**
 * `sessions.*`: the conversations, what is kept of each, and who is told of it.
 *
 * Times are Unix milliseconds. A row that another Gateway sends may have more than ours has.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { Label, Name, SearchText, SessionKeyText } from "../text.ts"
import { method } from "./method.ts"
import { SessionsUsageParams, SessionsUsageResult } from "./usage.ts"

const optionalText = Schema.optional(Schema.String)
const optionalTime = Schema.optional(Schema.Finite)
const optionalNumber = Schema.optional(Schema.Finite)
const optionalBoolean = Schema.optional(Schema.Boolean)
const optionalId = Schema.optional(Name)
const optionalCount = Schema.optional(Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1))))
const orNull = <S extends Schema.Top>(schema: S) => Schema.optional(Schema.NullOr(schema))

export const SessionRow = Schema.Struct({
  key: Schema.String,
  sessionId: optionalText,
  kind: Schema.Literals(["direct", "group", "global", "unknown"]),
  /** `main`, `direct`, `group`, `custom`. */
  classification: optionalText,
  label: optionalText,
  displayName: optionalText,
  /** The beginning of the first message. */
  derivedTitle: optionalText,
  lastMessagePreview: optionalText,
  channel: optionalText,
  agentId: optionalText,
  accountId: optionalText,
  chatType: Schema.optional(Schema.Literals(["direct", "group", "channel"])),
  isMain: optionalBoolean,
  /** Nobody talks in it. */
  isBackground: optionalBoolean,
  createdAt: optionalTime,
  updatedAt: Schema.optional(Schema.NullOr(Schema.Finite)),
  /** When something was last said, by whomever. */
  lastActivityAt: optionalTime,
  /** When somebody last wrote to the agent. */
  lastInteractionAt: optionalTime,
  archived: optionalBoolean,
  archivedAt: optionalTime,
  pinned: optionalBoolean,
  pinnedAt: optionalTime,
  unread: optionalBoolean,
  lastReadAt: optionalTime,
  markedUnreadAt: optionalTime,
  status: Schema.optional(Schema.Literals(["queued", "running", "done", "failed", "killed", "timeout"])),
  /** Of the last turn. */
  startedAt: optionalTime,
  endedAt: optionalTime,
  runtimeMs: optionalNumber,
  lastRunId: optionalText,
  lastRunError: optionalText,
  /** A turn has begun and not ended. */
  hasActiveRun: optionalBoolean,
  activeRunIds: Schema.optional(Schema.Array(Schema.String)),
  /** The last turn was ended before it was over. */
  abortedLastRun: optionalBoolean,
  inputTokens: optionalNumber,
  outputTokens: optionalNumber,
  totalTokens: optionalNumber,
  /** They are the last turn's. */
  totalTokensFresh: optionalBoolean,
  /** How often it was compacted since its last reset. */
  compactionCount: optionalNumber,
  /** How many tokens the model reads at once. */
  contextTokens: optionalNumber,
  model: optionalText,
  modelProvider: optionalText,
  /** `user` when `sessions.patch` chose the model. */
  modelOverrideSource: Schema.optional(Schema.NullOr(Schema.String)),
  effectiveQueueMode: optionalText,
  /** When this was read: of two rows the newer one holds. */
  snapshotAt: optionalTime
})
export type SessionRow = typeof SessionRow.Type

/** What a session has that says nothing of its own. */
export const SessionDefaults = Schema.Struct({
  modelProvider: optionalText,
  model: optionalText,
  contextTokens: optionalNumber,
  thinkingLevels: Schema.optional(Schema.Array(Schema.Struct({ id: Schema.String, label: Schema.String }))),
  thinkingOptions: Schema.optional(Schema.Array(Schema.String)),
  thinkingDefault: optionalText,
  /** What a page changes when somebody chooses a model in it. */
  modelSelectionTarget: optionalText
})
export type SessionDefaults = typeof SessionDefaults.Type

/** As OpenClaw 2026.9.6 takes them; `activeOnly` is newer than the published schema. */
export const SessionsListParams = Schema.Struct({
  activeOnly: optionalBoolean,
  limit: optionalCount,
  offset: Schema.optional(Schema.Natural),
  activeMinutes: optionalCount,
  requireLastInteraction: optionalBoolean,
  sortBy: Schema.optional(Schema.Literals(["updatedAt", "lastInteractionAt"])),
  includeGlobal: optionalBoolean,
  includeUnknown: optionalBoolean,
  configuredAgentsOnly: optionalBoolean,
  includeDerivedTitles: optionalBoolean,
  includeLastMessage: optionalBoolean,
  includePeople: optionalBoolean,
  label: Schema.optional(Label),
  boardFace: Schema.optional(Schema.Literals(["chat", "dashboard"])),
  creatorId: optionalId,
  ownerId: optionalId,
  ownerFirst: optionalBoolean,
  involvingMe: optionalBoolean,
  involvingProfileId: optionalId,
  spawnedBy: optionalId,
  agentId: optionalId,
  search: Schema.optional(SearchText),
  /** Left out: those that are not archived. */
  archived: Schema.optional(Schema.Union([Schema.Boolean, Schema.Literal("all")]))
})
export type SessionsListParams = typeof SessionsListParams.Type

const Level = orNull(Name)
const PermissionMode = Schema.Literals(["read-only", "guarded", "workspace", "full"])

/**
 * What is to change in a session; `null` takes a choice back. This Gateway keeps `label`, `archived`, `pinned`, `unread` and
 * `model`. What else OpenClaw has is refused by name, except where it asks for what is so anyway.
 */
export const SessionsPatchParams = Schema.Struct({
  key: SessionKeyText,
  agentId: optionalId,
  /** Refused when the session is another one by now. */
  expectedSessionId: optionalId,
  expectedLifecycleRevision: optionalId,
  expectedPermissionMode: orNull(PermissionMode),
  expectedToolOverrides: orNull(Schema.Unknown),
  expectedMarkedUnreadAt: orNull(Schema.Finite),
  label: orNull(Label),
  archived: optionalBoolean,
  pinned: optionalBoolean,
  unread: optionalBoolean,
  /** `provider/model`; the turns that begin after this use it. */
  model: orNull(Name),
  icon: orNull(Schema.String),
  color: orNull(Schema.String),
  category: orNull(Label),
  boardFace: Schema.optional(Schema.Literals(["chat", "dashboard"])),
  statusNote: orNull(Schema.String.pipe(Schema.check(Schema.isMaxLength(120)))),
  attention: orNull(Schema.Literals(["hand", "key", "alert", "flag", "lock", "hourglass"])),
  ttlMinutes: Schema.optional(
    Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1), Schema.isLessThanOrEqualTo(120)))
  ),
  contextWindow: Level,
  thinkingLevel: Level,
  fastMode: orNull(Schema.Union([Schema.Boolean, Schema.Literal("auto")])),
  toolOverrides: orNull(Schema.Unknown),
  verboseLevel: Level,
  traceLevel: Level,
  reasoningLevel: Level,
  responseUsage: orNull(Schema.Literals(["off", "tokens", "full", "on"])),
  elevatedLevel: Level,
  execHost: Level,
  execSecurity: Level,
  execAsk: Level,
  execNode: Level,
  permissionMode: orNull(PermissionMode),
  completionOwnerSessionKey: Level,
  inheritedToolPolicyVersion: orNull(Schema.Literal(1)),
  inheritedToolAllow: orNull(Schema.Array(Name)),
  inheritedToolDeny: orNull(Schema.Array(Name)),
  sendPolicy: orNull(Schema.Literals(["allow", "deny"])),
  groupActivation: orNull(Schema.Literals(["mention", "always"]))
})
export type SessionsPatchParams = typeof SessionsPatchParams.Type

/** A session and the model that its next turn uses. OpenClaw's `entry` says neither `key` nor `kind`. */
const Changed = Schema.Struct({
  ok: Schema.Literal(true),
  key: Schema.NonEmptyString,
  entry: Schema.Struct({
    ...SessionRow.fields,
    key: Schema.optional(SessionRow.fields.key),
    kind: Schema.optional(SessionRow.fields.kind)
  }),
  resolved: Schema.optional(SessionDefaults)
})

const Candidate = Schema.Struct({ key: Name, agentId: Name, displayName: optionalText })

const Subscribed = Schema.Struct({ subscribed: Schema.Boolean, key: Schema.NonEmptyString })

const SessionPreview = Schema.Struct({
  /** As it was asked for. */
  key: Schema.String,
  status: Schema.Literals(["ok", "empty", "missing", "error"]),
  items: Schema.Array(Schema.Struct({ role: Schema.String, text: Schema.String }))
})
export type SessionPreview = typeof SessionPreview.Type

const SessionsList = Schema.Struct({
  ts: Schema.Natural,
  path: optionalText,
  count: Schema.Natural,
  totalCount: Schema.optional(Schema.Natural),
  limitApplied: Schema.optional(Schema.Natural),
  nextOffset: orNull(Schema.Natural),
  hasMore: optionalBoolean,
  owners: Schema.optional(Schema.Array(Schema.Unknown)),
  defaults: Schema.optional(SessionDefaults),
  sessions: Schema.Array(SessionRow)
})

export const SessionMethods = RpcGroup.make(
  /** The sessions, newest first: all of them, or those that the params pick. */
  method("sessions.list", { access: "operator.read", params: SessionsListParams, result: SessionsList }),
  /** Follows the sessions: the connection is sent `sessions.changed`, and `session.message` of each. Params of `sessions.list` give that list too, as it is after the subscription. */
  method("sessions.subscribe", {
    access: "operator.read",
    params: Schema.Struct({
      ...SessionsListParams.fields,
      includeApprovals: Schema.optional(Schema.Literal(true))
    }),
    result: Schema.Struct({ subscribed: Schema.Boolean, list: Schema.optional(SessionsList) })
  }),
  /** Follows one session: the connection is sent `session.message` of one session. */
  method("sessions.messages.subscribe", {
    access: "operator.read",
    params: Schema.Struct({
      key: SessionKeyText,
      agentId: optionalId,
      includeApprovals: Schema.optional(Schema.Literal(true))
    }),
    result: Subscribed
  }),
  /** Follows one session no longer. */
  method("sessions.messages.unsubscribe", {
    access: "operator.read",
    params: Schema.Struct({ key: SessionKeyText, agentId: optionalId }),
    result: Subscribed
  }),
  /** One session; `null` where there is none. */
  method("sessions.describe", {
    access: "operator.read",
    params: Schema.Struct({
      key: SessionKeyText,
      includeDerivedTitles: optionalBoolean,
      includeLastMessage: optionalBoolean
    }),
    result: Schema.Struct({ session: Schema.NullOr(SessionRow) })
  }),
  /** Finds a session by one of its names. */
  method("sessions.resolve", {
    access: "operator.read",
    params: Schema.Struct({
      key: Schema.optional(SessionKeyText),
      sessionId: optionalId,
      label: Schema.optional(Label),
      /** The beginning of a session id. */
      shortId: optionalId,
      slugHint: optionalId,
      agentId: optionalId,
      spawnedBy: optionalId,
      includeGlobal: optionalBoolean,
      includeUnknown: optionalBoolean,
      allowMissing: optionalBoolean
    }),
    result: Schema.Union([
      Schema.Struct({ ok: Schema.Literal(true), ...Candidate.fields }),
      Schema.Struct({
        ok: Schema.Literal(false),
        candidates: Schema.optional(Schema.Array(Candidate))
      })
    ])
  }),
  /** The last words of some sessions. */
  /** The last words of some sessions: of at most 64 sessions, 50 items each, 2,000 characters of an item. */
  method("sessions.preview", {
    access: "operator.read",
    params: Schema.Struct({
      keys: Schema.Array(SessionKeyText).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(1000))),
      limit: optionalCount,
      maxChars: Schema.optional(Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(20))))
    }),
    result: Schema.Struct({
      ts: Schema.Natural,
      previews: Schema.Array(SessionPreview)
    })
  }),
  /** Changes a session's label, model and other settings; `null` takes one away. What asks for `operator.admin`, as in OpenClaw, is refused here. */
  method("sessions.patch", { access: "operator.write", params: SessionsPatchParams, result: Changed }),
  /** Begins a session anew under the same key. Ends the session's turns; those that follow do not see what was said before. */
  method("sessions.reset", {
    access: "operator.admin",
    params: Schema.Struct({
      key: SessionKeyText,
      agentId: optionalId,
      reason: Schema.optional(Schema.Literals(["new", "reset"]))
    }),
    result: Changed
  }),
  /** Ends a session's turns and takes it away with its transcript. Asks for `operator.admin`, unless it is archived. */
  method("sessions.delete", {
    access: "operator.write",
    params: Schema.Struct({
      key: SessionKeyText,
      agentId: optionalId,
      deleteTranscript: optionalBoolean,
      expectedSessionId: optionalId,
      expectedLifecycleRevision: optionalId,
      expectedSessionUpdatedAt: optionalTime,
      emitLifecycleHooks: optionalBoolean,
      /** Refused for one that is not archived; then `operator.write` is enough. */
      archivedOnly: optionalBoolean
    }),
    result: Schema.Struct({
      ok: Schema.Literal(true),
      key: Schema.NonEmptyString,
      /** `false`: there was none. */
      deleted: Schema.Boolean,
      /** Files that keep the transcript; this Gateway writes none. */
      archived: Schema.Array(Schema.String)
    })
  }),
  /** Tokens and turns by session and day. */
  method("sessions.usage", { access: "operator.read", params: SessionsUsageParams, result: SessionsUsageResult })
)
