/**
 * One scripted reply as the server-sent events of each provider's wire format.
 */

/** What the provider does with one request. Without `status` it streams an answer. */
export interface ProviderReply {
  readonly status?: number
  /** The `retry-after` header, seconds or a date. */
  readonly retryAfter?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly errorMessage?: string
  /** A body of one's own instead of an answer, with status 200. */
  readonly rawBody?: string
  readonly contentType?: string
  readonly reasoning?: string
  /** Streamed one delta per element. */
  readonly text?: ReadonlyArray<string>
  /** `arguments` is JSON text, sent in two pieces. */
  readonly toolCalls?: ReadonlyArray<{ readonly id: string; readonly name: string; readonly arguments: string }>
  readonly usage?: { readonly input: number; readonly output: number }
  /** Milliseconds between two events of a whole answer, so that a reader sees it grow. All at once when left out. */
  readonly paceMs?: number
  /**
   * How the answer ends: whole when left out. `cut` closes the response before the closing events, `reset` breaks the
   * connection there, `hold` keeps it open, `error` sends the wire's own error event.
   */
  readonly end?: "cut" | "reset" | "hold" | "error"
}

export type Wire = "openai-chat" | "openai-responses" | "anthropic"

type Event = readonly [name: string | undefined, data: unknown]

const encode = ([name, data]: Event): string =>
  `${name === undefined ? "" : `event: ${name}\n`}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`

const halves = (text: string): readonly [string, string] => {
  const middle = Math.floor(text.length / 2)
  return [text.slice(0, middle), text.slice(middle)]
}

const openaiChat = (reply: ProviderReply): ReadonlyArray<Event> => {
  const chunk = (delta: object, finish: string | null = null, usage?: object): Event => [
    undefined,
    {
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1,
      model: "test-model",
      choices: [{ index: 0, delta, finish_reason: finish }],
      ...(usage === undefined ? undefined : { usage })
    }
  ]
  const calls = (reply.toolCalls ?? []).flatMap((call, index) => {
    const [first, second] = halves(call.arguments)
    return [
      chunk({
        tool_calls: [{ index, id: call.id, type: "function", function: { name: call.name, arguments: first } }]
      }),
      chunk({ tool_calls: [{ index, function: { arguments: second } }] })
    ]
  })
  const body = [
    chunk({ role: "assistant", content: "" }),
    ...(reply.reasoning === undefined ? [] : [chunk({ reasoning_content: reply.reasoning })]),
    ...(reply.text ?? []).map((content) => chunk({ content })),
    ...calls
  ]
  if (reply.end === "error") {
    return [...body, [undefined, { error: { message: "the engine is overloaded", type: "server_error", code: "503" } }]]
  }
  if (reply.end !== undefined) return body
  const { input = 0, output = 0 } = reply.usage ?? {}
  const usage = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output }
  return [...body, chunk({}, calls.length > 0 ? "tool_calls" : "stop", usage), [undefined, "[DONE]"]]
}

const openaiResponses = (reply: ProviderReply): ReadonlyArray<Event> => {
  const named = (type: string, data: object): Event => [type, { type, ...data }]
  const { input = 0, output = 0 } = reply.usage ?? {}
  const response = {
    id: "resp-1",
    object: "response",
    created_at: 1,
    model: "test-model",
    usage: { input_tokens: input, output_tokens: output }
  }
  const text = reply.text ?? []
  const message =
    text.length === 0
      ? []
      : [
          named("response.output_item.added", { output_index: 0, item: { type: "message", id: "msg-1" } }),
          ...text.map((delta) =>
            named("response.output_text.delta", { item_id: "msg-1", output_index: 0, content_index: 0, delta })
          ),
          ...(reply.end === undefined
            ? [named("response.output_item.done", { output_index: 0, item: { type: "message", id: "msg-1" } })]
            : [])
        ]
  const calls = (reply.toolCalls ?? []).flatMap((call, index) => {
    const item = { type: "function_call", id: `fc-${index}`, call_id: call.id, name: call.name }
    const at = { item_id: item.id, output_index: index + 1 }
    const [first, second] = halves(call.arguments)
    return [
      named("response.output_item.added", { output_index: index + 1, item: { ...item, arguments: "" } }),
      named("response.function_call_arguments.delta", { ...at, delta: first }),
      named("response.function_call_arguments.delta", { ...at, delta: second }),
      named("response.output_item.done", {
        output_index: index + 1,
        item: { ...item, arguments: call.arguments, status: "completed" }
      })
    ]
  })
  const body = [named("response.created", { response }), ...message, ...calls]
  if (reply.end === "error") {
    const error = { type: "server_error", code: "server_error", message: "the engine is overloaded", param: null }
    return [...body, named("error", { sequence_number: 9, error })]
  }
  return reply.end === undefined ? [...body, named("response.completed", { response })] : body
}

const anthropic = (reply: ProviderReply): ReadonlyArray<Event> => {
  const named = (type: string, data: object = {}): Event => [type, { type, ...data }]
  const { input = 0, output = 0 } = reply.usage ?? {}
  const start = named("message_start", {
    message: {
      id: "msg-1",
      type: "message",
      role: "assistant",
      model: "test-model",
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: input, output_tokens: 0 }
    }
  })
  let index = -1
  const block = (content: object, deltas: ReadonlyArray<object>, open = false): ReadonlyArray<Event> => {
    index++
    const at = { index }
    return [
      named("content_block_start", { ...at, content_block: content }),
      ...deltas.map((delta) => named("content_block_delta", { ...at, delta })),
      ...(open ? [] : [named("content_block_stop", at)])
    ]
  }
  const text = reply.text ?? []
  const calls = reply.toolCalls ?? []
  const body = [
    start,
    ...(reply.reasoning === undefined
      ? []
      : block({ type: "thinking", thinking: "" }, [
          { type: "thinking_delta", thinking: reply.reasoning },
          { type: "signature_delta", signature: "c2lnbmVk" }
        ])),
    ...(text.length === 0
      ? []
      : block(
          { type: "text", text: "" },
          text.map((part) => ({ type: "text_delta", text: part })),
          reply.end !== undefined
        )),
    ...calls.flatMap((call) => {
      const [first, second] = halves(call.arguments)
      return block({ type: "tool_use", id: call.id, name: call.name, input: {} }, [
        { type: "input_json_delta", partial_json: first },
        { type: "input_json_delta", partial_json: second }
      ])
    })
  ]
  if (reply.end === "error") {
    return [...body, named("error", { error: { type: "overloaded_error", message: "Overloaded" } })]
  }
  if (reply.end !== undefined) return body
  return [
    ...body,
    named("message_delta", {
      delta: { stop_reason: calls.length > 0 ? "tool_use" : "end_turn", stop_sequence: null },
      usage: { output_tokens: output }
    }),
    named("message_stop")
  ]
}

const wires: Readonly<Record<Wire, (reply: ProviderReply) => ReadonlyArray<Event>>> = {
  "openai-chat": openaiChat,
  "openai-responses": openaiResponses,
  anthropic
}

/** The reply's events as they go over the wire. */
export const eventsOf = (wire: Wire, reply: ProviderReply): string => wires[wire](reply).map(encode).join("")
