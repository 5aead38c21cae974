/**
 * What reads sessions, and who is told of them: `sessions.list`, `.describe`, `.resolve`, `.preview`, `.usage` and subscriptions.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Struct from "effect/Struct"
import type { SessionKey } from "../../../domain/SessionKey.ts"
import { invalidRequest } from "../../../protocol/GatewayError.ts"
import {
  SessionMethods,
  type SessionPreview,
  type SessionRow,
  type SessionsListParams
} from "../../../protocol/methods/sessions.ts"
import type { SessionsUsageParams } from "../../../protocol/methods/usage.ts"
import { type ListOptions, Sessions } from "../../../services/Sessions.ts"
import * as Time from "../../now.ts"
import { textOf } from "../../sessions/rows.ts"
import { Access } from "../Access.ts"
import * as Agents from "../Agents.ts"
import { CurrentConnection } from "../Connections.ts"
import * as SessionRows from "../SessionRows.ts"
import { MAX_FOLLOWED } from "../Subscriptions.ts"
import { storageFailed } from "./errors.ts"

const LIST = 100
const PREVIEW_ITEMS = 12
const PREVIEW_CHARS = 240
/** However much is asked for: so many sessions, items of each and characters of an item, so that it stays one answer. */
const MOST_PREVIEWS = { sessions: 64, items: 50, chars: 2_000 }
const USAGE_SESSIONS = 50
const USAGE_DAYS = 30
const MINUTE = 60_000
const DAY = 86_400_000

const served = SessionMethods.middleware(Access)

/** What no session here has: owners, people, dashboards, sessions that another one began. */
const asksForOthers = (params: SessionsListParams): boolean =>
  params.boardFace === "dashboard" ||
  params.creatorId !== undefined ||
  params.ownerId !== undefined ||
  params.involvingMe === true ||
  params.involvingProfileId !== undefined ||
  params.spawnedBy !== undefined

const agentsFor = (
  params: SessionsListParams,
  configured: ReadonlyArray<string>
): ReadonlyArray<string> | undefined => {
  if (params.configuredAgentsOnly !== true) return params.agentId === undefined ? undefined : [params.agentId]
  return params.agentId === undefined ? configured : configured.filter((id) => id === params.agentId)
}

/** What was left out stays so: `exactOptionalPropertyTypes`. */
const optionsOf = (params: SessionsListParams, agentIds: ReadonlyArray<string> | undefined): ListOptions => ({
  limit: params.limit ?? LIST,
  offset: params.offset ?? 0,
  archived: params.archived ?? false,
  activeOnly: params.activeOnly ?? false,
  includeGlobal: params.includeGlobal ?? false,
  requireLastInteraction: params.requireLastInteraction ?? false,
  sortBy: params.sortBy ?? "updatedAt",
  includeDerivedTitles: params.includeDerivedTitles ?? false,
  includeLastMessage: params.includeLastMessage ?? false,
  ...(agentIds === undefined ? undefined : { agentIds }),
  ...(params.search === undefined ? undefined : { search: params.search }),
  ...(params.label === undefined ? undefined : { label: params.label }),
  ...(params.activeMinutes === undefined ? undefined : { activeMinutes: params.activeMinutes })
})

const listing = Effect.fnUntraced(function* (params: SessionsListParams) {
  const sessions = yield* Sessions
  const config = yield* SessionRows.settings
  const agents = Agents.of(config)
  const agentIds = agentsFor(params, agents.ids)
  const isNone = asksForOthers(params) || agentIds?.length === 0
  const options = optionsOf(params, agentIds)
  const ts = yield* Time.now
  const found = isNone ? { rows: [], totalCount: 0 } : yield* Effect.mapError(sessions.list(options), storageFailed)
  const rows = SessionRows.fill(config, found.rows, ts)
  const next = (params.offset ?? 0) + rows.length
  const hasMore = rows.length > 0 && next < found.totalCount
  return {
    ts,
    count: rows.length,
    totalCount: found.totalCount,
    limitApplied: params.limit ?? LIST,
    nextOffset: hasMore ? next : null,
    hasMore,
    owners: [],
    defaults: SessionRows.defaultsOf(config, params.agentId ?? agents.defaultAgentId),
    sessions: rows
  }
})

const list = served.toLayerHandler("sessions.list", Effect.fn("Gateway.sessions.list")(listing))

