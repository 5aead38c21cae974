/**
 * `sessions.patch`, `sessions.reset` and `sessions.delete`.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SessionKey } from "../../../domain/SessionKey.ts"
import { type GatewayError, invalidRequest, missingScope, unavailable } from "../../../protocol/GatewayError.ts"
import { satisfies } from "../../../protocol/Role.ts"
import { SessionMethods, type SessionsPatchParams } from "../../../protocol/methods/sessions.ts"
import { Models } from "../../../services/Models.ts"
import {
  type LabelTaken,
  type SessionBusy,
  type SessionChanged,
  Sessions,
  type SessionStorageFailed
} from "../../../services/Sessions.ts"
import { Turns } from "../../../services/Turns.ts"
import { Access } from "../Access.ts"
import * as Agents from "../Agents.ts"
import { CurrentConnection } from "../Connections.ts"
import * as SessionRows from "../SessionRows.ts"
import { storageFailed, turnNotAccepted } from "./errors.ts"

const served = SessionMethods.middleware(Access)

/** What `operator.write` may send; anything else asks for `operator.admin`, as in OpenClaw. */
const plain: ReadonlySet<string> = new Set([
  "key",
  "agentId",
  "expectedSessionId",
  "expectedLifecycleRevision",
  "expectedPermissionMode",
  "expectedMarkedUnreadAt",
  "label",
  "icon",
  "color",
  "category",
  "boardFace",
  "pinned",
  "archived",
  "unread",
  "model",
  "thinkingLevel",
  "fastMode",
  "permissionMode"
])

/** What sessions here have none of, and what says so. `null` says it of all. */
const absent: Readonly<Record<string, unknown>> = {
  icon: null,
  color: null,
  category: null,
  boardFace: "chat",
  statusNote: null,
  attention: null,
  ttlMinutes: null,
  contextWindow: null,
  thinkingLevel: "off",
  fastMode: false,
  toolOverrides: null,
  verboseLevel: "off",
  traceLevel: "off",
  reasoningLevel: "off",
  responseUsage: "off",
  elevatedLevel: "off",
  execHost: null,
  execSecurity: null,
  execAsk: null,
  execNode: null,
  permissionMode: null,
  completionOwnerSessionKey: null,
  inheritedToolPolicyVersion: null,
  inheritedToolAllow: null,
  inheritedToolDeny: null,
  sendPolicy: "allow",
  groupActivation: null
}

const needsAdmin = Effect.fnUntraced(function* (needed: boolean) {
  const { scopes } = yield* CurrentConnection
  if (needed && !satisfies(scopes, "operator.admin")) return yield* missingScope("operator.admin")
})

/** The first field that asks for what this Gateway does not have. */
const foreignIn = (params: SessionsPatchParams): string | undefined =>
  Object.keys(absent).find((field) => {
    const value = params[field as keyof SessionsPatchParams]
    return value !== undefined && value !== null && value !== absent[field]
  })

const changed = (name: string, before: string): GatewayError =>
  invalidRequest(`Session ${name} changed before ${before}. Retry.`, { details: { reason: "session-changed" } })

const refused = (
  error: SessionStorageFailed | LabelTaken | SessionChanged | SessionBusy,
  name: string,
  doing: string
) => {
  switch (error._tag) {
    case "SessionChanged":
      return changed(name, doing)
    case "LabelTaken":
      return invalidRequest(error.message)
    case "SessionBusy":
      return unavailable(error.message, { retryable: true, retryAfterMs: 1000 })
    case "SessionStorageFailed":
      return storageFailed(error)
  }
}

const isMain = (key: SessionKey, agentId: string, mainKey: string): boolean =>
  key === `agent:${agentId}:main` || key === `agent:${agentId}:${mainKey}`

/** How a session is now, and what its next turn uses. */
const entryOf = Effect.fnUntraced(function* (key: SessionKey) {
  const entry = yield* SessionRows.describeAny(key)
  return {
    ok: true as const,
    key,
    entry,
    resolved: {
      ...(entry.modelProvider === undefined ? undefined : { modelProvider: entry.modelProvider }),
      ...(entry.model === undefined ? undefined : { model: entry.model })
    }
  }
})

