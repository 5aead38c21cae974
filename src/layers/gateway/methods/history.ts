/**
 * `chat.startup`, `chat.history`, `chat.message.get`, `chat.metadata` and `chat.inject`.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { RunId } from "../../../domain/Ids.ts"
import type { SessionKey } from "../../../domain/SessionKey.ts"
import { invalidRequest } from "../../../protocol/GatewayError.ts"
import type { TranscriptMessage } from "../../../protocol/methods/chat.ts"
import { type ChatHistoryParams, HistoryMethods, type InputReceipt } from "../../../protocol/methods/history.ts"
import { EventBus } from "../../../services/EventBus.ts"
import { type Page, Sessions } from "../../../services/Sessions.ts"
import { Turns } from "../../../services/Turns.ts"
import { Access } from "../Access.ts"
import * as Agents from "../Agents.ts"
import * as SessionRows from "../SessionRows.ts"
import * as Time from "../../now.ts"
import { commandsFor } from "./agents.ts"
import { storageFailed } from "./errors.ts"
import { makeList } from "./models.ts"

/** Messages of a page when the client names no limit. */
const PAGE = 200
/** Bytes of them as JSON when it names none, and at most. What else there is must fit into the same frame. */
const PAGE_BYTES = 6 * 1024 * 1024
const MOST_BYTES = 16 * 1024 * 1024
/** More than these since a cursor, and the client starts over. */
const MOST_SINCE = 1_000
/** Waiting messages that are shown at a time. */
const PENDING = 20

const served = HistoryMethods.middleware(Access)

/** Where a client is in a transcript. */
const Cursor = Schema.fromJsonString(
  Schema.Struct({ v: Schema.Literal(1), session: Schema.String, reset: Schema.Natural, seq: Schema.Natural })
)
const encodeCursor = Schema.encodeSync(Cursor)
const decodeCursor = Schema.decodeUnknownOption(Cursor)

const cursorOf = (sessionId: string, { lastSeq, resetSeq }: Pick<Page, "lastSeq" | "resetSeq">): string =>
  Base64Url.encode(encodeCursor({ v: 1, session: sessionId, reset: resetSeq, seq: lastSeq }))

const readCursor = (text: string) =>
  Option.flatMap(Result.getSuccess(Base64Url.decodeString(text)), (json) => decodeCursor(json))

const cut = (message: TranscriptMessage, maxChars: number | undefined): TranscriptMessage => {
  if (maxChars === undefined) return message
  const shorten = (text: string) => (text.length > maxChars ? `${text.slice(0, maxChars)}…` : text)
  return {
    ...message,
    content:
      typeof message.content === "string"
        ? shorten(message.content)
        : message.content.map((part) =>
            part["type"] === "text" && typeof part["text"] === "string"
              ? { ...part, text: shorten(part["text"]) }
              : part
          )
  }
}

/** As many of the newest as have room, and at least one: without it the next page would be this one again. */
const within = <A>(messages: ReadonlyArray<A>, maxBytes: number = PAGE_BYTES): ReadonlyArray<A> => {
  let room = Math.min(maxBytes, MOST_BYTES)
  const last = messages.length - 1
  const start = messages.findLastIndex((message, index) => {
    room -= Buffer.byteLength(JSON.stringify(message)) + 1
    return room < 0 && index < last
  })
  return messages.slice(start + 1)
}

