/**
 * The AI SDK's answer in the words of `effect/ai`: content, stream parts, finish reason, usage.
 */
import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage
} from "@ai-sdk/provider"
import type * as Response from "effect/ai/Response"
import * as Tool from "effect/ai/Tool"
import * as Option from "effect/Option"

const parseJson = Option.liftThrowable(Tool.unsafeSecureJsonParse)

/** Through JSON and back, which drops the `undefined` values that SDK metadata may hold. */
const metadata = (value: object | undefined): { metadata: Response.ProviderMetadata } | undefined =>
  value === undefined ? undefined : { metadata: JSON.parse(JSON.stringify(value)) as Response.ProviderMetadata }

const count = (value: number | undefined): number | undefined =>
  value !== undefined && Number.isInteger(value) && value >= 0 ? value : undefined

export const usageOf = (usage: LanguageModelV4Usage | undefined): (typeof Response.Usage)["Encoded"] => ({
  inputTokens: {
    uncached: count(usage?.inputTokens?.noCache),
    total: count(usage?.inputTokens?.total),
    cacheRead: count(usage?.inputTokens?.cacheRead),
    cacheWrite: count(usage?.inputTokens?.cacheWrite)
  },
  outputTokens: {
    total: count(usage?.outputTokens?.total),
    text: count(usage?.outputTokens?.text),
    reasoning: count(usage?.outputTokens?.reasoning)
  }
})

/** Whether the provider said that its answer is complete; without that the answer broke off. */
export const isComplete = (reason: LanguageModelV4FinishReason): boolean =>
  reason.unified !== "interrupted" && reason.unified !== "error" && !(reason.unified === "other" && !reason.raw)

const finish = (
  reason: LanguageModelV4FinishReason,
  usage: LanguageModelV4Usage | undefined
): Response.FinishPartEncoded => ({
  type: "finish",
  reason: reason.unified === "interrupted" ? "error" : reason.unified,
  usage: usageOf(usage)
})

/**
 * A tool call. Arguments that are no JSON are handed on as the text they are, so that the tool's own decoder refuses them
 * and the model is told; an empty text means no arguments.
 */
const toolCall = (part: Extract<LanguageModelV4Content, { type: "tool-call" }>): Response.ToolCallPartEncoded => ({
  type: "tool-call",
  id: part.toolCallId,
  name: part.toolName,
  params: part.input.trim() === "" ? {} : Option.getOrElse(parseJson(part.input), () => part.input),
  providerExecuted: part.providerExecuted ?? false,
  ...metadata(part.providerMetadata)
})

/** One stream part; `undefined` for those that `effect/ai` has no use for. */
export const streamPart = (part: LanguageModelV4StreamPart): Response.StreamPartEncoded | undefined => {
  switch (part.type) {
    case "text-start":
    case "text-end":
    case "reasoning-start":
    case "reasoning-end":
      return { type: part.type, id: part.id, ...metadata(part.providerMetadata) }
    case "text-delta":
    case "reasoning-delta":
      return { type: part.type, id: part.id, delta: part.delta, ...metadata(part.providerMetadata) }
    case "tool-call":
      return toolCall(part)
    case "response-metadata":
      return {
        type: "response-metadata",
        ...(part.id === undefined ? undefined : { id: part.id }),
        ...(part.modelId === undefined ? undefined : { modelId: part.modelId })
      }
    case "finish":
      return finish(part.finishReason, part.usage)
    default:
      return undefined
  }
}

/** A whole answer. */
export const contentParts = (
  content: ReadonlyArray<LanguageModelV4Content>,
  reason: LanguageModelV4FinishReason,
  usage: LanguageModelV4Usage
): Array<Response.PartEncoded> => {
  const parts: Array<Response.PartEncoded> = []
  for (const part of content) {
    if (part.type === "text" || part.type === "reasoning") {
      parts.push({ type: part.type, text: part.text, ...metadata(part.providerMetadata) })
    } else if (part.type === "tool-call") {
      parts.push(toolCall(part))
    }
  }
  parts.push(finish(reason, usage))
  return parts
}
