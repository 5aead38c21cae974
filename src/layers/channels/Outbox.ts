/**
 * The outbox: each message that has an idempotency key is shown once and to its end, also across a crash.
 *
 * A row is committed before the channel is asked (`sending`) and once it answered (`sent`, with the ids of the messages
 * that were created). The same key again is answered from the row. While it is not sent, the row holds the message and how
 * far its channel came with it.
 *
 * A row that stands at `sending` although nobody here sends it was left by a process that died in between. A channel that
 * resumes takes its last step again and goes on, for it shows nothing whole twice. With any other channel nobody can tell
 * whether the message arrived, so it becomes `unknown`, is reported as such and never sent again; of a message of several
 * parts only the one that was on its way is in doubt: it is passed over and the rest is sent. A row whose channel stopped by
 * itself is `paused`, and nothing of it is in doubt.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import type { DeliveryAttempt, DeliveryProgress, DeliveryReceipt, OutboundMessage } from "../../services/Channel.ts"
import { DeliveryFailed } from "../../services/Channel.ts"
import { stored } from "../turns/Patience.ts"
import * as Rows from "./OutboxRows.ts"

/** What is on its way when the Gateway stops gets this long to arrive. */
const drainFor = "3 seconds"

/** How a message leaves. */
export interface Way {
  /** Asks the channel to send. */
  readonly send: (attempt: DeliveryAttempt) => Effect.Effect<DeliveryReceipt, DeliveryFailed>
  /** An attempt that was cut off can be made again. */
  readonly resumes?: boolean
  /** Nobody else remembers the message: it is taken up again after a restart. */
  readonly carried?: boolean
  /** What did not arrive at all stays in the outbox as well; otherwise its sender alone knows. */
  readonly kept?: boolean
}

interface Ask {
  readonly way: Way
  readonly withdrawn: Deferred.Deferred<void>
}

interface Running {
  readonly fingerprint: string
  /** Done once nobody wants the message any more. */
  readonly withdrawn: Deferred.Deferred<void>
  readonly receipt: Deferred.Deferred<DeliveryReceipt, DeliveryFailed>
}

const interrupted = "the Gateway stopped while the message was on its way; whether it arrived is not known"
const broke = "the channel broke while it sent the message; whether it arrived is not known"

