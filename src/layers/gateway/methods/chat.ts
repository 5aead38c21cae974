/**
 * `chat.send`, `chat.abort` and `send`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { RunId } from "../../../domain/Ids.ts"
import type { SessionKey } from "../../../domain/SessionKey.ts"
import { invalidRequest, missingScope, unavailable } from "../../../protocol/GatewayError.ts"
import { type ChatSendParams, ChatMethods } from "../../../protocol/methods/chat.ts"
import { satisfies } from "../../../protocol/Role.ts"
import { Channels, type MediaToSend } from "../../../services/ChannelRouter.ts"
import { Config } from "../../../services/Config.ts"
import { EventBus } from "../../../services/EventBus.ts"
import { type QueueMode, type QueueOverride, queueSettingOf, STEER, WEBCHAT } from "../../../services/Queue.ts"
import { Sessions } from "../../../services/Sessions.ts"
import { type TurnRequest, Turns } from "../../../services/Turns.ts"
import { focusOn, type ParsedCommand, parseCommand } from "../../channels/chatCommands.ts"
import { overridden, parseQueue, queueShown, queueUsage } from "../../channels/queueCommand.ts"
import { Access } from "../Access.ts"
import * as Agents from "../Agents.ts"
import * as SessionRows from "../SessionRows.ts"
import { CurrentConnection } from "../Connections.ts"
import * as Time from "../../now.ts"
import { deliveryFailed, storageFailed, turnNotAccepted } from "./errors.ts"

/** How long a repeated `chat.send` looks whether its turn has ended. */
const ENDED_WITHIN = "250 millis"

const served = ChatMethods.middleware(Access)

/** The conversation that an answer belongs to. */
interface Address {
  readonly key: SessionKey
  readonly agentId: string
}

/** The command that a message is. Those of a session's life count only when the message is nothing else. */
const commandOf = (params: ChatSendParams): ParsedCommand | undefined => {
  if (params.suppressCommandInterpretation === true) return undefined
  const parsed = parseCommand(params.message.trim())
  switch (parsed?.command) {
    case "stop":
    case "new":
    case "reset":
      return parsed.rest === "" ? parsed : undefined
    case "queue":
    case "steer":
    case "compact":
      return parsed
    default:
      return undefined
  }
}

const send = served.toLayerHandler(
  "chat.send",
  Effect.gen(function* () {
    const turns = yield* Turns
    const sessions = yield* Sessions
    const events = yield* EventBus
    const config = yield* Config

    /** Answers without a turn. */
    const answer = Effect.fnUntraced(function* (params: ChatSendParams, to: Address, text: string) {
      const timestamp = yield* Clock.currentTimeMillis
      yield* events.publish("chat", {
        runId: params.idempotencyKey,
        sessionKey: to.key,
        agentId: to.agentId,
        seq: 1,
        state: "final",
        stopReason: "stop",
        message: { role: "assistant", content: [{ type: "text", text }], timestamp }
      })
      return { runId: params.idempotencyKey, status: "started" }
    })

    const requestOf = Effect.fnUntraced(function* ({ idempotencyKey, message }: ChatSendParams, to: Address) {
      const { client } = yield* CurrentConnection
      return {
        runId: RunId.make(idempotencyKey),
        sessionKey: to.key,
        agentId: to.agentId,
        text: message,
        receivedAt: yield* Time.now,
        sender: {
          id: client.id,
          ...(client.displayName === undefined ? undefined : { displayName: client.displayName })
        }
      } satisfies TurnRequest
    })

    /** The same as `sessions.reset`, and for the same people. */
    const fresh = Effect.fnUntraced(function* (params: ChatSendParams) {
      const { scopes } = yield* CurrentConnection
      if (!satisfies(scopes, "operator.admin")) return yield* missingScope("operator.admin")
      const to = yield* Agents.liveSessionKey(params.sessionKey, params.agentId)
      const text = "A new session has begun."
      const request = { ...(yield* requestOf(params, to)), text: params.message.trim() }
      const isFirst = yield* Effect.mapError(turns.anew(to.key, { request, answer: text }), turnNotAccepted)
      return isFirst ? yield* answer(params, to, text) : { runId: params.idempotencyKey, status: "ok" }
    })

    /** Whatever its key: somebody who says stop is not to be told of an earlier one. */
    const stop = Effect.fnUntraced(function* (params: ChatSendParams) {
      const { key } = yield* Agents.sessionKey(params.sessionKey, params.agentId)
      const runIds = yield* turns.abort(key, { origin: "stop" })
      return { ok: true as const, aborted: runIds.length > 0, runIds }
    })

    const settingOf = Effect.fnUntraced(function* (override: QueueOverride | undefined, mode?: QueueMode) {
      return queueSettingOf(yield* Effect.orDie(config.get), WEBCHAT, override, mode)
    })

    const queue = Effect.fnUntraced(function* (params: ChatSendParams, rest: string) {
      const to = yield* Agents.liveSessionKey(params.sessionKey, params.agentId)
      const asked = parseQueue(rest)
      if (asked === undefined) return yield* answer(params, to, queueUsage)
      const before = yield* Effect.mapError(sessions.queue(to.key), storageFailed)
      const override = overridden(before, asked)
      if (asked.kind !== "show") yield* Effect.mapError(sessions.setQueue(to.key, override), storageFailed)
      return yield* answer(params, to, queueShown(yield* settingOf(override), override !== undefined))
    })

    const start = Effect.fnUntraced(function* (
      params: ChatSendParams,
      steer?: string,
      compact?: NonNullable<TurnRequest["compact"]>
    ) {
      const to = yield* Agents.liveSessionKey(params.sessionKey, params.agentId)
      const { key } = to
      yield* SessionRows.notArchived(key)
      const asked = yield* requestOf(params, to)
      const { runId } = asked
      const request: TurnRequest = {
        ...asked,
        ...(steer === undefined ? undefined : { text: steer }),
        ...(compact === undefined ? undefined : { compact }),
        ...(params.timeoutMs === undefined || params.timeoutMs === 0 ? undefined : { timeoutMs: params.timeoutMs })
      }
      const override = yield* Effect.mapError(sessions.queue(key), storageFailed)
      const setting =
        compact !== undefined ? undefined : steer === undefined ? yield* settingOf(override, params.queueMode) : STEER
      if (yield* Effect.mapError(turns.submit(request, setting), turnNotAccepted)) return { runId, status: "started" }
      const ended = yield* turns
        .await(runId, key)
        .pipe(Effect.timeoutOption(ENDED_WITHIN), Effect.mapError(turnNotAccepted))
      if (Option.isNone(ended)) return { runId, status: "in_flight" }
      // What was answered then is answered now: who lost the first answer must not take a failure for a reply.
      return ended.value.status === "error" ? yield* unavailable(ended.value.text) : { runId, status: "ok" }
    })

    return Effect.fn("Gateway.chat.send")(function* (params: ChatSendParams) {
      if (params.message.trim() === "") return yield* invalidRequest("message is empty; send text")
      if (params.attachments !== undefined && params.attachments.length > 0) {
        return yield* invalidRequest("this Gateway takes no attachments; send text")
      }
      const asked = commandOf(params)
      switch (asked?.command) {
        case "stop":
          return yield* stop(params)
        case "new":
        case "reset":
          return yield* fresh(params)
        case "queue":
          return yield* queue(params, asked!.rest)
        case "steer":
          if (asked!.rest === "") return yield* invalidRequest("/steer has nothing to say; write it behind the command")
          return yield* start(params, asked!.rest)
        case "compact":
          return yield* start(params, undefined, focusOn(asked!.rest))
        default:
          return yield* start(params)
      }
    })
  })
)

