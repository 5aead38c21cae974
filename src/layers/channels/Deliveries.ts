/**
 * The way out through a channel, and what became of the messages that went it: those that nobody else remembers are carried
 * to their end, and those that are open are told.
 */
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import type { SqlError } from "effect/sql/SqlError"
import {
  type Channel,
  DeliveryFailed,
  type DeliveryReceipt,
  type OutboundMessage,
  type Peer
} from "../../services/Channel.ts"
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
import { carriedState, messageOf, type Row } from "./OutboxRows.ts"

const mostListed = 500
/** Whoever sends a message by hand waits so long for one that has begun; then it is finished without them. */
const attended = { giveUpAfterMs: 15_000, firstPauseMs: 500 }

const unreadable = "what was kept of it cannot be read"

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

/** `accountsOf`: the channels that exist now under a name. */
export const make = Effect.fnUntraced(function* (outbox: Outbox, accountsOf: (id: string) => ReadonlyArray<Channel>) {
  const { rows } = outbox
  const find = (id: string, accountId: string) => accountsOf(id).find((channel) => channel.accountId === accountId)

  /** The account may have another name by now; its source is the same. */
  const channelOf = Effect.fnUntraced(
    function* ({ accountId, channel }: Pick<Peer, "accountId" | "channel">) {
      const named = find(channel, accountId)
      if (named !== undefined) return named
      const source = yield* rows.sourceOf(channel, accountId)
      return source === undefined ? undefined : accountsOf(channel).find((each) => each.source === source)
    },
    Effect.catch((error: SqlError) =>
      Effect.as(Effect.logWarning(`who had an account is not known: ${error.message}`), undefined)
    )
  )
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
    const { idempotencyKey } = message
    const channel = yield* channelOf(message.peer)
    if (channel === undefined) {
      const missing = new ChannelNotConfigured({ channel: message.peer.channel })
      if (idempotencyKey === undefined || how.kept !== true || outbox.isRunning(idempotencyKey)) return yield* missing
      return (yield* outbox.hold(idempotencyKey, message, missing.message)) ?? (yield* missing)
    }
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

  /** A reply: whoever sent it remembers it and asks again. */
  const deliverReply = (message: OutboundMessage) => leave(message, { kept: true })

  /** A sender that still waits gives up before the message is. */
  const deliver = (message: OutboundMessage) => leave(message, { carried: true })
  const since = (key: string) =>
    Effect.map(
      Effect.orElseSucceed(rows.find(key), () => undefined),
      (row) => row?.created_at
    )
  const couriers = { attended: { deliver }, alone: { deliver, abandon, since } }

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
      const message = row === undefined ? undefined : yield* messageOf(row)
      if (message !== undefined) yield* finishAlone({ ...message, idempotencyKey: key })
    },
    Effect.catchDefect((defect) => Effect.logError("a message that was taken back died on its way", defect))
  )
  const releaseAlone = (key: string) => Effect.sync(() => void runCarrying(key, release(key), { onlyIfMissing: true }))

  const withdraw = Effect.fn("Channels.withdraw")(function* (key: string) {
    const row = yield* Effect.mapError(rows.takeBack(key, outbox.isRunning(key)), storageFailed)
    return row === undefined && !outbox.isRunning(key) ? Effect.void : releaseAlone(key)
  })

  /** What somebody else remembers goes on at once; its end is seen to here only if it is shown in part. */
  const goOn = (message: Keyed) => {
    const what = named(message)
    const tried = Effect.catchIf(deliverReply(message), hasBegun, () =>
      deliverPatiently({ deliver: deliverReply, abandon }, message, defaultPolicy, what)
    )
    const alone = tried.pipe(
      Effect.catch((error) => Effect.logDebug(`${what} is not delivered yet: ${error.message}`)),
      Effect.catchDefect((defect) => Effect.logError(`${what} died on its way`, defect))
    )
    return FiberMap.run(carrying, message.idempotencyKey, alone, { onlyIfMissing: true })
  }

  /** Takes up what is on its way through a channel that was not there, or in an earlier life of the Gateway. */
  const takeUp = Effect.fnUntraced(
    function* (channel: Channel) {
      for (const row of yield* rows.onItsWay(channel.id, channel.accountId, channel.source)) {
        // Another account may have the name by now.
        if ((yield* channelOf({ channel: row.channel, accountId: row.account_id })) !== channel) continue
        const found = yield* messageOf(row)
        if (found === undefined) continue
        const message = { ...found, idempotencyKey: row.key }
        if (row.carried === carriedState.takenBack) yield* releaseAlone(row.key)
        else if (row.carried === carriedState.yes) yield* carryOn(message)
        else yield* goOn(message)
      }
    },
    Effect.catch((error: SqlError) => Effect.logWarning(`what is on its way was not taken up: ${error.message}`)),
    Effect.catchDefect((defect) => Effect.logError("taking up what is on its way died", defect))
  )

  /** Its channel may have gone when something of it was out already. */
  const goesOn = (key: string, error: DeliveryFailed | ChannelNotConfigured) =>
    error._tag === "DeliveryFailed"
      ? Effect.succeed(hasBegun(error))
      : rows.find(key).pipe(
          Effect.map((row) => row?.state === "sending"),
          Effect.orElseSucceed(() => false)
        )

  /** A message whose sender asks once: what has begun of it is finished, whether the sender waits or not. */
  const send = Effect.fnUntraced(function* (text: Keyed, files: ReadonlyArray<MediaToSend> = []) {
    const { idempotencyKey, peer } = text
    const kept = yield* media.keep(peer, idempotencyKey, files, find(peer.channel, peer.accountId)?.mediaMaxBytes)
    const message: Keyed = kept.length === 0 ? text : { ...text, media: kept }
    return yield* finish(message, "attended", attended).pipe(
      Effect.tapError((error) =>
        Effect.flatMap(goesOn(idempotencyKey, error), (yes) => (yes ? carryOn(message) : Effect.void))
      ),
      Effect.onInterrupt(() => carryOn(message))
    )
  })

  const stateOf = (row: Row): OpenDelivery["state"] =>
    row.state === "unknown" || row.state === "refused" ? row.state : outbox.isRunning(row.key) ? "sending" : "waiting"

  const open = Effect.fnUntraced(function* (row: Row): Effect.fn.Return<OpenDelivery> {
    const message = yield* messageOf(row)
    const error = message === undefined && row.message !== null ? unreadable : row.error
    return {
      key: row.key,
      channel: row.channel,
      accountId: row.account_id,
      chatId: row.chat_id,
      state: stateOf(row),
      ...(error === null ? undefined : { error }),
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
    const message = yield* messageOf(row)
    if (message === undefined) {
      return yield* new DeliveryFailed({
        channel: row.channel,
        to: row.chat_id,
        message:
          row.message === null
            ? `only a fingerprint of message ${key} was kept, so it cannot be sent again; drop it`
            : `message ${key} cannot be sent again: ${unreadable}; drop it`,
        outcome: "refused"
      })
    }
    if ((yield* channelOf(message.peer)) === undefined) return yield* new ChannelNotConfigured({ channel: row.channel })
    // On the operator's word it goes anew. Another one may have said it just before: then it is on its way already.
    if (row.state === "unknown") yield* Effect.mapError(rows.renew(key), storageFailed)
    const again = leave({ ...message, idempotencyKey: key }, { kept: true })
    // Nobody else sends a dead letter: one that does not go out stays one.
    return yield* row.state === "sending" ? again : Effect.tapError(again, (error) => abandon(key, error.message))
  })

  const dropDelivery = Effect.fn("Channels.dropDelivery")(function* (key: string) {
    // The key stays used: whoever still waits for it is told that there is nothing left to do.
    const row = yield* Effect.mapError(
      rows.drop(key, () => outbox.isRunning(key)),
      storageFailed
    )
    if (row === undefined) return false
    const message = yield* messageOf(row)
    if (message !== undefined) yield* media.forget(message)
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