export const make = Effect.gen(function* () {
  const rows = yield* Rows.make
  const fibers = yield* FiberSet.make()
  yield* Effect.addFinalizer(() => Effect.timeoutOption(FiberSet.awaitEmpty(fibers), drainFor))
  const running = new Map<string, Running>()

  const failed = (message: OutboundMessage, outcome: DeliveryFailed["outcome"], text: string) =>
    new DeliveryFailed({ channel: message.peer.channel, to: message.peer.chatId, message: text, outcome })

  const unusable = (message: OutboundMessage) => (error: { readonly message: string }) =>
    failed(message, "never-sent", `the outbox cannot be used: ${error.message}`)

  const conflict = (key: string, message: OutboundMessage) =>
    failed(message, "refused", `the idempotency key ${key.slice(0, 80)} was used for another message`)

  const orphansOf = (progress: DeliveryProgress | undefined) => progress?.orphans ?? 0

  /** `begun`: the progress of an earlier attempt; `kept`: whether this one told any. */
  const settle = (
    key: string,
    way: Way,
    exit: Exit.Exit<DeliveryReceipt, DeliveryFailed>,
    begun: DeliveryProgress | undefined,
    kept: boolean
  ) => {
    if (Exit.isSuccess(exit)) {
      const { messageIds, orphans = 0 } = exit.value
      return rows.update(key, {
        state: "sent",
        message_ids: Rows.encodeIds(messageIds),
        orphans,
        message: null,
        progress: null,
        error: null
      })
    }
    if (Cause.hasDies(exit.cause)) return rows.update(key, { state: "unknown", error: broke })
    const failure = exit.cause.reasons.find(Cause.isFailReason)?.error
    if (failure === undefined) {
      // Cut off by a stop: what can be taken up again stays as it is.
      return kept || way.resumes === true ? Effect.void : rows.update(key, { state: "unknown", error: interrupted })
    }
    const error = failure.message
    // What has been sent stays known, also when another channel under the same name has nothing to say of it.
    const progress = failure.progress ?? (failure.outcome === "unknown" ? undefined : begun)
    if (failure.outcome === "unknown" && progress === undefined) return rows.update(key, { state: "unknown", error })
    if (progress === undefined && failure.outcome !== "unfinished" && way.kept !== true) return rows.forget(key)
    return rows.update(key, {
      state: failure.outcome === "refused" ? "refused" : "sending",
      error,
      paused: 1,
      ...(progress === undefined
        ? undefined
        : { progress: Rows.encodeProgress(progress), orphans: orphansOf(progress) })
    })
  }

  /** `row`: what an earlier attempt left; `cut`: it was not told how far that came. */
  const attempt = Effect.fnUntraced(function* (
    key: string,
    message: OutboundMessage,
    { way, withdrawn }: Ask,
    row: Rows.Row | undefined,
    cut: boolean
  ): Effect.fn.Return<DeliveryReceipt, DeliveryFailed> {
    const read =
      row === undefined || row.progress === null ? undefined : yield* Effect.result(Rows.decodeProgress(row.progress))
    if (read?._tag === "Failure") {
      const error = "how far it came was kept and cannot be read; whether the rest arrived is not known"
      yield* Effect.logError(`message ${key} is not sent on: ${error} (${read.failure.message})`)
      yield* stored("noting an open delivery", rows.update(key, { state: "unknown", error }))
      return yield* failed(message, "unknown", error)
    }
    const begun = read?.success
    let kept = false
    const keep = (progress: DeliveryProgress) => {
      kept = true
      const change = { progress: Rows.encodeProgress(progress), orphans: orphansOf(progress) }
      return stored("noting a part", rows.update(key, change))
    }
    if (cut) yield* Effect.logWarning(`message ${key} was cut off; its last step is in doubt`)
    const exit = yield* Effect.exit(
      Effect.interruptible(
        way.send({
          keep,
          withdrawn: Deferred.await(withdrawn),
          ...(begun === undefined ? undefined : { from: begun }),
          ...(cut ? { cut } : undefined)
        })
      )
    )
    yield* stored("noting a delivery", settle(key, way, exit, begun, kept))
    return yield* exit
  })

  /** It was sent, whatever can be read of its ids. */
  const idsOf = (row: Rows.Row) =>
    Effect.catch(Rows.decodeIds(row.message_ids), (error) =>
      Effect.as(Effect.logError(`the ids of message ${row.key} cannot be read: ${error.message}`), [])
    )

  /** A key that was used before: what became of its message, or the rest of it. */
  const resume = Effect.fnUntraced(function* (
    key: string,
    row: Rows.Row,
    message: OutboundMessage,
    ask: Ask
  ): Effect.fn.Return<DeliveryReceipt, DeliveryFailed> {
    const { way } = ask
    const isTakenBack = row.carried === Rows.carriedState.takenBack && way.carried !== true
    switch (row.state) {
      case "sent":
        if (row.error === Rows.takenBack) return yield* failed(message, "refused", Rows.takenBack)
        return { messageIds: yield* idsOf(row) }
      case "unknown":
        return yield* failed(message, "unknown", row.error ?? interrupted)
      case "refused":
      case "sending": {
        if (row.state === "sending" && isTakenBack) return yield* failed(message, "refused", "it was taken back")
        if (row.paused === 1) {
          yield* stored("taking up a delivery", rows.update(key, { state: "sending", paused: 0 }))
          return yield* attempt(key, message, ask, row, false)
        }
        if (way.resumes === true || row.progress !== null) return yield* attempt(key, message, ask, row, true)
        yield* Effect.logWarning(`message ${key} to ${message.peer.chatId} is not sent again: ${interrupted}`)
        yield* stored("noting an open delivery", rows.update(key, { state: "unknown", error: interrupted }))
        return yield* failed(message, "unknown", interrupted)
      }
    }
  })

  /**
   * Takes the key of a message whose channel is not there, so that it is seen to wait. `undefined`: it waits, or what is known
   * of it must be told to its channel.
   */
  const hold = Effect.fnUntraced(function* (
    key: string,
    message: OutboundMessage,
    why: string
  ): Effect.fn.Return<DeliveryReceipt | undefined, DeliveryFailed> {
    const row = yield* Effect.mapError(rows.claim(key, message, false, why), unusable(message))
    if (row === undefined) return undefined
    if (row.fingerprint !== Rows.fingerprintOf(message)) return yield* conflict(key, message)
    if (row.error === Rows.takenBack || row.carried === Rows.carriedState.takenBack) {
      return yield* failed(message, "refused", Rows.takenBack)
    }
    if (row.state === "sent") return { messageIds: yield* idsOf(row) }
    if (row.state === "unknown") return yield* failed(message, "unknown", row.error ?? interrupted)
    if (row.state === "refused") return yield* failed(message, "refused", row.error ?? "it was given up")
    return undefined
  })

  const work = Effect.fnUntraced(function* (key: string, message: OutboundMessage, fingerprint: string, ask: Ask) {
    const row = yield* Effect.mapError(rows.claim(key, message, ask.way.carried === true), unusable(message))
    if (row === undefined) return yield* attempt(key, message, ask, undefined, false)
    if (row.fingerprint !== fingerprint) return yield* conflict(key, message)
    return yield* resume(key, row, message, ask)
  })

  /**
   * Sends a message, or what is left of it, unless its key was used before. The sending outlives its caller: nobody can tell
   * how far an interrupted one came.
   */
  const once = (key: string, message: OutboundMessage, way: Way): Effect.Effect<DeliveryReceipt, DeliveryFailed> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const fingerprint = Rows.fingerprintOf(message)
        const known = running.get(key)
        if (known !== undefined) {
          return known.fingerprint === fingerprint
            ? restore(Deferred.await(known.receipt))
            : Effect.fail(conflict(key, message))
        }
        const entry: Running = { fingerprint, withdrawn: Deferred.makeUnsafe(), receipt: Deferred.makeUnsafe() }
        running.set(key, entry)
        const sending = work(key, message, fingerprint, { way, withdrawn: entry.withdrawn }).pipe(
          Effect.onExit((exit) => {
            running.delete(key)
            return Deferred.done(entry.receipt, exit)
          }),
          Effect.tapDefect((defect) => Effect.logError(`sending message ${key} died`, defect)),
          Effect.ignoreCause,
          // Only the sending itself is cut by a stop: what became of it is always noted.
          Effect.uninterruptible
        )
        return Effect.andThen(FiberSet.run(fibers, sending), restore(Deferred.await(entry.receipt)))
      })
    )

  /** Tells the attempt that goes on right now, if there is one, that nobody wants the message any more; waits for its end. */
  const endAttempt = (key: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const entry = running.get(key)
      if (entry === undefined) return Effect.void
      return Effect.andThen(Deferred.succeed(entry.withdrawn, undefined), Effect.exit(Deferred.await(entry.receipt)))
    })

  return {
    once,
    hold,
    rows,
    endAttempt,
    isRunning: (key: string) => running.has(key),
    runningCount: () => running.size
  }
})

export type Outbox = Effect.Success<typeof make>