const makeHistory = Effect.gen(function* () {
  const sessions = yield* Sessions
  const turns = yield* Turns

  const receiptsOf = Effect.fnUntraced(function* (
    key: SessionKey,
    runIds: ReadonlyArray<string>,
    waiting: ReadonlyArray<string>
  ) {
    const receipts: Array<InputReceipt> = []
    for (const runId of runIds) {
      if (waiting.includes(runId)) {
        receipts.push({ runId, state: "pending" })
        continue
      }
      const entry = yield* Effect.mapError(sessions.find(key, `${runId}:user`), storageFailed)
      const id = entry?.message.__openclaw?.id
      if (id !== undefined) receipts.push({ runId, state: "consumed", consumedByEventId: id })
    }
    return receipts
  })

  /** What goes on in the session, whatever part of the transcript is asked for. */
  const liveOf = Effect.fnUntraced(function* (key: SessionKey, params: ChatHistoryParams) {
    const inFlightRun = yield* turns.inFlight(key)
    const waiting = yield* turns.waiting(key)
    const before = params.pendingBefore ?? Number.MAX_SAFE_INTEGER
    const candidates = waiting.filter(({ place }) => place < before)
    const items = within(candidates.slice(-PENDING))
    const first = items[0]
    return {
      ...(inFlightRun === undefined ? undefined : { inFlightRun }),
      pendingInputs: {
        items: items.map(({ receivedAt, runId, text }) => ({
          id: `pending:${runId}`,
          runId,
          acceptedAt: receivedAt,
          state: "queued" as const,
          message: {
            role: "user",
            content: text,
            timestamp: receivedAt,
            idempotencyKey: `${runId}:user`,
            __openclaw: { id: `pending:${runId}` }
          }
        })),
        total: waiting.length,
        ...(first === undefined || candidates.length === items.length ? undefined : { nextBefore: first.place })
      },
      ...(params.inputRunIds === undefined
        ? undefined
        : {
            inputReceipts: yield* receiptsOf(
              key,
              params.inputRunIds,
              waiting.map(({ runId }) => runId)
            )
          }),
      sessionInfo: yield* SessionRows.describeAny(key)
    }
  })

  const since = Effect.fnUntraced(function* (key: SessionKey, cursor: string, params: ChatHistoryParams) {
    const at = Option.getOrUndefined(readCursor(cursor))
    if (at === undefined) return { kind: "reset" as const }
    const live = yield* liveOf(key, params)
    const page = yield* Effect.mapError(sessions.page(key, { limit: MOST_SINCE + 1, after: at.seq }), storageFailed)
    const { lastSeq, messages, resetSeq, sessionId } = page
    const first = messages[0]?.__openclaw?.seq
    const shown = messages.map((message) => cut(message, params.maxChars))
    const isMuch = messages.length > MOST_SINCE || within(shown, MOST_BYTES).length < shown.length
    const isWhole = first === undefined ? lastSeq === at.seq : first === at.seq + 1 && !isMuch
    if (sessionId !== at.session || resetSeq !== at.reset || !isWhole) return { kind: "reset" as const }
    const { sessionInfo } = live
    return {
      kind: "delta" as const,
      messages: shown.map((message) => ({
        sessionKey: key,
        ...(sessionInfo.agentId === undefined ? undefined : { agentId: sessionInfo.agentId }),
        message,
        messageId: message.__openclaw?.id,
        messageSeq: message.__openclaw?.seq,
        sessionId
      })),
      // The page is of one moment and the count of another: what the next one begins with is what this one ends with.
      deltaCursor: cursorOf(sessionId, { resetSeq, lastSeq: messages.at(-1)?.__openclaw?.seq ?? at.seq }),
      ...live
    }
  })

  /** Newest messages to leave out, so that the page has a message; `undefined`: there is no such message. */
  const offsetOf = Effect.fnUntraced(function* (key: SessionKey, params: ChatHistoryParams, limit: number) {
    if (params.messageId === undefined) return params.offset ?? 0
    const found = yield* Effect.mapError(sessions.find(key, params.messageId), storageFailed)
    return found === undefined ? undefined : Math.max(0, found.newer - Math.floor((limit - 1) / 2))
  })

  return Effect.fn("Gateway.chat.history")(function* (params: ChatHistoryParams) {
    const { agentId, key } = yield* Agents.sessionKey(params.sessionKey, params.agentId)
    if (params.sessionId !== undefined && params.messageId === undefined) {
      return yield* invalidRequest("sessionId requires messageId")
    }
    if (params.cursor !== undefined) return yield* since(key, params.cursor, params)
    const limit = params.limit ?? PAGE
    const offset = yield* offsetOf(key, params, limit)
    // First what goes on: a turn that ends meanwhile has its words in the page then.
    const live = yield* liveOf(key, params)
    const defaults = SessionRows.defaultsOf(yield* SessionRows.settings, agentId)
    const page = yield* Effect.mapError(sessions.page(key, { limit, offset: offset ?? 0 }), storageFailed)
    const isOther = params.sessionId !== undefined && params.sessionId !== page.sessionId
    const messages =
      offset === undefined || isOther
        ? []
        : within(
            page.messages.map((message) => cut(message, params.maxChars)),
            params.maxBytes
          )
    const next = (offset ?? 0) + messages.length
    const hasMore = messages.length > 0 && next < page.total
    const newest = page.messages.at(-1)?.__openclaw?.seq
    return {
      // OpenClaw echoes the key as it was sent.
      sessionKey: params.sessionKey,
      ...(page.sessionId === undefined || page.sessionId === "" ? undefined : { sessionId: page.sessionId }),
      messages,
      ...(page.sessionId === undefined || offset !== 0
        ? undefined
        : { deltaCursor: cursorOf(page.sessionId, { ...page, lastSeq: newest ?? page.lastSeq }) }),
      ...(offset === undefined || offset === 0 ? undefined : { offset }),
      hasMore,
      ...(hasMore ? { nextOffset: next } : undefined),
      totalMessages: page.total,
      defaults,
      ...live
    }
  })
})