const subscribe = served.toLayerHandler(
  "sessions.subscribe",
  Effect.fn("Gateway.sessions.subscribe")(function* (asked) {
    const params = Struct.omit(asked, ["includeApprovals"])
    const { subscriptions } = yield* CurrentConnection
    subscriptions.sessions = true
    return Object.keys(params).length === 0 ? { subscribed: true } : { subscribed: true, list: yield* listing(params) }
  })
)

const follow = served.toLayerHandler(
  "sessions.messages.subscribe",
  Effect.fn("Gateway.sessions.messages.subscribe")(function* (params) {
    const { key } = yield* Agents.sessionKey(params.key, params.agentId)
    const { keys } = (yield* CurrentConnection).subscriptions
    if (keys.size >= MAX_FOLLOWED && !keys.has(key)) {
      return yield* invalidRequest(
        `one connection follows at most ${MAX_FOLLOWED} sessions; sessions.subscribe is for all`
      )
    }
    keys.add(key)
    return { subscribed: true, key }
  })
)

const unfollow = served.toLayerHandler(
  "sessions.messages.unsubscribe",
  Effect.fn("Gateway.sessions.messages.unsubscribe")(function* (params) {
    const { key } = yield* Agents.sessionKey(params.key, params.agentId)
    ;(yield* CurrentConnection).subscriptions.keys.delete(key)
    return { subscribed: false, key }
  })
)

const describe = served.toLayerHandler(
  "sessions.describe",
  Effect.fn("Gateway.sessions.describe")(function* (params) {
    const { key } = yield* Agents.sessionKey(params.key)
    const session = yield* SessionRows.describe(key, {
      includeDerivedTitles: params.includeDerivedTitles ?? false,
      includeLastMessage: params.includeLastMessage ?? false
    })
    return { session: session ?? null }
  })
)

