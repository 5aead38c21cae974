/**
 * A turn as OpenAI's server-sent events, and the rows of its JSON.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as PubSub from "effect/PubSub"
import type { SessionStorageFailed } from "../../../services/Sessions.ts"
import { type BusEvent, EventBus } from "../../../services/EventBus.ts"
import {
  type RunIdConflict,
  type TurnNotAccepted,
  type TurnOutcome,
  type TurnRequest,
  Turns
} from "../../../services/Turns.ts"
import type { ChatRequested } from "./openaiRequest.ts"
import { begin, type Exchange, write } from "./respond.ts"

/** How often a stream that has nothing to say shows that it lives. */
const KEEP_ALIVE = "15 seconds"

/** What every piece of one answer says of itself. */
export interface Completion {
  readonly id: string
  /** Unix seconds. */
  readonly created: number
  readonly model: string
}

export const modelRow = (id: string) => ({ id, object: "model", created: 0, owned_by: "openclaw", permission: [] })

export const usageOf = ({ usage }: TurnOutcome) => {
  const prompt = usage?.inputTokens ?? 0
  const completion = usage?.outputTokens ?? 0
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: usage?.totalTokens ?? prompt + completion
  }
}

const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const DONE = "data: [DONE]\n\n"

interface Streamed {
  readonly asked: ChatRequested
  /** Takes the turn in. Nothing is sent before it has succeeded, so that its failure can still be a status. */
  readonly begun: Effect.Effect<unknown, SessionStorageFailed | TurnNotAccepted | RunIdConflict>
  readonly completion: Completion
  readonly request: TurnRequest
}

/** The whole text so far that an event shows, when it is one of this turn's. */
const textIn = (event: BusEvent, { runId, sessionKey }: TurnRequest): string | undefined => {
  if (event.event !== "chat" || event.payload.state !== "delta") return undefined
  const { message, runId: id, sessionKey: key } = event.payload
  if (id !== runId || key !== sessionKey || message === undefined) return undefined
  const { content } = message
  if (typeof content === "string") return content
  const text = content.find((part) => part["type"] === "text")?.["text"]
  return typeof text === "string" ? text : undefined
}

/**
 * Writes the turn as it happens. What is sent stays sent: a text that does not go on from it ends the stream with an error,
 * as does a turn that fails.
 */
export const stream = Effect.fnUntraced(function* (
  exchange: Exchange,
  { asked, begun, completion, request }: Streamed
) {
  const { response } = exchange
  const turns = yield* Turns
  const events = yield* (yield* EventBus).subscribe
  const chunk = (delta: Readonly<Record<string, unknown>>, finish: string | null = null) =>
    data({
      ...completion,
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta, finish_reason: finish }]
    })
  const end = (last: string) => Effect.sync(() => void response.end(`${last}${DONE}`))
  const error = (message: string, type = "api_error") => data({ error: { message, type } })
  let sent = ""
  const show = (text: string) => {
    if (!text.startsWith(sent) || text.length === sent.length) return Effect.void
    const more = text.slice(sent.length)
    sent = text
    return write(exchange, chunk({ content: more }))
  }

  yield* begun
  begin(response, 200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no"
  })
  yield* Effect.onInterrupt(
    Effect.gen(function* () {
      yield* write(exchange, chunk({ role: "assistant" }))
      const showing = yield* PubSub.take(events).pipe(
        Effect.flatMap((event) => {
          const text = textIn(event, request)
          return text === undefined ? Effect.void : show(text)
        }),
        Effect.forever,
        Effect.tapDefect((defect) => Effect.logError("streaming a turn's text died", defect)),
        Effect.forkScoped
      )
      yield* Effect.sleep(KEEP_ALIVE).pipe(
        Effect.andThen(Effect.suspend(() => write(exchange, ": waiting\n\n"))),
        Effect.forever,
        Effect.tapDefect((defect) => Effect.logError("keeping a stream alive died", defect)),
        Effect.forkScoped
      )
      const outcome = yield* Effect.result(turns.await(request.runId, request.sessionKey))
      yield* Fiber.interrupt(showing)
      if (outcome._tag === "Failure") return yield* end(error(outcome.failure.message))
      const { status, text } = outcome.success
      if (status !== "ok") {
        const chosen = request.model !== undefined && outcome.success.error === "ModelUnavailable"
        const why = text === "" ? "the turn was ended" : text
        return yield* end(error(why, chosen ? "invalid_request_error" : "api_error"))
      }
      if (!text.startsWith(sent)) return yield* end(error("the answer was changed after it had been sent in part"))
      yield* show(text)
      const usage = asked.includeUsage
        ? data({ ...completion, object: "chat.completion.chunk", choices: [], usage: usageOf(outcome.success) })
        : ""
      return yield* end(`${chunk({}, "stop")}${usage}`)
    }),
    () => end(error("the Gateway is stopping"))
  )
}, Effect.scoped)
