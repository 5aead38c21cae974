/**
 * `/v1/models` and `/v1/chat/completions`: the agents behind OpenAI's API, for programs that speak only that.
 *
 * Off unless `gateway.http.endpoints.chatCompletions.enabled` says otherwise. A request is a turn like any other: stored
 * before it runs, resumed after a crash, and ended when its client goes away. `model` names an agent.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { RunId } from "../../../domain/Ids.ts"
import type { SessionKey } from "../../../domain/SessionKey.ts"
import { Config } from "../../../services/Config.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { Sessions } from "../../../services/Sessions.ts"
import { Tracing } from "../../../services/Tracing.ts"
import { type TurnOutcome, type TurnRequest, Turns } from "../../../services/Turns.ts"
import * as Time from "../../now.ts"
import * as Agents from "../Agents.ts"
import * as SessionRows from "../SessionRows.ts"
import { tracedHttp } from "../traced.ts"
import { allowed, authorize } from "./auth.ts"
import { readJson } from "./body.ts"
import { type Completion, modelRow, stream, usageOf } from "./openaiAnswer.ts"
import { agentOf, type ChatRequested, parse } from "./openaiRequest.ts"
import { type Exchange, failed, gone, header, json, methodNotAllowed, notFound } from "./respond.ts"

export const MODELS_PATH = "/v1/models"
export const CHAT_PATH = "/v1/chat/completions"

const MAX_BODY_BYTES = 20 * 1024 * 1024

const INVALID = "invalid_request_error"

export const isOn = ({ gateway }: OpenClawConfig): boolean =>
  gateway?.http?.endpoints?.chatCompletions?.enabled === true

const enabled = Effect.flatMap(Config, ({ get }) => Effect.map(Effect.orDie(get), isOn))

/** Agents as models: what `GET /v1/models` lists, or the one that its path names. */
export const models = Effect.fn("Http.models")(function* (exchange: Exchange) {
  const { path, request, response } = exchange
  if (!(yield* enabled)) return notFound(exchange)
  if (request.method !== "GET" && request.method !== "HEAD") return methodNotAllowed(exchange, "GET")
  const scopes = yield* authorize(exchange)
  if (scopes === undefined || !allowed(exchange, scopes, "operator.read")) return undefined
  const { ids } = yield* Agents.current
  const names = ["openclaw", "openclaw/default", ...ids.map((id) => `openclaw/${id}`)]
  if (path === MODELS_PATH) return json(response, 200, { object: "list", data: names.map(modelRow) })
  const id = Result.getOrUndefined(Result.try(() => decodeURIComponent(path.slice(MODELS_PATH.length + 1))))
  if (id === undefined || agentOf(id) === undefined) return failed(exchange, 400, INVALID, "Invalid model id.")
  return names.includes(id)
    ? json(response, 200, modelRow(id))
    : failed(exchange, 404, INVALID, `The model '${id}' does not exist.`)
})

/** Conversations that belong to the Gateway itself. */
const reserved = /^(?:agent:[^:]*:)?(?:subagent|cron|acp):/i

/** The conversation that a request belongs to; one of its own when it names none. */
const sessionOf = Effect.fnUntraced(function* (exchange: Exchange, asked: ChatRequested) {
  const named = agentOf(asked.model)
  if (named === undefined) return yield* Effect.fail("Invalid `model`. Use `openclaw` or `openclaw/<agentId>`.")
  const agents = yield* Agents.current
  const agentId = header(exchange, "x-openclaw-agent-id") ?? named.agentId ?? agents.defaultAgentId
  if (!agents.ids.includes(agentId)) return yield* Effect.fail(`Unknown agent '${agentId}'.`)
  const explicit = header(exchange, "x-openclaw-session-key")
  if (explicit !== undefined && reserved.test(explicit)) {
    return yield* Effect.fail("`x-openclaw-session-key` cannot use reserved internal session namespaces.")
  }
  const own = asked.user === undefined ? `openai:${randomUUID()}` : `openai-user:${asked.user}`
  // A whole key names its agent itself.
  const owner = explicit?.startsWith("agent:") === true ? undefined : agentId
  return yield* Effect.mapError(Agents.liveSessionKey(explicit ?? own, owner), ({ message }) => message)
})

/**
 * Puts what was said before into a conversation that has nothing yet, so that the model reads it as said. One that goes on has
 * its own memory of it.
 */