/** A session id's beginning without its dashes, with them. */
const dashed = (hex: string): string =>
  [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
    .filter((part) => part !== "")
    .join("-")
    .toLowerCase()

const candidateOf = (row: SessionRow) => ({
  key: row.key,
  agentId: row.agentId ?? "",
  ...(row.displayName === undefined ? undefined : { displayName: row.displayName })
})

const resolve = served.toLayerHandler(
  "sessions.resolve",
  Effect.gen(function* () {
    const sessions = yield* Sessions

    const byKey = (key: SessionKey) => Effect.map(sessions.describe(key), (row) => (row === undefined ? [] : [row]))
    const byLabel = (label: string) => Effect.map(sessions.list({ label, archived: "all" }), ({ rows }) => rows)

    return Effect.fn("Gateway.sessions.resolve")(function* (params) {
      const { agentId, allowMissing, key, label, sessionId, shortId } = params
      const given = [key, sessionId, label, shortId].filter((name) => name !== undefined)
      if (given.length === 0) return yield* invalidRequest("Either key, sessionId, label, or shortId is required")
      if (given.length > 1) {
        return yield* invalidRequest("Provide either key, sessionId, label, or shortId (not multiple)")
      }
      if (shortId !== undefined && !/^[0-9a-f]{8,32}$/i.test(shortId)) {
        return yield* invalidRequest("shortId must be 8-32 hexadecimal characters")
      }
      const search =
        key !== undefined
          ? byKey((yield* Agents.sessionKey(key, agentId)).key)
          : label !== undefined
            ? byLabel(label)
            : sessionId !== undefined
              ? Effect.map(sessions.byId(sessionId), (rows) => rows.filter((row) => row.sessionId === sessionId))
              : sessions.byId(dashed(shortId!))
      const rows = (yield* Effect.mapError(search, storageFailed)).filter(
        (row) => (agentId === undefined || row.agentId === agentId) && params.spawnedBy === undefined
      )
      const [first, second] = rows
      if (first !== undefined && second === undefined) return { ok: true as const, ...candidateOf(first) }
      if (first !== undefined) return { ok: false as const, candidates: rows.slice(0, 10).map(candidateOf) }
      if (allowMissing === true) return { ok: false as const }
      return yield* invalidRequest(
        label === undefined ? `No session found: ${given[0]}` : `No session found with label: ${label}`
      )
    })
  })
)

const preview = served.toLayerHandler(
  "sessions.preview",
  Effect.gen(function* () {
    const sessions = yield* Sessions
    return Effect.fn("Gateway.sessions.preview")(function* (params) {
      const most = Math.min(params.maxChars ?? PREVIEW_CHARS, MOST_PREVIEWS.chars)
      const shorten = (text: string) => (text.length > most ? `${text.slice(0, most - 1)}…` : text)
      const previews: Array<SessionPreview> = []
      const limit = Math.min(params.limit ?? PREVIEW_ITEMS, MOST_PREVIEWS.items)
      for (const name of params.keys.slice(0, MOST_PREVIEWS.sessions)) {
        const { key } = yield* Agents.sessionKey(name)
        const page = yield* Effect.mapError(sessions.page(key, { limit }), storageFailed)
        const items = page.messages.flatMap((message) => {
          const text = shorten(textOf(message))
          // Nobody said that the session was compacted.
          return text === "" || message.role === "system"
            ? []
            : [{ role: message.role === "toolResult" ? "tool" : message.role, text }]
        })
        const status = page.sessionId === undefined ? "missing" : items.length === 0 ? "empty" : "ok"
        previews.push({ key: name, status, items })
      }
      return { ts: yield* Time.now, previews }
    })
  })
)

/** Minutes by which the days that are asked for are ahead of the universal ones. */
const offsetOf = Effect.fnUntraced(function* (params: SessionsUsageParams, now: number) {
  const given = /^UTC([+-])(\d{1,2})(?::(\d{2}))?$/.exec(params.utcOffset ?? "")
  if (params.mode === "utc") return 0
  if (params.mode === "specific" && params.timeZone === undefined) {
    if (given === null) return yield* invalidRequest("mode specific asks for utcOffset or timeZone")
    return (given[1] === "-" ? -1 : 1) * (Number(given[2]) * 60 + Number(given[3] ?? 0))
  }
  const zone =
    params.mode === "specific" ? DateTime.zoneMakeNamed(params.timeZone!) : Option.some(DateTime.zoneMakeLocal())
  const zoned = Option.flatMap(zone, (timeZone) => DateTime.makeZoned(now, { timeZone }))
  if (Option.isNone(zoned)) return yield* invalidRequest(`unknown time zone "${params.timeZone}"`)
  return DateTime.zonedOffset(zoned.value) / MINUTE
})

const daysOf = (range: SessionsUsageParams["range"]): number => {
  switch (range) {
    case "7d":
      return 7
    case "90d":
      return 90
    case "1y":
      return 365
    default:
      return USAGE_DAYS
  }
}

const usage = served.toLayerHandler(
  "sessions.usage",
  Effect.gen(function* () {
    const sessions = yield* Sessions
    return Effect.fn("Gateway.sessions.usage")(function* (params: SessionsUsageParams) {
      const now = yield* Time.now
      const offsetMinutes = yield* offsetOf(params, now)
      const shift = offsetMinutes * MINUTE
      const dayOf = (time: number) => DateTime.formatIsoDateUtc(DateTime.makeUnsafe(time + shift))
      const startOf = (day: string) => Date.parse(`${day}T00:00:00Z`) - shift
      const today = dayOf(now)
      const endDate = params.endDate ?? today
      const end = startOf(endDate)
      const days = daysOf(params.range)
      const start =
        params.startDate === undefined
          ? params.range === "all"
            ? startOf("1970-01-02")
            : end - (days - 1) * DAY
          : startOf(params.startDate)
      if (!Number.isFinite(start) || !Number.isFinite(end)) return yield* invalidRequest("there is no such day")
      if (end < start) return yield* invalidRequest("endDate is before startDate")
      const key = params.key === undefined ? undefined : (yield* Agents.sessionKey(params.key, params.agentId)).key
      const found = yield* sessions
        .usage({
          from: start,
          until: end + DAY,
          offsetMinutes,
          limit: params.limit ?? USAGE_SESSIONS,
          ...(key === undefined ? undefined : { sessionKey: key }),
          ...(params.agentId === undefined ? undefined : { agentId: params.agentId })
        })
        .pipe(Effect.mapError(storageFailed))
      return { updatedAt: now, startDate: dayOf(start), endDate, ...found }
    })
  })
)

export const layer = Layer.mergeAll(list, subscribe, follow, unfollow, describe, resolve, preview, usage)
