/**
 * A request of `effect/ai` in the words of the AI SDK: prompt, tools, tool choice.
 */
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4FilePart,
  LanguageModelV4FunctionTool,
  LanguageModelV4Message,
  LanguageModelV4ToolChoice,
  LanguageModelV4ToolResultPart,
  SharedV4ProviderOptions
} from "@ai-sdk/provider"
import type * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import * as Tool from "effect/ai/Tool"
import * as Predicate from "effect/Predicate"

type AssistantContent = Extract<LanguageModelV4Message, { role: "assistant" }>["content"][number]
type ToolContent = Extract<LanguageModelV4Message, { role: "tool" }>["content"][number]
type JsonOutput = Extract<LanguageModelV4ToolResultPart["output"], { type: "json" }>["value"]

/** Provider options ride along as they came; entries that are not objects mean nothing to the SDK. */
const providerOptions = (
  options: Prompt.ProviderOptions
): { providerOptions: SharedV4ProviderOptions } | Record<never, never> => {
  const kept = Object.fromEntries(Object.entries(options).filter(([, value]) => Predicate.isObject(value)))
  return Object.keys(kept).length === 0 ? {} : { providerOptions: kept as SharedV4ProviderOptions }
}

const filePart = (part: Prompt.FilePart): LanguageModelV4FilePart => ({
  type: "file",
  mediaType: part.mediaType,
  ...(part.fileName === undefined ? undefined : { filename: part.fileName }),
  data: part.data instanceof URL ? { type: "url", url: part.data } : { type: "data", data: part.data },
  ...providerOptions(part.options)
})

/** Arguments must be an object on every wire; what a model sent instead is kept under a name of its own. */
const toolInput = (params: unknown): unknown => (Predicate.isObject(params) ? params : { invalid: params ?? null })

const toolResult = (part: Prompt.ToolResultPart): LanguageModelV4ToolResultPart => ({
  type: "tool-result",
  toolCallId: part.id,
  toolName: part.name,
  output:
    typeof part.result === "string"
      ? { type: part.isFailure ? "error-text" : "text", value: part.result }
      : { type: part.isFailure ? "error-json" : "json", value: (part.result ?? null) as JsonOutput },
  ...providerOptions(part.options)
})

const assistantPart = (part: Prompt.AssistantMessagePart): ReadonlyArray<AssistantContent> => {
  switch (part.type) {
    case "text":
    case "reasoning":
      return [{ type: part.type, text: part.text, ...providerOptions(part.options) }]
    case "file":
      return [filePart(part)]
    case "tool-call":
      return [
        {
          type: "tool-call",
          toolCallId: part.id,
          toolName: part.name,
          input: toolInput(part.params),
          ...(part.providerExecuted ? { providerExecuted: true } : undefined),
          ...providerOptions(part.options)
        }
      ]
    case "tool-result":
      return [toolResult(part)]
    case "tool-approval-request":
      return []
  }
}

const toolPart = (part: Prompt.ToolMessagePart): ToolContent =>
  part.type === "tool-result"
    ? toolResult(part)
    : {
        type: "tool-approval-response",
        approvalId: part.approvalId,
        approved: part.approved,
        ...(part.reason === undefined ? undefined : { reason: part.reason })
      }

const message = (input: Prompt.Message): LanguageModelV4Message => {
  const options = providerOptions(input.options)
  switch (input.role) {
    case "system":
      return { role: "system", content: input.content, ...options }
    case "user":
      return {
        role: "user",
        content: input.content.map((part) =>
          part.type === "text" ? { type: "text", text: part.text, ...providerOptions(part.options) } : filePart(part)
        ),
        ...options
      }
    case "assistant":
      return { role: "assistant", content: input.content.flatMap(assistantPart), ...options }
    case "tool":
      return { role: "tool", content: input.content.map(toolPart), ...options }
  }
}

const describeTool = (input: Tool.Any): LanguageModelV4FunctionTool => {
  const description = Tool.getDescription(input)
  return {
    type: "function",
    name: input.name,
    ...(description === undefined ? undefined : { description }),
    inputSchema: Tool.getJsonSchema(input) as LanguageModelV4FunctionTool["inputSchema"]
  }
}

/** A tool is the same for every call, and its schema takes longer to write out than all else of a request. */
const described = new WeakMap<Tool.Any, LanguageModelV4FunctionTool>()

const tool = (input: Tool.Any): LanguageModelV4FunctionTool => {
  const known = described.get(input)
  if (known !== undefined) return known
  const made = describeTool(input)
  described.set(input, made)
  return made
}

const toolChoice = (choice: LanguageModel.ToolChoice<string>): LanguageModelV4ToolChoice => {
  if (typeof choice === "string") return { type: choice }
  // `oneOf` has already narrowed the tools themselves.
  if ("oneOf" in choice) return { type: choice.mode ?? "auto" }
  return { type: "tool", toolName: choice.tool }
}

/** Everything of a call except its abort signal. */
export const callOptions = (
  options: LanguageModel.ProviderOptions,
  settings: { readonly maxOutputTokens?: number; readonly providerOptions?: SharedV4ProviderOptions }
): LanguageModelV4CallOptions => ({
  prompt: options.prompt.content.map(message),
  ...(options.tools.length === 0
    ? undefined
    : { tools: options.tools.map(tool), toolChoice: toolChoice(options.toolChoice) }),
  ...(options.responseFormat.type === "json"
    ? {
        responseFormat: {
          type: "json",
          name: options.responseFormat.objectName,
          schema: Tool.getJsonSchemaFromSchema(
            options.responseFormat.schema
          ) as LanguageModelV4FunctionTool["inputSchema"]
        }
      }
    : undefined),
  ...(settings.maxOutputTokens === undefined ? undefined : { maxOutputTokens: settings.maxOutputTokens }),
  ...(settings.providerOptions === undefined ? undefined : { providerOptions: settings.providerOptions })
})
