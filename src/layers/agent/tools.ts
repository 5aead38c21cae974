/**
 * The tools that a model is offered, and how a call of one is answered.
 *
 * A call always has an answer: params that do not decode, an unknown tool and every typed error become an error result in
 * words, which the model reads like any other.
 */
import * as AiError from "effect/ai/AiError"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { TurnSteps } from "../../services/AgentRunner.ts"
import type { TurnRequest } from "../../services/Turns.ts"
import { cutText, MAX_RESULT_CHARS } from "./output.ts"

/** What the handlers know of the call that they answer. */
export interface ToolCall {
  readonly request: TurnRequest
  /** The same for every run of the same call of the same turn. */
  readonly idempotencyKey: string
  /** It may have been carried out already, in part or whole: the Gateway stopped before it had an answer. */
  readonly again: boolean
  /** Milliseconds that the turn still has; no limit when left out. */
  readonly leftMs?: number
  /** Waits for a person's word that a later run of the same call finds again; see `TurnSteps`. */
  readonly waits?: TurnSteps["waits"]
  /** Shows those who watch the turn what the call came to so far. */
  readonly progress?: (text: string) => Effect.Effect<void>
}
export class CurrentToolCall extends Context.Service<CurrentToolCall, ToolCall>()(
  "openclaw/layers/agent/CurrentToolCall"
) {}

/** A tool could not do it; `message` tells the model what happened. */
export class ToolFailed extends Schema.TaggedError<ToolFailed>()("ToolFailed", { message: Schema.String }) {}

const NodesParams = Schema.Struct({
  action: Schema.Literals(["list", "describe", "invoke", "run"]).annotate({
    description:
      "list: all nodes. describe: one node, with the tools of its plugins (each is called by invoking the command that it names) and its skills (instructions to follow). invoke: one of a node's commands. run: a program on a node that offers system.run."
  }),
  node: Schema.optional(
    Schema.NonEmptyString.annotate({ description: "The node's name or id, as list shows it. Not needed for list." })
  ),
  command: Schema.optional(
    Schema.NonEmptyString.annotate({ description: "For invoke: the command, for example device.status." })
  ),
  params: Schema.optional(
    Schema.Record(Schema.String, Schema.Json).annotate({ description: "For invoke: the command's parameters." })
  ),
  argv: Schema.optional(
    Schema.Array(Schema.String).annotate({
      description: 'For run: program and arguments, one per element. For a shell: ["sh", "-c", "…"].'
    })
  ),
  cwd: Schema.optional(Schema.NonEmptyString.annotate({ description: "For run: the working directory." })),
  timeoutMs: Schema.optional(
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 600_000 }))).annotate({
      description: "Milliseconds to wait for the answer."
    })
  )
})
export type NodesParams = typeof NodesParams.Type

const MessageParams = Schema.Struct({
  to: Schema.NonEmptyString.annotate({ description: "The chat to send to, as the channel names it." }),
  text: Schema.NonEmptyString.annotate({ description: "The message, in Markdown." }),
  channel: Schema.optional(
    Schema.NonEmptyString.annotate({
      description: "For example telegram. The channel of this conversation if left out."
    })
  ),
  threadId: Schema.optional(Schema.NonEmptyString.annotate({ description: "A topic inside the chat." })),
  silent: Schema.optional(Schema.Boolean.annotate({ description: "Without a notification sound." }))
})
export type MessageParams = typeof MessageParams.Type

const answers = { success: Schema.String, failure: ToolFailed, dependencies: [CurrentToolCall] }

const NodesTool = Tool.make("nodes", {
  ...answers,
  description:
    "The phones and computers connected to this Gateway: list them, describe one, invoke one of its commands, or run a program on it. Call list first when you do not know which node to use.",
  parameters: NodesParams
})

const MessageTool = Tool.make("message", {
  ...answers,
  description:
    "Sends a message to another chat. Your reply to the current conversation is sent by itself; do not use this tool for it.",
  parameters: MessageParams
})

export const AgentTools = Toolkit.make(NodesTool, MessageTool)

/** What a call came to, as a model reads it. */
export const ToolOutcome = Schema.Struct({ text: Schema.String, isError: Schema.Boolean })
export type ToolOutcome = typeof ToolOutcome.Type

export type ToolHandlers = Toolkit.HandlersFrom<Toolkit.Tools<typeof AgentTools>>

const isToolName = (name: string): name is keyof typeof AgentTools.tools => Object.hasOwn(AgentTools.tools, name)

const failed = (text: string): ToolOutcome => ({ text: cutText(text, MAX_RESULT_CHARS), isError: true })

const problem = (error: ToolFailed | AiError.AiError): string => {
  if (!AiError.isAiError(error)) return error.message
  return error.reason._tag === "ToolParameterValidationError"
    ? `The parameters were not understood: ${error.reason.description}`
    : `The tool failed: ${error.reason.message}`
}

export interface Call {
  readonly id: string
  readonly name: string
  readonly params: unknown
}

/** A way to call tools. */
export type Caller = (call: Call, current: ToolCall) => Effect.Effect<string, ToolFailed | AiError.AiError> | undefined

/** Runs calls with the given handlers, and gives what a model reads; `undefined` when there is no such tool. */
export const makeCaller = (handlers: ToolHandlers): Effect.Effect<Caller> =>
  Effect.map(AgentTools.toHandlers(handlers), (services) => {
    const run = Effect.fn("AgentTools.answer")(function* (name: keyof typeof AgentTools.tools, call: Call) {
      const toolkit = yield* AgentTools
      // The handler decodes the params itself, so their type here is only a promise to the compiler.
      const results = yield* toolkit.handle(name, call.params as never, call.id)
      const last = yield* Stream.runLast(results)
      return yield* Option.match(last, {
        onNone: () => Effect.fail(new ToolFailed({ message: "The tool gave no answer." })),
        onSome: (result) => Effect.succeed(cutText(String(result.encodedResult), MAX_RESULT_CHARS))
      })
    })
    return (call: Call, current: ToolCall): Effect.Effect<string, ToolFailed | AiError.AiError> | undefined =>
      isToolName(call.name)
        ? run(call.name, call).pipe(Effect.provide(services), Effect.provideService(CurrentToolCall, current))
        : undefined
  })

/** Answers calls with the given handlers and the app's. Never fails; a defect is logged and told as an error. */
export const makeAnswerer = (
  handlers: ToolHandlers,
  app?: { readonly call: Caller; readonly names: ReadonlyArray<string> }
) =>
  Effect.map(makeCaller(handlers), (run) => (call: Call, current: ToolCall): Effect.Effect<ToolOutcome> => {
    const running = run(call, current) ?? app?.call(call, current)
    if (running === undefined) {
      const names = [...Object.keys(AgentTools.tools), ...(app?.names ?? [])].join(", ")
      return Effect.succeed(failed(`There is no tool "${call.name}". Available: ${names}.`))
    }
    return running.pipe(
      Effect.map((text): ToolOutcome => ({ text, isError: false })),
      Effect.catch((error) => Effect.succeed(failed(problem(error)))),
      Effect.catchDefect((defect) =>
        Effect.as(
          Effect.logError(`tool ${call.name} died`, defect),
          failed("The tool failed inside the Gateway; its log has the cause.")
        )
      )
    )
  })
