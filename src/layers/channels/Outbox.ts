/**
 * The outbox: each message that has an idempotency key is sent once, also across a crash.
 *
 * A row is committed before the channel is asked (`sending`) and once it answered (`sent`, with the ids of the messages
 * that were created). The same key again is answered from the row. A row that stands at `sending` although nobody here
 * sends it was left by a process that died in between: nobody can tell whether the message arrived, so it becomes
 * `unknown`, is reported as such and never sent again. What certainly did not arrive leaves no row.
 *
 * A message that takes several on its channel has its progress in the row, so what a crash leaves open is one part of it and
 * not the whole: the same key again passes that part over and sends the rest. A row whose channel stopped between two parts
 * is `paused`, and nothing of it is in doubt.
 */
import { createHash } from "node:crypto"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { DeliveryAttempt, DeliveryReceipt, OutboundMessage } from "../../services/Channel.ts"
import { DeliveryFailed, DeliveryProgress } from "../../services/Channel.ts"
import { stored } from "../turns/Patience.ts"
import * as Time from "../now.ts"

/** Milliseconds that a key is remembered; turns keep theirs as long. */
export const keepMs = 30 * 24 * 60 * 60_000
const pruneEveryMs = 60 * 60_000
/** What is on its way when the Gateway stops gets this long to arrive. */
const drainFor = "3 seconds"

const MessageIds = Schema.fromJsonString(Schema.Array(Schema.String))
const decodeIds = Schema.decodeUnknownEffect(MessageIds)
const encodeIds = Schema.encodeSync(MessageIds)
const ProgressJson = Schema.fromJsonString(DeliveryProgress)
const decodeProgress = Schema.decodeUnknownEffect(ProgressJson)
const encodeProgress = Schema.encodeSync(ProgressJson)

interface Row {
  readonly fingerprint: string
  readonly state: "sending" | "sent" | "unknown"
  readonly message_ids: string
  readonly error: string | null
  readonly progress: string | null
  readonly paused: number
}

/** Asks the channel to send. */
type Send = (attempt: DeliveryAttempt) => Effect.Effect<DeliveryReceipt, DeliveryFailed>

interface Running {
  readonly fingerprint: string
  readonly receipt: Deferred.Deferred<DeliveryReceipt, DeliveryFailed>
}

const fingerprintOf = ({ peer, replyToMessageId, silent, text }: OutboundMessage): string =>
  createHash("sha256")
    .update(
      JSON.stringify([
        [peer.channel, peer.accountId, peer.chatId, peer.chatType, peer.threadId ?? null],
        text,
        replyToMessageId ?? null,
        silent ?? false
      ])
    )
    .digest("base64url")

const interrupted = "the Gateway stopped while the message was on its way; whether it arrived is not known"

/** Why nobody knows; `undefined` when it is certain that nothing arrived. */
const doubt = (cause: Cause.Cause<DeliveryFailed>): string | undefined => {
  if (Cause.hasDies(cause)) return "the channel broke while it sent the message; whether it arrived is not known"
  const failure = cause.reasons.find(Cause.isFailReason)?.error
  if (failure === undefined) return interrupted
  return failure.outcome === "unknown" ? failure.message : undefined
}

