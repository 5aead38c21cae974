/**
 * The way in: each channel has two supervised fibers, one that receives into the inbox and one that empties it. Between
 * them stands only the database, so a process that dies in between loses nothing and does nothing twice.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { Channel, ChannelInterrupted, InboundMessage } from "../../services/Channel.ts"
import { ChannelAccess, ChannelRouter, Channels } from "../../services/ChannelRouter.ts"
import { Config } from "../../services/Config.ts"
import { Sessions } from "../../services/Sessions.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { Turns } from "../../services/Turns.ts"
import * as Admission from "./Admission.ts"
import * as Inbox from "./Inbox.ts"

/** Messages that are read from the inbox at once. */
const batch = 50

/** A channel that names a time to wait is left alone that long, before the supervisor's own wait. */
const obeyRetryAfter = (error: ChannelInterrupted) =>
  error.retryAfterMs === undefined
    ? Effect.fail(error)
    : Effect.andThen(Effect.sleep(error.retryAfterMs), Effect.fail(error))

export const layer: Layer.Layer<
  ChannelRouter,
  never,
  SqlClient.SqlClient | Channels | ChannelAccess | Turns | Sessions | Config | Supervisor
> = Layer.effect(
  ChannelRouter,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const channels = yield* Channels
    const supervisor = yield* Supervisor
    const replies = yield* FiberSet.make()
    const admit = yield* Admission.make(replies)

    /** Hands one message on. One that cannot be read any more is given up, or it would block the others for ever. */
    const handle = Effect.fnUntraced(function* (inbox: Inbox.Inbox, waiting: Inbox.Waiting) {
      const message: InboundMessage | undefined = yield* Inbox.decodeMessage(waiting.stored).pipe(
        // The error would quote the message, which belongs in no log.
        Effect.catch(() =>
          Effect.as(Effect.logError(`inbox row ${waiting.seq} cannot be read and is given up`), undefined)
        )
      )
      if (message !== undefined) yield* admit(message, waiting.receivedAt)
      yield* inbox.done(waiting.seq)
    })

    const empty = Effect.fnUntraced(function* (
      inbox: Inbox.Inbox,
      arrived: Latch.Latch
    ): Effect.fn.Return<never, Effect.Error<ReturnType<typeof handle>>> {
      yield* inbox.prune
      while (true) {
        // Closed before looking: what is committed after the look opens it again.
        yield* arrived.close
        const waiting = yield* inbox.waiting(batch)
        for (const each of waiting) yield* handle(inbox, each)
        if (waiting.length === 0)
          yield* Effect.timeoutOrElse(arrived.await, { duration: "1 hour", orElse: () => inbox.prune })
      }
    })

    const add = Effect.fn("ChannelRouter.add")(function* (channel: Channel) {
      const name = `channels/${channel.id}/${channel.accountId}`
      const inbox = yield* Effect.provideService(Inbox.make(channel.id, channel.accountId), SqlClient.SqlClient, sql)
      const arrived = yield* Latch.make()
      yield* channels.register(channel)
      yield* supervisor.supervise(`${name}/inbox`, empty(inbox, arrived), { restart: "always" })
      yield* supervisor.supervise(
        name,
        channel
          .receive((messages) => Effect.andThen(inbox.commit(messages), Effect.asVoid(arrived.open)))
          .pipe(Effect.catchTag("ChannelInterrupted", obeyRetryAfter)),
        { restart: "always", terminal: (error) => error._tag === "ChannelUnauthorized" }
      )
    })

    return { add }
  })
)
