/**
 * One model call of a turn: streams the answer's text out and gathers the whole of it, in a form that can be stored.
 */
import type * as AiError from "effect/ai/AiError"
import * as Prompt from "effect/ai/Prompt"
import * as Response from "effect/ai/Response"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { isBlank } from "../../domain/blank.ts"
import type { ResolvedModel } from "../../services/Models.ts"
import { TurnMessage } from "../../services/Turns.ts"
import { oneLine, UNKNOWN_MODEL } from "../models/errors.ts"
import { explain, failure, TurnFailure } from "./explain.ts"
import { AgentTools } from "./tools.ts"

const Metadata = Response.ProviderMetadata

const ReplyPart = Schema.Union([
  Schema.Struct({ type: Schema.Literals(["text", "reasoning"]), text: Schema.String, metadata: Metadata }),
  Schema.Struct({
    type: Schema.Literal("tool-call"),
    id: Schema.String,
    name: Schema.String,
    params: Schema.Json,
    metadata: Metadata
  })
])
type ReplyPart = typeof ReplyPart.Type

const Usage = Schema.Struct({
  inputTokens: Schema.optional(Schema.Finite),
  outputTokens: Schema.optional(Schema.Finite)
})

/** Lines that were put to the model with a call. */
const Told = Schema.Array(Schema.String)
export type Told = typeof Told.Type

/** What a model call came to. `text` is what it said, complete or not. */
export const ModelReply = Schema.Struct({
  /** The model that was asked. */
  ref: Schema.String,
  parts: Schema.Array(ReplyPart),
  text: Schema.String,
  finish: Response.FinishReason,
  usage: Usage,
  failure: Schema.optional(TurnFailure),
  /** Messages that came for the turn and were put to the model with this call. */
  took: Schema.optional(Schema.Array(TurnMessage)),
  /** What the Gateway had noticed, put to the model with this call. */
  told: Schema.optional(Told),
  /** Nothing was said, and the fault is the model's or its provider's: another model may do better. */
  elsewhere: Schema.optional(Schema.Boolean)
})
export type ModelReply = typeof ModelReply.Type

export type ReplyCall = Extract<ReplyPart, { type: "tool-call" }>

/** The calls that the model made and that may be answered: none when its output limit may have cut one short. */
export const callsOf = (reply: ModelReply): ReadonlyArray<ReplyCall> =>
  reply.finish === "length" ? [] : reply.parts.filter((part) => part.type === "tool-call")

/** The same answer with every call's id changed. */
export const withCallIds = (reply: ModelReply, rename: (id: string) => string): ModelReply => ({
  ...reply,
  parts: reply.parts.map((part) => (part.type === "tool-call" ? { ...part, id: rename(part.id) } : part))
})

/** The answer as the next call's prompt shows it. */
export const replyMessage = (reply: ModelReply): Prompt.Message =>
  Prompt.assistantMessage({
    content: reply.parts.map((part) => {
      switch (part.type) {
        case "text":
          return Prompt.textPart({ text: part.text, options: part.metadata })
        case "reasoning":
          return Prompt.reasoningPart({ text: part.text, options: part.metadata })
        case "tool-call":
          return Prompt.toolCallPart({
            id: part.id,
            name: part.name,
            params: part.params,
            providerExecuted: false,
            options: part.metadata
          })
      }
    })
  })

const isJson = Schema.is(Schema.Json)

