/**
 * What a running turn announces: `chat` deltas and its end, and `agent` events, with one sequence per run.
 *
 * Text that comes fast is put together: at most one delta in `DELTA_INTERVAL_MS`, the first at once, and nothing is held
 * back when the text pauses or ends.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { ChatEvent } from "../../protocol/EventTable.ts"
import type { TranscriptMessage } from "../../protocol/methods/chat.ts"
import type { EventBus } from "../../services/EventBus.ts"
import type { TurnRequest } from "../../services/Turns.ts"
import type { TurnFailure } from "./explain.ts"
import { MAX_RESULT_CHARS } from "./output.ts"

/** Milliseconds between two deltas of fast text. */
export const DELTA_INTERVAL_MS = 100

export const assistantText = (text: string, timestamp: number): TranscriptMessage => ({
  role: "assistant",
  content: [{ type: "text", text }],
  timestamp
})

export const makeRunEvents = (bus: EventBus["Service"], request: TurnRequest) =>
  Effect.gen(function* () {
    const scope = yield* Scope.Scope
    // Flushes come from a timer and from the turn; one at a time keeps the sequence in order.
    const one = Semaphore.makeUnsafe(1)
    const run = { runId: request.runId, sessionKey: request.sessionKey, agentId: request.agentId }
    let seq = 0
    /** The text of finished steps; the text since then is `live`. */
    let settled = ""
    let live = ""
    /** As much of the text as the transcript has. */
    let stored = 0
    let shown = 0
    let lastFlush = Number.NEGATIVE_INFINITY
    let timer = false

    const joined = () => (settled === "" || live === "" ? settled + live : `${settled}\n\n${live}`)

    const publishAgent = (stream: string, data: Record<string, unknown>) =>
      Effect.flatMap(Clock.currentTimeMillis, (ts) =>
        Effect.suspend(() =>
          bus.publish("agent", {
            runId: request.runId,
            sessionKey: request.sessionKey,
            agentId: request.agentId,
            isHeartbeat: false,
            seq: ++seq,
            stream,
            ts,
            data
          })
        )
      )

    const flushNow = Effect.suspend(() => {
      const text = joined()
      const deltaText = text.slice(shown)
      if (deltaText === "") return Effect.void
      shown = text.length
      return Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        lastFlush = now
        yield* publishAgent("assistant", { text, delta: deltaText })
        yield* bus.publish("chat", { ...run, seq, state: "delta", deltaText, message: assistantText(text, now) })
      })
    })
    const flush = one.withPermit(flushNow)

    /** New text of the answer that is being written. */
    const delta = (text: string) =>
      Effect.gen(function* () {
        live += text
        const wait = lastFlush + DELTA_INTERVAL_MS - (yield* Clock.currentTimeMillis)
        if (wait <= 0) return yield* flush
        if (timer) return
        timer = true
        yield* Effect.sleep(wait).pipe(
          Effect.andThen(Effect.sync(() => void (timer = false))),
          Effect.andThen(flush),
          Effect.tapDefect((defect) => Effect.logError("showing a turn's text died", defect)),
          Effect.forkIn(scope)
        )
      })

    /** A step's answer is complete, `text` is all of it: also when it was remembered and not streamed now. */
    const settle = (text: string) =>
      Effect.suspend(() => {
        live = text
        settled = joined()
        live = ""
        return flush
      })

    const chat = (event: (seq: number, now: number) => ChatEvent) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.suspend(() => bus.publish("chat", event(seq, now))))

    const agent = (stream: string, data: Record<string, unknown>) => one.withPermit(publishAgent(stream, data))

    /** Takes what a tool call says while it runs, and shows the end of it so far: as seldom as the answer's text. */
    const progressOf = (call: { readonly id: string; readonly name: string }) => {
      let said = ""
      let due = false
      let waits = false
      let lastShown = Number.NEGATIVE_INFINITY
      const show = Effect.gen(function* () {
        if (!due) return
        due = false
        lastShown = yield* Clock.currentTimeMillis
        const partialResult = { content: [{ type: "text", text: said }] }
        yield* agent("tool", { phase: "update", name: call.name, toolCallId: call.id, partialResult })
      })
      const take = Effect.fnUntraced(function* (chunk: string) {
        said = `${said}${chunk}`.slice(-MAX_RESULT_CHARS)
        due = true
        const wait = lastShown + DELTA_INTERVAL_MS - (yield* Clock.currentTimeMillis)
        if (wait <= 0) return yield* show
        if (waits) return
        waits = true
        yield* Effect.sleep(wait).pipe(
          Effect.andThen(Effect.sync(() => void (waits = false))),
          Effect.andThen(show),
          Effect.tapDefect((defect) => Effect.logError("showing a tool's progress died", defect)),
          Effect.forkIn(scope)
        )
      })
      /** `rest`: what is not shown yet, before the call's result is. */
      return { take, rest: show }
    }

    const final = (
      text: string,
      ended: { readonly stopReason: string; readonly startedAt: number; readonly usage?: unknown }
    ) =>
      Effect.gen(function* () {
        yield* flush
        const endedAt = yield* Clock.currentTimeMillis
        yield* agent("lifecycle", { phase: "end", startedAt: ended.startedAt, endedAt, stopReason: ended.stopReason })
        yield* chat((at, now) => ({
          ...run,
          seq: at,
          state: "final",
          stopReason: ended.stopReason,
          ...(text === "" ? undefined : { message: assistantText(text, now) }),
          ...(ended.usage === undefined ? undefined : { usage: ended.usage })
        }))
      })

    const error = (reason: TurnFailure, startedAt: number) =>
      Effect.gen(function* () {
        yield* flush
        const endedAt = yield* Clock.currentTimeMillis
        const partial = joined()
        yield* agent("lifecycle", { phase: "error", startedAt, endedAt, error: reason.message, kind: reason.tag })
        yield* chat((at, now) => ({
          ...run,
          seq: at,
          state: "error",
          errorMessage: reason.message,
          errorKind: reason.kind,
          ...(partial === "" ? undefined : { message: assistantText(partial, now) })
        }))
      })

    return {
      agent,
      progressOf,
      delta,
      settle,
      flush,
      final,
      error,
      /** Everything said so far. */
      text: joined,
      /** The transcript has everything that was settled. */
      markStored: Effect.sync(() => {
        stored = settled.length
      }),
      /** How far the turn has come; `unstored` is what the transcript lacks. */
      partial: () => ({ text: joined(), unstored: joined().slice(stored).replace(/^\n+/, ""), seq })
    }
  })

export type RunEvents = Effect.Success<ReturnType<typeof makeRunEvents>>
