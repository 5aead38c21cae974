/**
 * The transcript as a model's prompt, and a model's answer as transcript entries.
 *
 * Roles and content parts are OpenClaw's: `user` with text, `assistant` with `text` and `toolCall` parts, `toolResult`.
 */
import * as Prompt from "effect/ai/Prompt"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { TranscriptMessage } from "../../protocol/methods/chat.ts"
import type { TurnRequest } from "../../services/Turns.ts"
import type { ToolOutcome } from "./tools.ts"

/** Messages of the transcript that are read for a turn. */
export const HISTORY_MESSAGES = 200

/** Characters of the transcript that a model is shown; the oldest messages are left out first. */
const HISTORY_CHARS = 200_000

const decodeText = Schema.decodeUnknownOption(Schema.Struct({ type: Schema.Literal("text"), text: Schema.String }))
const decodeToolCall = Schema.decodeUnknownOption(
  Schema.Struct({
    type: Schema.Literal("toolCall"),
    id: Schema.NonEmptyString,
    name: Schema.NonEmptyString,
    arguments: Schema.optional(Schema.Json)
  })
)

const textOf = (message: TranscriptMessage): string =>
  typeof message.content === "string"
    ? message.content
    : message.content.flatMap((part) => Option.toArray(Option.map(decodeText(part), ({ text }) => text))).join("\n")

const callsOf = (message: TranscriptMessage) =>
  typeof message.content === "string" ? [] : message.content.flatMap((part) => Option.toArray(decodeToolCall(part)))

/** What was told about a failed turn is no part of the conversation; what it had said before is. */
const spoken = (message: TranscriptMessage): string => {
  const text = textOf(message)
  if (message.openclawAbort !== undefined) return text === "" ? "" : `${text}\n[this answer was stopped]`
  if (message.errorMessage === undefined) return text
  return text === message.errorMessage ? "" : `${text}\n[this answer broke off]`
}

/** The conversation up to the turn's own message, which is left out; what the turn itself wrote before a restart, too. */
const before = (messages: ReadonlyArray<TranscriptMessage>, request: TurnRequest): ReadonlyArray<TranscriptMessage> => {
  const own = messages.findIndex((message) => message.role === "user" && message.runId === request.runId)
  return (own < 0 ? messages : messages.slice(0, own)).filter((message) => message.runId !== request.runId)
}

const newest = (messages: ReadonlyArray<TranscriptMessage>): ReadonlyArray<TranscriptMessage> => {
  let room = HISTORY_CHARS
  const start = messages.findLastIndex((message) => {
    room -= JSON.stringify(message.content).length
    return room < 0
  })
  return messages.slice(start + 1)
}

const toolResultMessage = (
  results: ReadonlyArray<{
    readonly id: string
    readonly name: string
    readonly text: string
    readonly isError: boolean
  }>
): Prompt.Message =>
  Prompt.toolMessage({
    content: results.map((result) =>
      Prompt.toolResultPart({
        id: result.id,
        name: result.name,
        result: result.text,
        isFailure: result.isError,
        providerExecuted: false
      })
    )
  })

/**
 * Every tool call gets exactly one result right behind it, which providers insist on: a call without one (its turn was
 * interrupted) is answered so, a result without a call (its call was too old to be read) is left out.
 */
const messagesOf = (transcript: ReadonlyArray<TranscriptMessage>): ReadonlyArray<Prompt.Message> => {
  const results = new Map(
    transcript.flatMap((message) =>
      message.role === "toolResult" && message.toolCallId !== undefined
        ? [[`${message.runId ?? ""}:${message.toolCallId}`, message] as const]
        : []
    )
  )
  return transcript.flatMap((message): ReadonlyArray<Prompt.Message> => {
    if (message.role === "user") {
      const text = textOf(message)
      return text === "" ? [] : [Prompt.userMessage({ content: [Prompt.textPart({ text })] })]
    }
    if (message.role !== "assistant") return []
    const text = spoken(message)
    const calls = callsOf(message)
    const content = [
      ...(text.trim() === "" ? [] : [Prompt.textPart({ text })]),
      ...calls.map((call) =>
        Prompt.toolCallPart({ id: call.id, name: call.name, params: call.arguments ?? {}, providerExecuted: false })
      )
    ]
    if (content.length === 0) return []
    const assistant = Prompt.assistantMessage({ content })
    if (calls.length === 0) return [assistant]
    return [
      assistant,
      toolResultMessage(
        calls.map(({ id, name }) => {
          const result = results.get(`${message.runId ?? ""}:${id}`)
          return result === undefined
            ? { id, name, text: "interrupted, outcome unknown", isError: true }
            : { id, name, text: textOf(result), isError: result.isError === true }
        })
      )
    ]
  })
}

/** The prompt that a turn begins with. */
export const promptOf = (
  system: string,
  transcript: ReadonlyArray<TranscriptMessage>,
  request: TurnRequest
): ReadonlyArray<Prompt.Message> => {
  const conversation = messagesOf(newest(before(transcript, request)))
  const first = conversation.findIndex((message) => message.role === "user")
  return [
    Prompt.systemMessage({ content: system }),
    // Some providers refuse a conversation that the assistant begins.
    ...(first < 0 ? [] : conversation.slice(first)),
    Prompt.userMessage({ content: [Prompt.textPart({ text: request.text })] })
  ]
}

/** Results of one step's calls, for the next model call. */
export const resultsMessage = (
  calls: ReadonlyArray<{ readonly id: string; readonly name: string }>,
  outcomes: ReadonlyArray<ToolOutcome>
): Prompt.Message =>
  toolResultMessage(
    calls.map(({ id, name }, index) => ({ id, name, ...(outcomes[index] ?? { text: "no result", isError: true }) }))
  )

/** A tool's result as a transcript entry. */
export const toolResultEntry = (
  request: TurnRequest,
  call: { readonly id: string; readonly name: string },
  outcome: ToolOutcome,
  timestamp: number
): TranscriptMessage => ({
  role: "toolResult",
  content: [{ type: "text", text: outcome.text }],
  toolCallId: call.id,
  toolName: call.name,
  isError: outcome.isError,
  runId: request.runId,
  timestamp
})
