/**
 * The way out through a channel, and what became of the messages that went it: those that nobody else remembers are carried
 * to their end, and those that are open are told.
 */
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import type { SqlError } from "effect/sql/SqlError"
import { type Channel, DeliveryFailed, type DeliveryReceipt, type OutboundMessage } from "../../services/Channel.ts"
import {
  ChannelNotConfigured,
  DeliveryNotFound,
  DeliveryStorageFailed,
  type MediaToSend,
  type OpenDelivery
} from "../../services/ChannelRouter.ts"
import { defaultPolicy, deliverPatiently, type DeliveryPolicy } from "./deliverPatiently.ts"
import type { Outbox } from "./Outbox.ts"
import * as Media from "./media.ts"
import { stored } from "../turns/Patience.ts"
import { carriedState, decodeMessage, type Row } from "./OutboxRows.ts"

const mostListed = 500
/** Whoever sends a message by hand waits so long for one that has begun; then it is finished without them. */
const attended = { giveUpAfterMs: 15_000, firstPauseMs: 500 }

type Keyed = OutboundMessage & { readonly idempotencyKey: string }

/** Without a key nobody knows how far a message came: sending it again would show its first parts twice. */
const unrepeatable = (error: DeliveryFailed): DeliveryFailed =>
  error.progress === undefined && error.outcome !== "unfinished"
    ? error
    : new DeliveryFailed({ channel: error.channel, to: error.to, message: error.message, outcome: "unknown" })

const storageFailed = (error: SqlError) =>
  new DeliveryStorageFailed({ message: `the outbox cannot be used: ${error.message}`, cause: error })

/** Something of it is out, and the rest can follow. */
const hasBegun = (error: DeliveryFailed | ChannelNotConfigured): boolean =>
  error._tag === "DeliveryFailed" &&
  error.outcome !== "refused" &&
  (error.outcome === "unfinished" || error.progress !== undefined)

/** Nothing of it is out. */
const isOver = (error: DeliveryFailed): boolean =>
  error.progress === undefined && (error.outcome === "never-sent" || error.outcome === "refused")

