/**
 * `node.invoke`: checks, one deadline, one answer for each idempotency key.
 */
import { createHash, randomUUID } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { sortedEntries } from "../../domain/sortedEntries.ts"
import { format } from "../../domain/TraceContext.ts"
import { RECALL_CAP } from "../../protocol/EventTable.ts"
import type { NodeInvokeResultParams } from "../../protocol/methods/nodes.ts"
import {
  CommandNotAllowed,
  type InvokeError,
  InvokeFailed,
  type InvokeOptions,
  type InvokeSuccess,
  InvokeTimeout,
  NodeNotConnected
} from "../../services/NodeRegistry.ts"
import type { FlowSpan, TracingShape } from "../../services/Tracing.ts"
import * as Answers from "./answers.ts"
import { ask, type Connections } from "./connections.ts"
import { type CommandRules, isAllowed } from "./policy.ts"
import { usable } from "./surface.ts"

const DEFAULT_TIMEOUT_MS = 30_000
const LONGEST_TIMEOUT_MS = 600_000

/** Requests that go on without their callers, and what their params weigh: whoever leaves beyond these ends its own. */
export const MOST_LEFT = 256
const MOST_LEFT_BYTES = 32 * 1024 * 1024

/** One rule for every timeout: a number above zero counts, up to ten minutes; anything else is the default. */
export const resolveTimeout = (timeoutMs: number | undefined): number =>
  timeoutMs !== undefined && timeoutMs > 0
    ? Math.min(Math.max(1, Math.floor(timeoutMs)), LONGEST_TIMEOUT_MS)
    : DEFAULT_TIMEOUT_MS

const sorted = (_: string, value: unknown): unknown =>
  Predicate.isObject(value) && !Array.isArray(value) ? Object.fromEntries(sortedEntries(value)) : value

/**
 * `system.run` carries who asked. An approval that a caller claims for itself is dropped: only the Gateway's own approval
 * flow may say that a person agreed.
 */
const forwarded = (options: InvokeOptions): unknown => {
  if (options.command !== "system.run" || !Predicate.isObject(options.params)) return options.params
  const { approvalDecision: _decision, approved: _approved, ...params } = options.params as Record<string, unknown>
  return {
    ...params,
    // From the key, so that the same request sent again is the same request.
    runId: options.approved?.id ?? (typeof params["runId"] === "string" ? params["runId"] : options.idempotencyKey),
    ...(options.approved === undefined ? undefined : { approved: true, approvalDecision: options.approved.decision }),
    ...(options.sessionKey === undefined ? undefined : { sessionKey: params["sessionKey"] ?? options.sessionKey })
  }
}

interface Encoded {
  readonly paramsJSON: string | null
  /** Tells requests with the same key apart, whatever the order of their keys. */
  readonly digest: string
}

const encode = (options: InvokeOptions): Effect.Effect<Encoded, InvokeFailed> =>
  Effect.try({
    try: () => {
      const params = forwarded(options)
      const paramsJSON = params === undefined ? null : JSON.stringify(params)
      const same = JSON.stringify([options.nodeId, options.command, params ?? null], sorted)
      return { paramsJSON, digest: createHash("sha256").update(same).digest("base64url") }
    },
    catch: () =>
      new InvokeFailed({
        nodeId: options.nodeId,
        command: options.command,
        code: "INVALID_REQUEST",
        message: "the params cannot be written as JSON"
      })
  })

const parsePayload = Schema.decodeUnknownExit(Schema.fromJsonString(Schema.Unknown))

/** A node's answer as the caller sees it. */
const outcome = (
  options: InvokeOptions,
  result: NodeInvokeResultParams
): Effect.Effect<InvokeSuccess, InvokeFailed> => {
  const { command, nodeId } = options
  if (!result.ok) {
    const { code = "UNAVAILABLE", message = "the node gave no reason" } = result.error ?? {}
    return Effect.fail(new InvokeFailed({ nodeId, command, code, message }))
  }
  if (typeof result.payloadJSON !== "string") {
    return Effect.succeed({ nodeId, command, payload: result.payload, payloadJSON: null })
  }
  const payload = parsePayload(result.payloadJSON)
  return Exit.isSuccess(payload)
    ? Effect.succeed({ nodeId, command, payload: payload.value, payloadJSON: result.payloadJSON })
    : Effect.fail(
        new InvokeFailed({ nodeId, command, code: "INVALID_PAYLOAD", message: "the node's answer is not JSON" })
      )
}

/** What an answer weighs in memory, near enough. */
const weight = (success: InvokeSuccess): number => {
  if (typeof success.payloadJSON === "string") return success.payloadJSON.length
  return success.payload === undefined ? 0 : (JSON.stringify(success.payload)?.length ?? 0)
}

/** Only what a node answered is an answer; what never left this Gateway does not hold its key. */
const keep = (exit: Exit.Exit<InvokeSuccess, InvokeError>): Answers.Keep<Exit.Exit<InvokeSuccess, InvokeError>> => {
  if (Exit.isSuccess(exit)) return { _tag: "Answer", exit, size: weight(exit.value) }
  const reason = exit.cause.reasons[0]
  if (reason?._tag !== "Fail") return { _tag: "Unknown" }
  switch (reason.error._tag) {
    case "InvokeFailed":
      return { _tag: "Answer", exit, size: reason.error.message.length }
    case "CommandNotAllowed":
    case "NodeNotConnected":
      return { _tag: "Forget" }
    default:
      return { _tag: "Unknown" }
  }
}