const patch = served.toLayerHandler(
  "sessions.patch",
  Effect.gen(function* () {
    const sessions = yield* Sessions
    const models = yield* Models

    /** The model's full name, once it is sure that the agent can use it. */
    const resolved = (model: string | null | undefined, agentId: string) =>
      typeof model !== "string"
        ? Effect.succeed(model)
        : Effect.map(
            Effect.mapError(models.resolve(model, agentId), ({ message }) => invalidRequest(message)),
            ({ ref }) => ref
          )

    const checkArchive = Effect.fnUntraced(function* (key: SessionKey, params: SessionsPatchParams) {
      if (params.archived === undefined) return
      if (params.expectedSessionId === undefined) {
        return yield* invalidRequest(`expectedSessionId required for session lifecycle patch: ${key}`)
      }
      const row = yield* Effect.mapError(sessions.describe(key), storageFailed)
      if (params.archived && row?.hasActiveRun === true) {
        return yield* unavailable(`Session ${key} is still active; try again in a moment.`, {
          retryable: true,
          retryAfterMs: 1000
        })
      }
    })

    return Effect.fn("Gateway.sessions.patch")(function* (params: SessionsPatchParams) {
      yield* needsAdmin(params.permissionMode === "full" || Object.keys(params).some((field) => !plain.has(field)))
      const { agentId, agents, key } = yield* Agents.sessionKey(params.key, params.agentId)
      const foreign = foreignIn(params)
      if (foreign !== undefined) {
        return yield* invalidRequest(`sessions of this Gateway have no ${foreign}; leave it out`)
      }
      if (params.archived === true && isMain(key, agentId, agents.mainKey)) {
        return yield* invalidRequest("Cannot archive an agent's main session.")
      }
      yield* checkArchive(key, params)
      const isForeign =
        params.expectedLifecycleRevision !== undefined ||
        (params.expectedPermissionMode !== undefined && params.expectedPermissionMode !== null) ||
        (params.expectedToolOverrides !== undefined && params.expectedToolOverrides !== null)
      if (isForeign) return yield* changed(params.key, "patch")
      const model = yield* resolved(params.model, agentId)
      const { archived, label, pinned, unread } = params
      yield* sessions
        .patch(
          key,
          { label, model, archived, pinned, unread },
          { sessionId: params.expectedSessionId, markedUnreadAt: params.expectedMarkedUnreadAt }
        )
        .pipe(Effect.mapError((error) => refused(error, params.key, "patch")))
      return yield* entryOf(key)
    })
  })
)

const reset = served.toLayerHandler(
  "sessions.reset",
  Effect.gen(function* () {
    const turns = yield* Turns
    return Effect.fn("Gateway.sessions.reset")(function* (params) {
      const { key } = yield* Agents.liveSessionKey(params.key, params.agentId)
      yield* Effect.mapError(turns.anew(key), turnNotAccepted)
      return yield* entryOf(key)
    })
  })
)

const remove = served.toLayerHandler(
  "sessions.delete",
  Effect.gen(function* () {
    const sessions = yield* Sessions
    const turns = yield* Turns
    return Effect.fn("Gateway.sessions.delete")(function* (params) {
      const isPlain =
        params.archivedOnly === true &&
        params.expectedLifecycleRevision === undefined &&
        params.expectedSessionUpdatedAt === undefined &&
        params.emitLifecycleHooks === undefined
      yield* needsAdmin(!isPlain)
      const { agentId, agents, key } = yield* Agents.sessionKey(params.key, params.agentId)
      if (isMain(key, agentId, agents.mainKey)) {
        return yield* invalidRequest(`Cannot delete the main session (${key}).`)
      }
      if (params.deleteTranscript === false) {
        return yield* invalidRequest("this Gateway keeps no transcript without its session; archive it instead")
      }
      const row = yield* Effect.mapError(sessions.describe(key), storageFailed)
      if (params.archivedOnly === true && row?.archived !== true) {
        return yield* invalidRequest(`Session ${params.key} is not archived. Archive it first, then delete it.`)
      }
      if (params.expectedLifecycleRevision !== undefined) return yield* changed(params.key, "deletion")
      const expected = {
        sessionId: params.expectedSessionId,
        updatedAt: params.expectedSessionUpdatedAt,
        ...(params.archivedOnly === true ? { archived: true as const } : undefined)
      }
      const isOther =
        (expected.sessionId !== undefined && expected.sessionId !== row?.sessionId) ||
        (expected.updatedAt !== undefined && expected.updatedAt !== row?.updatedAt)
      if (isOther && row !== undefined) return yield* changed(params.key, "deletion")
      yield* turns.abort(key, { origin: "stop" })
      const deleted = yield* sessions
        // Ending a turn touches the session: what was expected of its time was looked at before.
        .remove(key, { sessionId: expected.sessionId, archived: expected.archived })
        .pipe(Effect.mapError((error) => refused(error, params.key, "deletion")))
      return { ok: true as const, key, deleted, archived: [] }
    })
  })
)

export const layer = Layer.mergeAll(patch, reset, remove)