const startup = served.toLayerHandler("chat.startup", makeHistory)
const history = served.toLayerHandler("chat.history", makeHistory)

const get = served.toLayerHandler(
  "chat.message.get",
  Effect.gen(function* () {
    const sessions = yield* Sessions
    return Effect.fn("Gateway.chat.message.get")(function* (params) {
      const { key } = yield* Agents.sessionKey(params.sessionKey, params.agentId)
      const found = yield* Effect.mapError(sessions.find(key, params.messageId), storageFailed)
      return found === undefined
        ? { ok: false, unavailableReason: "not_found" as const }
        : { ok: true, message: cut(found.message, params.maxChars) }
    })
  })
)

const inject = served.toLayerHandler(
  "chat.inject",
  Effect.gen(function* () {
    const sessions = yield* Sessions
    const events = yield* EventBus
    return Effect.fn("Gateway.chat.inject")(function* (params) {
      const { agentId, key } = yield* Agents.sessionKey(params.sessionKey, params.agentId)
      const session = yield* Effect.mapError(sessions.describe(key), storageFailed)
      if (session === undefined) return yield* invalidRequest("session not found")
      const id = randomUUID()
      const runId = RunId.make(`inject-${id}`)
      const label = params.label?.trim() ?? ""
      const message: TranscriptMessage = {
        role: "assistant",
        content: [{ type: "text", text: label === "" ? params.message : `[${label}]\n\n${params.message}` }],
        timestamp: yield* Time.now,
        stopReason: "stop",
        provider: "openclaw",
        model: "gateway-injected"
      }
      yield* sessions
        .append([{ sessionKey: key, runId, dedupeKey: id, message: { ...message, id } }])
        .pipe(Effect.mapError(storageFailed))
      yield* events.publish("chat", { runId, sessionKey: key, agentId, seq: 0, state: "final", message })
      return { ok: true as const, messageId: id }
    })
  })
)

const metadata = served.toLayerHandler(
  "chat.metadata",
  Effect.gen(function* () {
    const list = yield* makeList
    return Effect.fn("Gateway.chat.metadata")(function* (params) {
      const { models } = yield* list(params)
      return { models, commands: commandsFor(undefined, true) }
    })
  })
)

export const layer = Layer.mergeAll(metadata, startup, history, get, inject)