/**
 * Puts what a node tells of its part below the invoke. Its clock says nothing here: what it did is set in the middle of the
 * time that the answer took.
 */
const tellOf = (span: FlowSpan, { error, ok, trace }: NodeInvokeResultParams, tookMs: number): void => {
  if (trace === undefined) return
  const durationMs = Math.min(trace.tookMs, tookMs)
  span.child({
    name: "node",
    spanId: trace.spanId,
    beforeEndMs: (tookMs - durationMs) / 2 + durationMs,
    durationMs,
    ...(ok ? undefined : { error: error?.code ?? "UNAVAILABLE" }),
    attributes: {}
  })
}

export const make = (options: {
  readonly connections: Connections
  readonly rules: Effect.Effect<CommandRules>
  readonly isKnown: (nodeId: string) => Effect.Effect<boolean>
  readonly tracing: TracingShape
  /** Invokes end with it. */
  readonly scope: Scope.Scope
}) => {
  const answers = Answers.make<InvokeSuccess, InvokeError>(options.scope, keep)

  const run = Effect.fnUntraced(function* (
    request: InvokeOptions,
    paramsJSON: string | null,
    timeoutMs: number,
    span: FlowSpan
  ): Effect.fn.Return<InvokeSuccess, InvokeError> {
    const { command, nodeId } = request
    const rules = yield* options.rules
    const connection = options.connections.of(nodeId)
    if (connection === undefined) return yield* new NodeNotConnected({ nodeId, known: yield* options.isKnown(nodeId) })
    const refuse = (reason: CommandNotAllowed["reason"]) => new CommandNotAllowed({ nodeId, command, reason })
    if (!isAllowed(rules, connection.subject, command)) return yield* refuse("command not allowlisted")
    if (!connection.declared.commands.includes(command)) return yield* refuse("command not declared by node")
    if (usable([command], connection.approved?.commands ?? []).length === 0) {
      const { requestId } = connection
      const reason = "command not approved"
      return yield* new CommandNotAllowed({ nodeId, command, reason, ...(requestId && { requestId }) })
    }
    const recall = request.recall === true ? { recall: true, askedAgoMs: request.askedAgoMs } : undefined
    // Until here it may be a word of a model's or a client's own making.
    span.annotate({ node: connection.node.displayName, command })
    const knowsTraces = span.context !== undefined && connection.declared.caps.includes(RECALL_CAP)
    const trace = knowsTraces ? { traceparent: format(span.context) } : undefined
    const clock = yield* Clock.Clock
    const sentAt = clock.monotonicTimeNanosUnsafe()
    const result = yield* ask(
      connection,
      { id: randomUUID(), command, paramsJSON, timeoutMs, idempotencyKey: request.idempotencyKey, ...recall, ...trace },
      request.onProgress
    )
    tellOf(span, result, Number(clock.monotonicTimeNanosUnsafe() - sentAt) / 1e6)
    return yield* outcome(request, result)
  })

  const waited = Effect.fn("NodeRegistry.invoke")(function* (request: InvokeOptions) {
    const { command, nodeId } = request
    const timeoutMs = resolveTimeout(request.timeoutMs)
    const attributes = { nodeId, timeoutMs, ...(request.recall === true ? { recall: true } : undefined) }
    yield* Effect.annotateCurrentSpan({ ...attributes, command })
    return yield* options.tracing.span("invoke", { attributes: { ...attributes, asked: command } }, (span) =>
      answered(request, timeoutMs, span)
    )
  })

  const answered = Effect.fnUntraced(function* (request: InvokeOptions, timeoutMs: number, span: FlowSpan) {
    const { command, nodeId } = request
    const { digest, paramsJSON } = yield* encode(request)
    return yield* answers.once(request.idempotencyKey, digest, run(request, paramsJSON, timeoutMs, span)).pipe(
      // Each caller has its own deadline; the work goes on for whoever still waits.
      Effect.timeoutOrElse({
        duration: timeoutMs,
        orElse: () => Effect.fail(new InvokeTimeout({ nodeId, command, timeoutMs }))
      })
    )
  })

  let left = 0
  let leftBytes = 0
  /** Lets a request go on without its caller, unless there are too many of those. */
  const leave = Effect.fnUntraced(function* (request: InvokeOptions, fiber: Fiber.Fiber<unknown, unknown>) {
    const encoded = yield* Effect.option(encode(request))
    const bytes = encoded._tag === "None" ? 0 : (encoded.value.paramsJSON?.length ?? 0)
    if (left >= MOST_LEFT || leftBytes + bytes > MOST_LEFT_BYTES) return yield* Fiber.interrupt(fiber)
    left += 1
    leftBytes += bytes
    fiber.addObserver(() => {
      left -= 1
      leftBytes -= bytes
    })
  })

  /** Waits in the name of a caller that may leave: the work stays, up to the caller's own deadline. */
  const detached = (request: InvokeOptions) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkIn(restore(waited(request)), options.scope), (fiber) =>
        Effect.onInterrupt(restore(Fiber.join(fiber)), () => leave(request, fiber))
      )
    )

  return (request: InvokeOptions) => (request.detached === true ? detached(request) : waited(request))
}
