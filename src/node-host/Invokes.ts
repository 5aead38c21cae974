/**
 * Serves `node.invoke.request`: each in a fiber of its own, a few at a time, answered once.
 */
import { createHash } from "node:crypto"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { NodeInvokeCancel, NodeInvokeRequest, NOT_REMEMBERED, RESUMED_WITHIN_MS } from "../protocol/EventTable.ts"
import { CommandError, invalid } from "./CommandError.ts"
import type { Commands } from "./Commands.ts"
import { InvokeMemory, type Outcome, type Reply } from "./InvokeMemory.ts"
import type { NodeLink } from "./NodeLink.ts"
import { type Traced, traced } from "./traced.ts"

const DEFAULT_TIMEOUT_MS = 30_000
const LONGEST_TIMEOUT_MS = 600_000

/** The Gateway sends what is left of its own deadline; a request without one gets the default. */
const deadlineOf = (timeoutMs: number | null | undefined): number =>
  timeoutMs !== null && timeoutMs !== undefined && timeoutMs > 0
    ? Math.min(timeoutMs, LONGEST_TIMEOUT_MS)
    : DEFAULT_TIMEOUT_MS

export interface InvokesOptions {
  /** Commands that run at once; 8 when left out. */
  readonly concurrency?: number | undefined
  /** Requests that may wait for their turn; 64 when left out. More are refused at once. */
  readonly queue?: number | undefined
  /** Told of each request when it arrives and when its answer is ready. Params and results are not told: they may be secret. */
  readonly onInvoke?: ((invoke: Invoke) => Effect.Effect<void>) | undefined
}

/** One request as the node's owner may follow it. */
export type Invoke =
  | { readonly phase: "asked"; readonly command: string }
  | { readonly phase: "answered"; readonly command: string; readonly ok: boolean; readonly durationMs: number }

const decodeRequest = Schema.decodeUnknownExit(NodeInvokeRequest)
const decodeCancel = Schema.decodeUnknownExit(NodeInvokeCancel)
const Json = Schema.fromJsonString(Schema.Unknown)
const decodeParams = Schema.decodeUnknownEffect(Json)
const encodePayload = Schema.encodeUnknownEffect(Json)
const Limited = Schema.StructWithRest(Schema.Struct({ timeoutMs: Schema.Unknown }), [
  Schema.Record(Schema.String, Schema.Unknown)
])
const decodeLimited = Schema.decodeUnknownOption(Schema.fromJsonString(Limited))

const failed = ({ code, message }: { readonly code: string; readonly message: string }): Reply => ({
  ok: false,
  error: { code, message }
})

const notRemembered = failed({ code: NOT_REMEMBERED, message: "this node remembers no request with that key" })

/** To one who asks what became of a request, a refusal of this asking would read as the request's own. */
const notTold = (why: string) => failed({ code: NOT_REMEMBERED, message: `this node cannot tell: ${why}` })

const busy = failed({ code: "UNAVAILABLE", message: "the node is busy; try again later" })

const unrecordable = failed({
  code: "UNAVAILABLE",
  message: "nothing was run: the node cannot write down what it begins; its log says why"
})

/** Tells requests with the same key apart. How long a caller waits may change between two sendings of one request. */
const digestOf = ({ command, paramsJSON }: NodeInvokeRequest): string => {
  const params = decodeLimited(paramsJSON)
  const text = Option.isNone(params) ? (paramsJSON ?? null) : JSON.stringify({ ...params.value, timeoutMs: undefined })
  return createHash("sha256")
    .update(JSON.stringify([command, text]))
    .digest("hex")
}

/** What the work's end means: a refusal may be tried again, anything else is what this key stands for from now on. */
const outcomeOf = (exit: Exit.Exit<string, CommandError>, began: boolean): Outcome => {
  if (Exit.isSuccess(exit)) return { reply: { ok: true, payloadJSON: exit.value }, keep: true }
  const reason = exit.cause.reasons.find(Cause.isFailReason)
  return reason === undefined
    ? { reply: failed({ code: "INTERNAL", message: "the command crashed; the node's log has the cause" }), keep: true }
    : { reply: failed(reason.error), keep: began && reason.error.code !== NOTHING_RUN }
}

/** The one code that promises it. Of any other, the command may have changed things before it failed. */
const NOTHING_RUN: CommandError["code"] = "SYSTEM_RUN_DENIED"