/** `find`: a channel that exists now. */
export const make = Effect.fnUntraced(function* (
  outbox: Outbox,
  find: (id: string, accountId: string) => Channel | undefined
) {
  const { rows } = outbox
  const carrying = yield* FiberMap.make<string>()
  // Not with the caller's services: it may be in a transaction.
  const runCarrying = yield* FiberMap.runtime(carrying)()
  const media = yield* Media.make
  // What is not taken away now is taken away at the next start.
  yield* Effect.flatMap(rows.withMedia, media.sweep).pipe(
    Effect.catch((error) => Effect.logWarning(`files of delivered messages stay for now: ${error.message}`))
  )

  /** The key may belong to another message that shows the same file. */
  const forgetUnlessOpen = Effect.fnUntraced(
    function* (key: string, message: OutboundMessage) {
      if (message.media === undefined || outbox.isRunning(key)) return
      const row = yield* rows.find(key)
      if (row === undefined || row.state === "sent") yield* media.forget(message)
    },
    (effect) => Effect.ignore(effect)
  )

  const leave = Effect.fnUntraced(function* (
    message: OutboundMessage,
    how: { readonly carried?: boolean; readonly kept?: boolean }
  ): Effect.fn.Return<DeliveryReceipt, ChannelNotConfigured | DeliveryFailed> {
    const channel = find(message.peer.channel, message.peer.accountId)
    if (channel === undefined) return yield* new ChannelNotConfigured({ channel: message.peer.channel })
    const { idempotencyKey } = message
    if (idempotencyKey === undefined) return yield* Effect.mapError(channel.send(message), unrepeatable)
    const sending = outbox.once(idempotencyKey, message, {
      ...how,
      send: (attempt) => channel.send(message, { ...attempt, read: media.read }),
      resumes: channel.resumes === true
    })
    return yield* sending.pipe(
      Effect.tap(() => media.forget(message)),
      Effect.tapError((error) => (isOver(error) ? forgetUnlessOpen(idempotencyKey, message) : Effect.void))
    )
  })

  const abandon = Effect.fn("Channels.abandon")(function* (key: string, reason: string) {
    if (!outbox.isRunning(key)) yield* Effect.mapError(rows.abandon(key, reason), storageFailed)
  })

  /** A sender that still waits gives up before the message is. */
  const deliver = (message: OutboundMessage) => leave(message, { carried: true })
  const couriers = { attended: { deliver }, alone: { deliver, abandon } }

  const named = (message: Keyed) => `message ${message.idempotencyKey} to chat ${message.peer.chatId}`

  /** Sends, and goes on only with what has begun: nobody is told any more what became of the rest. */
  const finish = (message: Keyed, as: keyof typeof couriers, policy: DeliveryPolicy) =>
    Effect.catchIf(deliver(message), hasBegun, () => deliverPatiently(couriers[as], message, policy, named(message)))

  const finishAlone = (message: Keyed) => {
    const what = named(message)
    return finish(message, "alone", defaultPolicy).pipe(
      Effect.catch((error) => Effect.logWarning(`${what} was not delivered: ${error.message}`)),
      Effect.catchDefect((defect) => Effect.logError(`${what} died on its way`, defect))
    )
  }

  /** Brings a message to its end without anybody waiting for it. */
  const carryOn = (message: Keyed) =>
    FiberMap.run(carrying, message.idempotencyKey, finishAlone(message), { onlyIfMissing: true })

  /** Sees to a message that was taken back: what is shown in part is brought to its end, and everything else is dropped. */
  const release = Effect.fnUntraced(
    function* (key: string) {
      yield* outbox.endAttempt(key)
      const row = yield* stored("taking a message back", rows.takeBack(key, outbox.isRunning(key)))
      if (row === undefined || row.message === null) return
      yield* finishAlone({ ...(yield* Effect.orDie(decodeMessage(row.message))), idempotencyKey: key })
    },
    Effect.catchDefect((defect) => Effect.logError("a message that was taken back died on its way", defect))
  )
  const releaseAlone = (key: string) => Effect.sync(() => void runCarrying(key, release(key), { onlyIfMissing: true }))

  const withdraw = Effect.fn("Channels.withdraw")(function* (key: string) {
    const row = yield* Effect.mapError(rows.takeBack(key, outbox.isRunning(key)), storageFailed)
    return row === undefined && !outbox.isRunning(key) ? Effect.void : releaseAlone(key)
  })

  /** Takes up what an earlier life of the Gateway left on its way through a channel. */
  const takeUp = Effect.fnUntraced(
    function* (channel: Channel) {
      for (const row of yield* rows.carried(channel.id, channel.accountId)) {
        const message = yield* Effect.orDie(decodeMessage(row.message))
        if (row.carried === carriedState.takenBack) yield* releaseAlone(row.key)
        else yield* carryOn({ ...message, idempotencyKey: row.key })
      }
    },
    Effect.catch((error: SqlError) => Effect.logWarning(`what is on its way was not taken up: ${error.message}`)),
    Effect.catchDefect((defect) => Effect.logError("taking up what is on its way died", defect))
  )

  /** A reply: whoever sent it remembers it and asks again. */
  const deliverReply = (message: OutboundMessage) => leave(message, { kept: true })

  /** A message whose sender asks once: what has begun of it is finished, whether the sender waits or not. */
  const send = Effect.fnUntraced(function* (text: Keyed, files: ReadonlyArray<MediaToSend> = []) {
    const { idempotencyKey, peer } = text
    const kept = yield* media.keep(peer, idempotencyKey, files, find(peer.channel, peer.accountId)?.mediaMaxBytes)
    const message: Keyed = kept.length === 0 ? text : { ...text, media: kept }
    return yield* finish(message, "attended", attended).pipe(
      Effect.tapError((error) => (hasBegun(error) ? carryOn(message) : Effect.void)),
      Effect.onInterrupt(() => carryOn(message))
    )
  })

  const stateOf = (row: Row): OpenDelivery["state"] =>
    row.state === "unknown" || row.state === "refused" ? row.state : outbox.isRunning(row.key) ? "sending" : "waiting"

  const open = Effect.fnUntraced(function* (row: Row): Effect.fn.Return<OpenDelivery> {
    const message = row.message === null ? undefined : yield* Effect.orDie(decodeMessage(row.message))
    return {
      key: row.key,
      channel: row.channel,
      accountId: row.account_id,
      chatId: row.chat_id,
      state: stateOf(row),
      ...(row.error === null ? undefined : { error: row.error }),
      since: row.created_at,
      updatedAt: row.updated_at,
      orphans: row.orphans,
      ...(message === undefined ? undefined : { text: message.text })
    }
  })

  const deliveries = Effect.fn("Channels.deliveries")(function* ({
    limit = mostListed
  }: { readonly limit?: number } = {}) {
    const found = yield* Effect.mapError(rows.open(limit), storageFailed)
    return yield* Effect.forEach(found, open)
  })

  const deliveryCounts = Effect.map(Effect.mapError(rows.counts, storageFailed), (found) => {
    const of = (state: Row["state"]) => found.find((each) => each.state === state)?.count ?? 0
    const sending = Math.min(outbox.runningCount(), of("sending"))
    return { sending, waiting: of("sending") - sending, unknown: of("unknown"), refused: of("refused") }
  })

  const findOpen = Effect.fnUntraced(function* (key: string) {
    const row = yield* Effect.mapError(rows.find(key), storageFailed)
    return row === undefined || row.state === "sent" ? undefined : row
  })

  const retryDelivery = Effect.fn("Channels.retryDelivery")(function* (key: string) {
    const row = (yield* findOpen(key)) ?? (yield* new DeliveryNotFound({ key }))
    if (row.message === null) {
      return yield* new DeliveryFailed({
        channel: row.channel,
        to: row.chat_id,
        message: `only a fingerprint of message ${key} was kept, so it cannot be sent again; drop it`,
        outcome: "refused"
      })
    }
    const message = yield* Effect.orDie(decodeMessage(row.message))
    if (row.state === "unknown") {
      // On the operator's word it goes anew, as if nothing of it had been sent.
      const anew = rows.update(key, { state: "sending", paused: 1, progress: null })
      yield* Effect.mapError(anew, storageFailed)
    }
    const again = leave({ ...message, idempotencyKey: key }, { kept: true })
    // Nobody else sends a dead letter: one that does not go out stays one.
    return yield* row.state === "sending" ? again : Effect.tapError(again, (error) => abandon(key, error.message))
  })

  const dropDelivery = Effect.fn("Channels.dropDelivery")(function* (key: string) {
    const row = yield* findOpen(key)
    if (row === undefined || outbox.isRunning(key)) return false
    // The key stays used: whoever still waits for it is told that there is nothing left to do.
    const closed = rows.update(key, { state: "sent", error: "dropped", message: null, progress: null })
    yield* Effect.mapError(closed, storageFailed)
    if (row.message !== null) yield* media.forget(yield* Effect.orDie(decodeMessage(row.message)))
    return true
  })

  return {
    abandon,
    deliver: deliverReply,
    deliveries,
    deliveryCounts,
    dropDelivery,
    retryDelivery,
    send,
    takeUp,
    withdraw
  }
})
