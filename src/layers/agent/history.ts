/**
 * The transcript as a model's prompt, and a model's answer as transcript entries.
 *
 * Roles and content parts are OpenClaw's: `user` with text, `assistant` with `text` and `toolCall` parts, `toolResult`.
 */
import * as Prompt from "effect/ai/Prompt"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { TranscriptMessage } from "../../protocol/methods/chat.ts"
import type { SessionContext } from "../../services/Sessions.ts"
import type { TurnMessage, TurnRequest } from "../../services/Turns.ts"
import { type CallIds, makeCallIds } from "./callIds.ts"
import { tokensOf } from "./compaction/plan.ts"
import { type Speaker, withSpeaker } from "./speaker.ts"
import type { ToolOutcome } from "./tools.ts"

/** Messages of the transcript that are read for a turn. */
export const HISTORY_MESSAGES = 200

/** Characters of the transcript that a model of unknown window is shown; the oldest messages are left out first. */
const HISTORY_CHARS = 200_000

/** How a model is told what older messages came to. */
export const SUMMARY_INTRO = "[What was said before this is not shown any more. This is a summary of it:]"

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
export const before = (
  messages: ReadonlyArray<TranscriptMessage>,
  request: TurnRequest
): ReadonlyArray<TranscriptMessage> => {
  const own = messages.findIndex((message) => message.role === "user" && message.runId === request.runId)
  return (own < 0 ? messages : messages.slice(0, own)).filter((message) => message.runId !== request.runId)
}

const newest = (messages: ReadonlyArray<TranscriptMessage>, tokens?: number): ReadonlyArray<TranscriptMessage> => {
  let room = tokens ?? HISTORY_CHARS
  const start = messages.findLastIndex((message) => {
    const text = JSON.stringify(message.content)
    room -= tokens === undefined ? text.length : tokensOf(text)
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

/** The results of the run's next step after `index`; only another run's entries can stand between a call and its result. */
const resultsBehind = (transcript: ReadonlyArray<TranscriptMessage>, index: number): Array<TranscriptMessage> => {
  const run = transcript[index]?.runId
  const behind = transcript.slice(index + 1).filter((message) => message.runId === run)
  const end = behind.findIndex((message) => message.role !== "toolResult")
  return end < 0 ? behind : behind.slice(0, end)
}

/** The first result of a call, taken out: a second call with the same id gets the next. */
const takeResult = (results: Array<TranscriptMessage>, id: string): TranscriptMessage | undefined => {
  const at = results.findIndex((result) => result.toolCallId === id)
  return at < 0 ? undefined : results.splice(at, 1)[0]
}

/**
 * Every tool call gets exactly one result right behind it, which providers insist on: a call without one (its turn was
 * interrupted) is answered so, a result without a call (its call was too old to be read) is left out.
 */
const messagesOf = (
  transcript: ReadonlyArray<TranscriptMessage>,
  ids: CallIds,
  speakerOf: (message: TranscriptMessage) => Speaker | undefined
): ReadonlyArray<Prompt.Message> =>
  transcript.flatMap((message, index): ReadonlyArray<Prompt.Message> => {
    if (message.role === "user") {
      const text = textOf(message)
      return text === "" ? [] : [userMessage(text, speakerOf(message))]
    }
    if (message.role !== "assistant") return []
    const text = spoken(message)
    const results = resultsBehind(transcript, index)
    const calls = callsOf(message).map((call) => ({
      ...call,
      id: ids.unique(call.id),
      result: takeResult(results, call.id)
    }))
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
        calls.map(({ id, name, result }) =>
          result === undefined
            ? { id, name, text: "interrupted, outcome unknown", isError: true }
            : { id, name, text: textOf(result), isError: result.isError === true }
        )
      )
    ]
  })

const userMessage = (text: string, speaker: Speaker | undefined): Prompt.Message =>
  Prompt.userMessage({
    content: [Prompt.textPart({ text: speaker === undefined ? text : withSpeaker(speaker, text) })]
  })

const writerOf = ({ __openclaw: meta }: TranscriptMessage): Speaker | undefined =>
  meta?.senderId === undefined
    ? undefined
    : { id: meta.senderId, ...(meta.senderName === undefined ? undefined : { displayName: meta.senderName }) }

/**
 * The prompt that a turn begins with, and the call ids in it. Where several people write, each message says who did.
 */
export const promptOf = (
  system: string,
  { entries, summary }: Pick<SessionContext, "entries" | "summary">,
  request: TurnRequest,
  options: {
    /** Call ids that are in use already. */
    readonly ids?: CallIds
    /** Tokens that a model of known window is shown of the transcript. */
    readonly tokens?: number
  } = {}
): {
  readonly messages: ReadonlyArray<Prompt.Message>
  readonly ids: CallIds
  /** Messages that came later, in the form of the others. */
  readonly say: (messages: ReadonlyArray<TurnMessage>) => ReadonlyArray<Prompt.Message>
} => {
  const ids = options.ids ?? makeCallIds()
  const transcript = entries.map(({ message }) => message)
  const known = newest(before(transcript, request), options.tokens)
  const { collected = [], replyTo } = request
  const senderOf = (message: Pick<TurnMessage, "sender">) => (replyTo === undefined ? undefined : message.sender)
  const own = [request, ...collected]
  const writers = new Set([
    ...own.map((message) => senderOf(message)?.id),
    ...known.map((message) => writerOf(message)?.id)
  ])
  writers.delete(undefined)
  const isShared = writers.size > 1 || (replyTo !== undefined && replyTo.peer.chatType !== "direct")
  const conversation = messagesOf(known, ids, (message) => (isShared ? writerOf(message) : undefined))
  const isOther = (sender: Speaker | undefined) => sender !== undefined && sender.id !== request.sender?.id
  const say = (told: ReadonlyArray<Pick<TurnMessage, "sender" | "text">>) =>
    told.map((message) => {
      const sender = senderOf(message)
      return userMessage(message.text, isShared || isOther(sender) ? sender : undefined)
    })
  const first = conversation.findIndex((message) => message.role === "user")
  const messages = [
    Prompt.systemMessage({ content: system }),
    // Some providers refuse a conversation that the assistant begins.
    ...(summary !== undefined
      ? [userMessage(`${SUMMARY_INTRO}\n${summary}`, undefined), ...conversation]
      : first < 0
        ? []
        : conversation.slice(first)),
    ...say(own)
  ]
  return { messages, ids, say }
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