export const make = Effect.fnUntraced(function* (link: NodeLink, commands: Commands, options: InvokesOptions = {}) {
  const memory = yield* InvokeMemory
  const fibers = yield* FiberSet.make()
  const { concurrency = 8, onInvoke = () => Effect.void, queue = 64 } = options
  const turns = yield* Semaphore.make(concurrency)
  /** What ends the work that stands for a key, while it lasts. */
  const works = new Map<string, Deferred.Deferred<never, CommandError>>()
  /** The key of each request that waits for its answer. */
  const keys = new Map<string, string>()

  const keyOf = (request: NodeInvokeRequest) => request.idempotencyKey ?? `invoke ${request.id}`

  const emit = (event: string, payload: unknown) =>
    link.request("node.event", { event, payloadJSON: JSON.stringify(payload) }).pipe(
      Effect.catch((error) => Effect.logDebug(`the Gateway did not take ${event}`, error.message)),
      Effect.tapDefect((defect) => Effect.logError(`telling the Gateway of ${event} died`, defect)),
      // The answer to the invoke must not wait for this one's.
      (effect) => FiberSet.run(fibers, effect, { startImmediately: true }),
      Effect.asVoid
    )

  /** The deadline counts from here, the wait for a turn included. */
  const work = Effect.fnUntraced(function* (request: NodeInvokeRequest) {
    const timeoutMs = deadlineOf(request.timeoutMs)
    const deadline = (yield* Clock.currentTimeMillis) + timeoutMs
    const command = commands.get(request.command)
    const key = keyOf(request)
    const cancelled = Deferred.makeUnsafe<never, CommandError>()
    works.set(key, cancelled)
    let began = false
    return yield* Effect.gen(function* () {
      if (command === undefined) {
        return yield* new CommandError({ code: "UNAVAILABLE", message: "command not supported" })
      }
      const params = yield* Effect.mapError(decodeParams(request.paramsJSON ?? "null"), () =>
        invalid("paramsJSON is not JSON")
      )
      const left = Math.max(1, deadline - (yield* Clock.currentTimeMillis))
      began = true
      const payload = yield* command(params, { timeoutMs: left, emit })
      return yield* Effect.orDie(encodePayload(payload))
    }).pipe(
      turns.withPermit,
      (running) => Effect.raceFirst(running, Deferred.await(cancelled)),
      Effect.timeoutOrElse({
        duration: timeoutMs,
        orElse: () =>
          Effect.fail(
            new CommandError({ code: "TIMEOUT", message: `${request.command} took longer than ${timeoutMs} ms` })
          )
      }),
      Effect.tapCause((cause) =>
        Cause.hasDies(cause) ? Effect.logError(`${request.command} crashed`, cause) : Effect.void
      ),
      Effect.exit,
      Effect.map((exit) => outcomeOf(exit, began)),
      Effect.ensuring(
        Effect.sync(() => {
          if (works.get(key) === cancelled) works.delete(key)
        })
      )
    )
  })

  /** `full`: nothing more is begun. */
  const replyTo = (request: NodeInvokeRequest, full: boolean): Effect.Effect<Reply> => {
    const key = request.idempotencyKey
    const isRecall = request.recall === true
    if (full && !isRecall) return Effect.succeed(busy)
    if (key === null || key === undefined) {
      return isRecall ? Effect.succeed(notRemembered) : Effect.map(work(request), ({ reply }) => reply)
    }
    const digest = digestOf(request)
    const { askedAgoMs } = request
    const mayBegin = !full && askedAgoMs !== null && askedAgoMs !== undefined && askedAgoMs <= RESUMED_WITHIN_MS
    const known = mayBegin ? memory.resume(key, digest, askedAgoMs, work(request)) : memory.recall(key, digest)
    const reply = isRecall
      ? Effect.map(known, (answer) => answer ?? notRemembered)
      : memory.once(key, digest, work(request))
    return reply.pipe(
      Effect.catchTags({
        KeyReused: ({ message }) => Effect.succeed(isRecall ? notTold(message) : failed(invalid(message))),
        JournalUnusable: ({ message }) =>
          Effect.as(Effect.logError(message), isRecall ? notTold("its memory cannot be read") : unrecordable)
      })
    )
  }

  const answer = ({ command, id, nodeId }: NodeInvokeRequest, { trace, value: reply }: Traced<Reply>) =>
    link.request("node.invoke.result", { id, nodeId, ...reply, ...(trace === undefined ? undefined : { trace }) }).pipe(
      Effect.catch((error) =>
        // The Gateway has stopped waiting for this connection's answers; it asks again with the same key if it cares.
        Effect.logWarning(`the answer to ${command} did not reach the Gateway: ${error.message}`)
      )
    )

  /**
   * Ends the command behind a request that nobody waits for any longer. The Gateway joins those who ask under one key, so
   * it gives up for all of them.
   */
  const cancel = Effect.fnUntraced(function* (payload: unknown) {
    const request = decodeCancel(payload)
    if (Exit.isFailure(request))
      return yield* Effect.logWarning("dropped a cancellation that does not decode", request.cause)
    const work = works.get(keys.get(request.value.invokeId) ?? "")
    if (work === undefined) return
    yield* Effect.logInfo("the Gateway gave up on an invoke; its command is ended")
    yield* Deferred.fail(work, new CommandError({ code: "CANCELLED", message: "ended: the Gateway gave up on it" }))
  })

  /** Takes one request and returns at once. */
  const take = Effect.fnUntraced(function* (payload: unknown) {
    const request = decodeRequest(payload)
    if (Exit.isFailure(request))
      return yield* Effect.logWarning("dropped an invoke that does not decode", request.cause)
    const { value } = request
    const full = (yield* FiberSet.size(fibers)) >= concurrency + queue
    const served = Effect.gen(function* () {
      const { command } = value
      const asked = yield* Clock.currentTimeMillis
      keys.set(value.id, keyOf(value))
      yield* onInvoke({ phase: "asked", command })
      const reply = yield* traced(value.traceparent, command, replyTo(value, full))
      const durationMs = (yield* Clock.currentTimeMillis) - asked
      yield* onInvoke({ phase: "answered", command, ok: reply.value.ok, durationMs })
      yield* answer(value, reply)
    }).pipe(
      Effect.ensuring(Effect.sync(() => void keys.delete(value.id))),
      Effect.tapDefect((defect) => Effect.logError("serving an invoke died", defect)),
      Effect.annotateLogs({ command: value.command, invoke: value.id.slice(0, 64) })
    )
    yield* FiberSet.run(fibers, served)
  })

  return { take, cancel }
})