/** Gathers stream parts into whole ones, in the order in which they began. */
const makeCollector = (ref: string) => {
  const parts: Array<ReplyPart> = []
  const open = new Map<string, number>()
  let finish: Response.FinishReason = "unknown"
  let usage: typeof Usage.Type = {}

  const add = (part: ReplyPart) => parts.push(part) - 1
  const extend = (type: "text" | "reasoning", id: string, text: string, metadata: Response.ProviderMetadata) => {
    const key = `${type}:${id}`
    const index = open.get(key) ?? add({ type, text: "", metadata: {} })
    open.set(key, index)
    const part = parts[index]
    if (part !== undefined && part.type === type) {
      parts[index] = { type, text: part.text + text, metadata: { ...part.metadata, ...metadata } }
    }
  }

  return {
    take: (part: Response.AnyPart) => {
      switch (part.type) {
        case "text-start":
        case "reasoning-start":
          // An id may be used again for a later block.
          open.delete(`${part.type === "text-start" ? "text" : "reasoning"}:${part.id}`)
          return extend(part.type === "text-start" ? "text" : "reasoning", part.id, "", part.metadata)
        case "text-delta":
        case "reasoning-delta":
          return extend(part.type === "text-delta" ? "text" : "reasoning", part.id, part.delta, part.metadata)
        case "text-end":
        case "reasoning-end":
          return extend(part.type === "text-end" ? "text" : "reasoning", part.id, "", part.metadata)
        case "tool-call":
          add({
            type: "tool-call",
            id: part.id,
            name: part.name,
            params: isJson(part.params) ? part.params : null,
            metadata: part.metadata
          })
          return
        case "finish":
          finish = part.reason
          usage = {
            ...(part.usage.inputTokens.total === undefined ? undefined : { inputTokens: part.usage.inputTokens.total }),
            ...(part.usage.outputTokens.total === undefined
              ? undefined
              : { outputTokens: part.usage.outputTokens.total })
          }
      }
    },
    reply: (reason?: TurnFailure): ModelReply => {
      const kept = parts.filter((part) => part.type === "tool-call" || part.text !== "")
      const text = kept.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("")
      return { ref, parts: kept, text, finish, usage, ...(reason === undefined ? undefined : { failure: reason }) }
    }
  }
}

const timedOut = failure("TurnTimedOut", "The time for this answer ran out before the model was done.", "timeout")

/** A finish that is no answer, though the call as such succeeded. */
const unusable = (reply: ModelReply, model: ResolvedModel): TurnFailure | undefined => {
  if (reply.finish === "content-filter") {
    return failure("ModelFailed", `${model.provider} refused to answer because of its content policy.`, "refusal")
  }
  if (reply.finish === "length" && isBlank(reply.text)) {
    return failure("ModelFailed", `${model.ref} reached its output limit before it had said anything.`)
  }
  return reply.finish === "error"
    ? failure("ModelFailed", `${model.provider} ended its answer with an error; try again.`)
    : undefined
}

/** Calls the model. Never fails: what goes wrong is in the reply, with the text that had come before. */
export const callModel = (
  model: ResolvedModel,
  messages: ReadonlyArray<Prompt.Message>,
  options: {
    readonly onText: (delta: string) => Effect.Effect<void>
    /** Left out: the agent's own. */
    readonly tools?: false | Toolkit.Any
    /** Milliseconds left. */
    readonly timeoutMs?: number | undefined
  }
): Effect.Effect<ModelReply> =>
  Effect.suspend(() => {
    const collector = makeCollector(model.ref)
    const prompt = Prompt.fromMessages(messages)
    const stream: Stream.Stream<Response.AnyPart, AiError.AiError> =
      options.tools === false
        ? model.service.streamText({ prompt })
        : model.service.streamText({
            prompt,
            toolkit: (options.tools ?? AgentTools) as typeof AgentTools,
            disableToolCallResolution: true,
            toolCallValidation: "deferred"
          })
    const failedReply = (error: AiError.AiError): ModelReply => {
      const begun = collector.reply().parts.length > 0
      const reply = collector.reply(explain(error, model, begun))
      return begun || !isProvidersFault(error) ? reply : { ...reply, elsewhere: true }
    }
    const call = stream.pipe(
      Stream.runForEach((part) => {
        collector.take(part)
        return part.type === "text-delta" && part.delta !== "" ? options.onText(part.delta) : Effect.void
      }),
      Effect.map(() => {
        const reply = collector.reply()
        return { ...reply, ...withFailure(unusable(reply, model)) }
      }),
      Effect.catch((error) =>
        Effect.as(Effect.logWarning(`the call of ${model.ref} failed: ${oneLine(error)}`), failedReply(error))
      )
    )
    return options.timeoutMs === undefined
      ? call
      : Effect.timeoutOrElse(call, {
          duration: Math.max(0, options.timeoutMs),
          orElse: () => Effect.sync(() => collector.reply(timedOut))
        })
  })

/** It cannot be reached, is out of order, refuses the key or the account, or does not have the model. */
const isProvidersFault = ({ reason }: AiError.AiError): boolean => {
  switch (reason._tag) {
    case "AuthenticationError":
    case "InternalProviderError":
    case "NetworkError":
    case "QuotaExhaustedError":
    case "RateLimitError":
      return true
    case "InvalidRequestError":
      return reason.parameter === UNKNOWN_MODEL
    default:
      return false
  }
}

const withFailure = (reason: TurnFailure | undefined) => (reason === undefined ? undefined : { failure: reason })
