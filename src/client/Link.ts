/**
 * An open connection after the handshake: answers find their requests, events find their readers, and silence is noticed.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { HelloOk } from "../protocol/Connect.ts"
import { type EventFrame, type ResponseFrame, ServerFrame } from "../protocol/Frame.ts"
import { GatewayError, invalidRequest } from "../protocol/GatewayError.ts"
import { ConnectionClosed, ProtocolViolation } from "./errors.ts"
import type { Connection } from "./Socket.ts"
import { traceparent } from "./traceparent.ts"

/** What came back for one request. */
export type Answer =
  /** `more`: the Gateway accepted the request and will answer once again. */
  | { readonly _tag: "Ok"; readonly payload: unknown; readonly more: boolean }
  | { readonly _tag: "Refused"; readonly error: GatewayError }
  | { readonly _tag: "Broken"; readonly error: ProtocolViolation }
  | { readonly _tag: "Closed"; readonly error: ConnectionClosed }

/** Broadcast events that never arrived: `expected` should have come, `received` did. */
export interface SeqGap {
  readonly expected: number
  readonly received: number
}

export interface Link {
  readonly hello: HelloOk
  /**
   * Sends one request; `onAnswer` runs for every answer until the last one. One that is larger than the Gateway takes is
   * refused here.
   */
  readonly send: (
    request: { readonly id: string; readonly method: string; readonly params: unknown },
    onAnswer: (answer: Answer) => Effect.Effect<void>
  ) => Effect.Effect<void, ConnectionClosed>
  /** The caller is gone; a late answer is dropped. */
  readonly forget: (id: string) => void
  /** How the connection ended; waits while it has not. */
  readonly closed: Effect.Effect<ConnectionClosed>
}

export interface LinkOptions {
  readonly connection: Connection
  readonly hello: HelloOk
  readonly onEvent: (event: EventFrame) => void
  readonly onGap: (gap: SeqGap) => Effect.Effect<void>
}

const decodeFrame = Schema.decodeUnknownExit(Schema.fromJsonString(ServerFrame))
/** Enough of a broken answer to tell whose it was. */
const decodeAnswerId = Schema.decodeUnknownExit(
  Schema.fromJsonString(Schema.Struct({ type: Schema.Literal("res"), id: Schema.String }))
)
/** A payload with this status is OpenClaw's way of saying that the real answer follows under the same id. */
const isAccepted = Schema.is(Schema.Struct({ status: Schema.Literal("accepted") }))

const answerOf = (frame: ResponseFrame): Answer => {
  if (frame.ok) return { _tag: "Ok", payload: frame.payload, more: isAccepted(frame.payload) }
  return frame.error === undefined
    ? { _tag: "Broken", error: new ProtocolViolation({ problem: "an answer with ok:false and no error" }) }
    : { _tag: "Refused", error: new GatewayError(frame.error) }
}

/** Close code for a Gateway that has gone silent, as OpenClaw's client uses it. */
export const TICK_TIMEOUT_CODE = 4000

/** Ticks come not more often than this, whatever a Gateway says: a moment's pause is no silence. */
const SHORTEST_TICK_MS = 1000

/** Bytes on the wire; counted only where it may matter, because a character has three at most. */
const sizeAbove = (text: string, most: number): number | undefined => {
  if (text.length * 3 <= most) return undefined
  const bytes = new TextEncoder().encode(text).length
  return bytes > most ? bytes : undefined
}
const tooLarge = (bytes: number, most: number) =>
  invalidRequest(`the request has ${bytes} bytes, and this Gateway takes at most ${most}; nothing was sent`)