export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const fibers = yield* FiberSet.make()
  yield* Effect.addFinalizer(() => Effect.timeoutOption(FiberSet.awaitEmpty(fibers), drainFor))
  const running = new Map<string, Running>()
  let prunedAt = Number.NEGATIVE_INFINITY

  const failed = (message: OutboundMessage, outcome: DeliveryFailed["outcome"], text: string) =>
    new DeliveryFailed({ channel: message.peer.channel, to: message.peer.chatId, message: text, outcome })

  const conflict = (key: string, message: OutboundMessage) =>
    failed(message, "refused", `the idempotency key ${key.slice(0, 80)} was used for another message`)

  const prune = Effect.fnUntraced(function* (now: number) {
    if (now - prunedAt < pruneEveryMs) return
    yield* sql`DELETE FROM channel_outbox WHERE updated_at < ${now - keepMs}`
    prunedAt = now
  })

  /** Takes the key. The row that has it already, when there is one. */
  const claim = Effect.fnUntraced(
    function* (key: string, fingerprint: string, { peer }: OutboundMessage) {
      const now = yield* Time.now
      yield* prune(now)
      const taken = yield* sql`
        INSERT INTO channel_outbox ${sql.insert({
          key,
          fingerprint,
          channel: peer.channel,
          account_id: peer.accountId,
          chat_id: peer.chatId,
          state: "sending",
          created_at: now,
          updated_at: now
        })} ON CONFLICT (key) DO NOTHING RETURNING key`
      if (taken.length > 0) return undefined
      const rows = yield* sql<Row>`SELECT * FROM channel_outbox WHERE key = ${key}`
      return rows[0]
    },
    (effect) => sql.withTransaction(effect)
  )

  const update = Effect.fnUntraced(function* (key: string, change: Partial<Row>) {
    yield* sql`
      UPDATE channel_outbox SET ${sql.update({ ...change, updated_at: yield* Time.now })} WHERE key = ${key}`
  })

  const forget = (key: string) => Effect.asVoid(sql`DELETE FROM channel_outbox WHERE key = ${key}`)

  /** `begun`: the progress of an earlier attempt; `kept`: that of this one, as far as the channel told any. */
  const settle = (
    key: string,
    exit: Exit.Exit<DeliveryReceipt, DeliveryFailed>,
    begun: DeliveryProgress | undefined,
    kept: DeliveryProgress | undefined
  ) => {
    if (Exit.isSuccess(exit)) return update(key, { state: "sent", message_ids: encodeIds(exit.value.messageIds) })
    const failure = exit.cause.reasons.find(Cause.isFailReason)?.error
    const error = doubt(exit.cause)
    // What has been sent stays known, also when another channel under the same name has nothing to say of it.
    const progress = failure?.progress ?? (error === undefined ? begun : undefined)
    if (progress !== undefined) return update(key, { progress: encodeProgress(progress), paused: 1 })
    if (error === undefined) return forget(key)
    // Cut off between its parts: the next attempt goes on from what was kept.
    return failure === undefined && kept !== undefined ? Effect.void : update(key, { state: "unknown", error })
  }

  /** A key that was used before and has nothing left to send: what became of its message. */
  const answerFrom = Effect.fnUntraced(function* (
    key: string,
    row: Row,
    message: OutboundMessage
  ): Effect.fn.Return<DeliveryReceipt, DeliveryFailed> {
    if (row.state === "sent") return { messageIds: yield* Effect.orDie(decodeIds(row.message_ids)) }
    const error = row.error ?? interrupted
    if (row.state === "sending") {
      yield* Effect.logWarning(`message ${key} to ${message.peer.chatId} is not sent again: ${error}`)
      yield* stored("noting an open delivery", update(key, { state: "unknown", error }))
    }
    return yield* failed(message, "unknown", error)
  })

  const attempt = Effect.fnUntraced(function* (key: string, send: Send, row: Row | undefined) {
    const begun =
      row === undefined || row.progress === null ? undefined : yield* Effect.orDie(decodeProgress(row.progress))
    const cut = begun !== undefined && row?.paused !== 1
    let kept: DeliveryProgress | undefined
    const keep = (progress: DeliveryProgress) => {
      kept = progress
      return stored("noting a part", update(key, { progress: encodeProgress(progress), paused: 0 }))
    }
    if (cut) yield* Effect.logWarning(`message ${key} was cut off; the part that was on its way may be missing`)
    const exit = yield* Effect.exit(
      Effect.interruptible(send({ keep, ...(begun === undefined ? undefined : { from: begun, cut }) }))
    )
    yield* stored("noting a delivery", settle(key, exit, begun, kept))
    return yield* exit
  })

  const work = Effect.fnUntraced(function* (key: string, message: OutboundMessage, entry: Running, send: Send) {
    const row = yield* Effect.mapError(claim(key, entry.fingerprint, message), (error) =>
      failed(message, "never-sent", `the outbox cannot be used: ${error.message}`)
    )
    if (row !== undefined && row.fingerprint !== entry.fingerprint) return yield* conflict(key, message)
    return yield* row === undefined || (row.state === "sending" && row.progress !== null)
      ? attempt(key, send, row)
      : answerFrom(key, row, message)
  })

  /**
   * Sends a message, or what is left of it, unless its key was used before. The sending outlives its caller: nobody can tell how far an
   * interrupted one came.
   */
  const once = (key: string, message: OutboundMessage, send: Send): Effect.Effect<DeliveryReceipt, DeliveryFailed> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const fingerprint = fingerprintOf(message)
        const known = running.get(key)
        if (known !== undefined) {
          return known.fingerprint === fingerprint
            ? restore(Deferred.await(known.receipt))
            : Effect.fail(conflict(key, message))
        }
        const entry: Running = { fingerprint, receipt: Deferred.makeUnsafe() }
        running.set(key, entry)
        const sending = work(key, message, entry, send).pipe(
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

  return { once }
})
