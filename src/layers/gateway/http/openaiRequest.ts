/**
 * What a `POST /v1/chat/completions` asks for: the body, checked, and the conversation in it.
 *
 * Fields that OpenClaw forwards to providers as far as these take them (`temperature`, `max_tokens`, …) are checked and have
 * no effect here. What would change the answer's meaning and is not supported (images, tools that the caller offers) is
 * refused. What a conversation with another model says of tools is shown to the agent as text.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isBlank } from "../../../domain/blank.ts"

const absent = Schema.NullOr(Schema.Never)
const optional = <S extends Schema.Top>(schema: S) => Schema.optional(Schema.NullOr(schema))
const between = (minimum: number, maximum: number) =>
  optional(Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))
const cap = optional(Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0))))

const Part = Schema.Struct({
  type: Schema.String,
  text: optional(Schema.String),
  refusal: optional(Schema.String)
})
const ToolCall = Schema.Struct({
  id: optional(Schema.String),
  function: optional(Schema.Struct({ name: optional(Schema.String), arguments: optional(Schema.String) }))
})
const Message = Schema.Struct({
  role: Schema.String,
  content: optional(Schema.Union([Schema.String, Schema.Array(Part)])),
  tool_calls: optional(Schema.Array(ToolCall)),
  tool_call_id: optional(Schema.String),
  name: optional(Schema.String)
})

const ChatRequest = Schema.Struct({
  model: optional(Schema.String),
  user: optional(Schema.String),
  stream: optional(Schema.Boolean),
  stream_options: optional(Schema.Struct({ include_usage: optional(Schema.Boolean) })),
  messages: optional(Schema.Array(Message)),
  tools: optional(Schema.Array(Schema.Unknown)),
  tool_choice: Schema.optional(Schema.Unknown),
  temperature: between(0, 2),
  top_p: between(0, 1),
  frequency_penalty: between(-2, 2),
  presence_penalty: between(-2, 2),
  seed: optional(Schema.Int),
  max_tokens: cap,
  max_completion_tokens: cap,
  stop: optional(
    Schema.Union([Schema.NonEmptyString, Schema.Array(Schema.NonEmptyString).pipe(Schema.check(Schema.isMaxLength(4)))])
  ),
  functions: Schema.optional(absent),
  function_call: Schema.optional(absent)
})

const decode = Schema.decodeUnknownResult(ChatRequest)
const issues = Schema.decodeUnknownOption(Schema.Struct({ message: Schema.String }))

/** One message of the conversation before the one to answer. */
export interface Earlier {
  readonly role: "user" | "assistant"
  readonly text: string
}

export interface ChatRequested {
  readonly model: string
  readonly user: string | undefined
  readonly stream: boolean
  readonly includeUsage: boolean
  /** What the caller tells the agent to be, from `system` and `developer` messages. */
  readonly instructions: string | undefined
  readonly earlier: ReadonlyArray<Earlier>
  /** The message to answer. */
  readonly text: string
}

const given = (value: string | null | undefined): string | undefined => {
  const trimmed = value?.trim() ?? ""
  return trimmed === "" ? undefined : trimmed
}

type Message = (typeof Message)["Type"]
type Content = Message["content"]

/** Kinds of parts that are text: `input_text` is what the same clients send to other APIs. */
const TEXTS: ReadonlySet<string> = new Set(["text", "input_text", "refusal"])

const unsupported = (content: Content): string | undefined =>
  typeof content === "string" ? undefined : content?.find(({ type }) => !TEXTS.has(type))?.type

const textOf = (content: Content): string =>
  typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? part.refusal ?? "").join("\n")

/** What an assistant said, and which of the caller's functions it called. */
const answerOf = ({ content, tool_calls }: Message): string => {
  const called = (tool_calls ?? []).map(
    (call) =>
      `tool_call id=${call.id ?? ""} name=${call.function?.name ?? ""} arguments=${call.function?.arguments ?? ""}`
  )
  return [textOf(content), ...called].filter((line) => !isBlank(line)).join("\n")
}

/** What a function of the caller gave back; none gives no text, and that is an answer too. */
const resultOf = ({ content, name, tool_call_id }: Message): string =>
  `Tool:${tool_call_id ?? name ?? ""}: ${textOf(content)}`

const problemOf = (error: unknown): string =>
  Option.match(issues(error), {
    onNone: () => "the body is not a chat completion request",
    onSome: ({ message }) =>
      message
        .split("\n")
        .map((line) => line.trim())
        .join(" ")
  })

/** The request, or why it is none. */
export const parse = (body: unknown): Result.Result<ChatRequested, string> => {
  const decoded = decode(body)
  if (Result.isFailure(decoded)) return Result.fail(problemOf(decoded.failure))
  const asked = decoded.success
  if ((asked.tools ?? []).length > 0 && asked.tool_choice !== "none") {
    return Result.fail("`tools` of the caller are not supported; the agent has its own")
  }
  const instructions: Array<string> = []
  const said: Array<Earlier> = []
  for (const message of asked.messages ?? []) {
    const { content, role } = message
    const odd = unsupported(content)
    if (odd !== undefined) return Result.fail(`content of type \`${odd}\` in \`messages\` is not supported; send text`)
    switch (role) {
      case "system":
      case "developer":
        instructions.push(textOf(content))
        break
      case "user":
        said.push({ role, text: textOf(content) })
        break
      case "assistant":
        said.push({ role, text: answerOf(message) })
        break
      case "tool":
      case "function":
        said.push({ role: "user", text: resultOf(message) })
        break
      default:
        return Result.fail(`role \`${role}\` in \`messages\` is not supported`)
    }
  }
  const spoken = said.filter(({ text }) => !isBlank(text))
  const at = spoken.findLastIndex(({ role }) => role === "user")
  const last = spoken[at]
  // An answer after it is only a beginning that the caller wishes for; every turn begins its own.
  if (last === undefined) return Result.fail("Missing user message in `messages`.")
  const asks = instructions.filter((text) => !isBlank(text))
  return Result.succeed({
    model: given(asked.model) ?? "openclaw",
    user: given(asked.user),
    stream: asked.stream === true,
    includeUsage: asked.stream_options?.include_usage === true,
    instructions: asks.length === 0 ? undefined : asks.join("\n\n"),
    earlier: spoken.slice(0, at),
    text: last.text
  })
}

/** The agent that a model's name stands for; `default` for the configured one, `undefined` for a name that is none. */
export const agentOf = (model: string): { readonly agentId: string | undefined } | undefined => {
  if (model === "openclaw" || model === "openclaw/default") return { agentId: undefined }
  const agentId = /^(?:openclaw[/:]|agent:)([^/:\s]+)$/.exec(model)?.[1]
  return agentId === undefined ? undefined : { agentId }
}