/** Takes a connection over after `hello-ok`. The reader and the watchdog live in the caller's scope. */
export const make: (options: LinkOptions) => Effect.Effect<Link, never, Scope.Scope> = Effect.fnUntraced(function* ({
  connection,
  hello,
  onEvent,
  onGap
}) {
  const pending = new Map<string, (answer: Answer) => Effect.Effect<void>>()
  const closed = yield* Deferred.make<ConnectionClosed>()
  let lastSeen = yield* Clock.currentTimeMillis
  let nextSeq = 1

  const answer = (id: string, value: Answer): Effect.Effect<void> => {
    const waiting = pending.get(id)
    if (waiting === undefined) return Effect.void
    if (value._tag !== "Ok" || !value.more) pending.delete(id)
    return waiting(value)
  }

  let ignored = 0
  /** Told once for a connection: a peer that sends nothing else must not fill the log. */
  const ignore = (length: number) => {
    ignored += 1
    return ignored === 1
      ? Effect.logWarning(`ignored ${length} characters from the Gateway that are no frame`)
      : Effect.void
  }

  const onMessage = (text: string): Effect.Effect<void> => {
    const frame = decodeFrame(text)
    if (Exit.isFailure(frame)) {
      const broken = decodeAnswerId(text)
      return Exit.isSuccess(broken)
        ? answer(broken.value.id, {
            _tag: "Broken",
            error: new ProtocolViolation({ problem: "an answer that is no response frame" })
          })
        : Effect.suspend(() => ignore(text.length))
    }
    if (frame.value.type === "res") return answer(frame.value.id, answerOf(frame.value))
    const { seq } = frame.value
    onEvent(frame.value)
    if (seq === undefined) return Effect.void
    const expected = nextSeq
    nextSeq = Math.max(expected, seq + 1)
    // A number that was there before says nothing of what is missing.
    return seq > expected ? onGap({ expected, received: seq }) : Effect.void
  }

  const finish = (error: ConnectionClosed) =>
    Effect.suspend(() => {
      const waiting = Array.from(pending.values())
      pending.clear()
      return Effect.forEach(waiting, (onAnswer) => onAnswer({ _tag: "Closed", error }), { discard: true }).pipe(
        // Last, because whoever learns of it may end this fiber's scope.
        Effect.andThen(Deferred.succeed(closed, error)),
        Effect.asVoid
      )
    }).pipe(Effect.uninterruptible)

  const read = connection.receive.pipe(
    Effect.tap((text) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        lastSeen = now
        return onMessage(text)
      })
    ),
    Effect.forever,
    Effect.catch(finish)
  )

  const allowedSilence = Math.max(SHORTEST_TICK_MS, hello.policy.tickIntervalMs) * 2
  const watch = Effect.gen(function* () {
    for (;;) {
      const silent = (yield* Clock.currentTimeMillis) - lastSeen
      if (silent >= allowedSilence) return yield* connection.close(TICK_TIMEOUT_CODE, "tick timeout")
      yield* Effect.sleep(allowedSilence - silent)
    }
  })

  const run = (name: string, effect: Effect.Effect<void>) =>
    effect.pipe(
      // A defect here would leave every caller waiting for ever.
      Effect.tapDefect((defect) =>
        Effect.logError(`the client's ${name} died`, defect).pipe(
          Effect.andThen(connection.close(1011, "client error")),
          Effect.andThen(finish(new ConnectionClosed({ code: 1011, reason: "client error" })))
        )
      ),
      Effect.forkScoped
    )
  yield* run("reader", read)
  yield* run("watchdog", Effect.raceFirst(watch, Effect.asVoid(Deferred.await(closed))))
  // Runs before the fibers above are interrupted: nobody keeps waiting on a scope that is gone.
  yield* Effect.addFinalizer(() => finish(new ConnectionClosed({ code: 1000, reason: "closed by this client" })))

  return {
    hello,
    send: ({ id, method, params }, onAnswer) =>
      Effect.flatMap(traceparent, (trace) => {
        const text = JSON.stringify({ type: "req", id, method, params, ...trace })
        // The Gateway would end the connection, and every other call with it.
        const bytes = sizeAbove(text, hello.policy.maxPayload)
        if (bytes !== undefined) {
          return onAnswer({ _tag: "Refused", error: tooLarge(bytes, hello.policy.maxPayload) })
        }
        pending.set(id, onAnswer)
        return connection.send(text).pipe(Effect.onError(() => Effect.sync(() => pending.delete(id))))
      }),
    forget: (id) => void pending.delete(id),
    closed: Deferred.await(closed)
  }
})