const remember = Effect.fnUntraced(function* (
  sessions: Sessions["Service"],
  sessionKey: SessionKey,
  runId: RunId,
  asked: ChatRequested
) {
  if (asked.earlier.length === 0) return
  const { resetSeq, total } = yield* sessions.page(sessionKey, { limit: 1 })
  if (total > 0) return
  const timestamp = yield* Time.now
  const earlier = RunId.make(`${runId}:earlier`)
  yield* sessions.append(
    asked.earlier.map(({ role, text }, index) => ({
      sessionKey,
      runId: earlier,
      // Of two that find it empty at once only one begins it.
      dedupeKey: `openai-earlier:${resetSeq}:${index}`,
      message: { role, content: [{ type: "text" as const, text }], runId: earlier, timestamp }
    }))
  )
})

/** Status and type of a turn that did not end well. What the caller chose, the caller can change. */
const failureOf = (outcome: TurnOutcome, chosen: boolean): readonly [number, string] => {
  if (outcome.status === "aborted") return [500, "api_error"]
  switch (outcome.error) {
    case "ModelUnavailable":
      return chosen ? [400, INVALID] : [503, "api_error"]
    case "TurnTimedOut":
      return [504, "api_error"]
    default:
      return [500, "api_error"]
  }
}

const storageFailed = (exchange: Exchange, error: { readonly message: string }) =>
  failed(exchange, 503, "api_error", error.message, { "retry-after": 1 })

const run = Effect.fnUntraced(function* (exchange: Exchange, asked: ChatRequested, request: TurnRequest) {
  const turns = yield* Turns
  const sessions = yield* Sessions
  const completion: Completion = {
    id: `chatcmpl_${request.runId}`,
    created: Math.floor(request.receivedAt / 1000),
    model: asked.model
  }
  const begun = Effect.andThen(remember(sessions, request.sessionKey, request.runId, asked), turns.submit(request))
  if (asked.stream) return yield* stream(exchange, { asked, begun, completion, request })
  const outcome = yield* Effect.andThen(begun, turns.await(request.runId, request.sessionKey))
  if (outcome.status !== "ok") {
    const [status, type] = failureOf(outcome, request.model !== undefined)
    return failed(exchange, status, type, outcome.text === "" ? "the turn was ended" : outcome.text)
  }
  return json(exchange.response, 200, {
    ...completion,
    object: "chat.completion",
    choices: [{ index: 0, message: { role: "assistant", content: outcome.text }, finish_reason: "stop" }],
    usage: usageOf(outcome)
  })
})

export const chat = Effect.fn("Http.chatCompletions")(function* (exchange: Exchange) {
  if (!(yield* enabled)) return notFound(exchange)
  if (exchange.request.method !== "POST") return methodNotAllowed(exchange, "POST")
  const scopes = yield* authorize(exchange)
  if (scopes === undefined || !allowed(exchange, scopes, "operator.write")) return undefined
  const body = yield* Effect.result(readJson(exchange, MAX_BODY_BYTES))
  if (Result.isFailure(body)) return failed(exchange, body.failure.status, INVALID, body.failure.message)
  const asked = parse(body.success)
  if (Result.isFailure(asked)) return failed(exchange, 400, INVALID, asked.failure)
  const session = yield* Effect.result(sessionOf(exchange, asked.success))
  if (Result.isFailure(session)) return failed(exchange, 400, INVALID, session.failure)
  const model = header(exchange, "x-openclaw-model")
  if (model !== undefined && !allowed(exchange, scopes, "operator.admin")) return undefined

  const { agentId, key } = session.success
  const open = yield* Effect.result(SessionRows.notArchived(key))
  if (Result.isFailure(open)) {
    const { code, message } = open.failure
    return code === "UNAVAILABLE" ? storageFailed(exchange, open.failure) : failed(exchange, 400, INVALID, message)
  }

  const turns = yield* Turns
  const { instructions, text, user } = asked.success
  const request: TurnRequest = {
    runId: RunId.make(randomUUID()),
    sessionKey: key,
    agentId,
    text,
    receivedAt: yield* Time.now,
    sender: { id: user === undefined ? "openai-http" : `openai-http:${user}` },
    ...(model === undefined ? undefined : { model }),
    ...(instructions === undefined ? undefined : { extraSystemPrompt: instructions })
  }
  const traceparent = header(exchange, "traceparent")
  const answered = tracedHttp(yield* Tracing, CHAT_PATH, traceparent, run(exchange, asked.success, request)).pipe(
    Effect.catch((error) => Effect.sync(() => storageFailed(exchange, error))),
    Effect.as(Option.none<RunId>())
  )
  // Whoever went away wants no answer; a Gateway that ends is another matter, and its turns resume.
  const left = Effect.as(gone(exchange), Option.some(request.runId))
  const ended = yield* Effect.raceFirst(answered, left)
  if (Option.isSome(ended)) yield* turns.abort(key, { origin: "rpc", runId: ended.value })
  return undefined
})