const abort = served.toLayerHandler(
  "chat.abort",
  Effect.gen(function* () {
    const turns = yield* Turns
    return Effect.fn("Gateway.chat.abort")(function* (params) {
      const { key } = yield* Agents.sessionKey(params.sessionKey, params.agentId)
      const runIds = yield* turns.abort(key, {
        origin: "rpc",
        ...(params.runId === undefined ? undefined : { runId: RunId.make(params.runId) })
      })
      return { ok: true as const, aborted: runIds.length > 0, runIds }
    })
  })
)

/** The file of a `send`. */
const mediaOf = Effect.fnUntraced(function* (params: {
  readonly buffer?: string | undefined
  readonly filename?: string | undefined
  readonly contentType?: string | undefined
  readonly forceDocument?: boolean | undefined
}) {
  if (params.buffer === undefined) return undefined
  const bytes = yield* Effect.mapError(Effect.fromResult(Base64.decode(params.buffer)), () =>
    invalidRequest("buffer is not base64")
  )
  return {
    bytes,
    name: params.filename === undefined || params.filename === "" ? "file" : params.filename,
    mimeType:
      params.contentType === undefined || params.contentType === "" ? "application/octet-stream" : params.contentType,
    ...(params.forceDocument === undefined ? undefined : { asDocument: params.forceDocument })
  } satisfies MediaToSend
})

const out = served.toLayerHandler(
  "send",
  Effect.gen(function* () {
    const channels = yield* Channels
    return Effect.fn("Gateway.send")(function* (params) {
      if (params.mediaUrl !== undefined || (params.mediaUrls !== undefined && params.mediaUrls.length > 0)) {
        return yield* invalidRequest("this Gateway fetches no media; send the bytes as buffer, in base64")
      }
      const text = params.message ?? ""
      const media = yield* mediaOf(params)
      if (text.trim() === "" && media === undefined)
        return yield* invalidRequest("message is empty; send text or a file")
      const receipt = yield* channels
        .send({
          to: params.to,
          text,
          idempotencyKey: params.idempotencyKey,
          ...(media === undefined ? undefined : { media: [media] }),
          ...(params.channel === undefined ? undefined : { channel: params.channel }),
          ...(params.accountId === undefined ? undefined : { accountId: params.accountId }),
          ...(params.threadId === undefined ? undefined : { threadId: params.threadId }),
          ...(params.silent === undefined ? undefined : { silent: params.silent }),
          ...(params.replyToId === undefined ? undefined : { replyToMessageId: params.replyToId })
        })
        .pipe(Effect.mapError(deliveryFailed))
      return {
        runId: params.idempotencyKey,
        messageId: receipt.messageIds.at(-1) ?? params.idempotencyKey,
        channel: receipt.channel,
        chatId: receipt.chatId
      }
    })
  })
)

export const layer = Layer.mergeAll(send, abort, out)
