/**
 * The way in: each channel has two supervised fibers, one that receives into the inbox and one that empties it. Between
 * them stands only the database, so a process that dies in between loses nothing and does nothing twice.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type { Channel, InboundMessage } from "../../services/Channel.ts"
import { ChannelAccess, ChannelRouter, Channels } from "../../services/ChannelRouter.ts"
import { Config } from "../../services/Config.ts"
import { Sessions } from "../../services/Sessions.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { Turns } from "../../services/Turns.ts"
import * as Admission from "./Admission.ts"
import * as Answers from "./Answers.ts"
import * as Inbox from "./Inbox.ts"

/** Messages that are read from the inbox at once. */
const batch = 50
const pruneEvery = "1 hour"

export const layer: Layer.Layer<
  ChannelRouter,
  never,
  SqlClient.SqlClient | Channels | ChannelAccess | Turns | Sessions | Config | Supervisor
> = Layer.effect(
  ChannelRouter,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const access = yield* ChannelAccess
    const channels = yield* Channels
    const supervisor = yield* Supervisor
    const aftermath = yield* FiberSet.make()
    const admission = yield* Admission.make

    const prune = Effect.provideService(Inbox.prune, SqlClient.SqlClient, sql)
    yield* supervisor.supervise("channels/inbox-pruning", Effect.repeat(prune, Schedule.spaced(pruneEvery)), {
      restart: "always"
    })

    const makeAccount = Effect.fnUntraced(function* (channel: Channel) {
      const inbox = yield* Effect.provideService(Inbox.make(channel), SqlClient.SqlClient, sql)
      const answers = yield* Answers.make(inbox, channel.accountId).pipe(
        Effect.provideService(ChannelAccess, access),
        Effect.provideService(Channels, channels)
      )
      const arrived = yield* Latch.make()

      /** Carries a message out. Whatever it changes is committed together with the note that it is done. */
      const carryOut = Effect.fnUntraced(function* (seq: number, receivedAt: number, message: InboundMessage) {
        const verdict = yield* admission.judge(message, receivedAt)
        const { deed, reply } = yield* sql.withTransaction(
          Effect.gen(function* () {
            if (!(yield* inbox.done(seq))) return {}
            const deed = yield* admission.act(verdict, inbox)
            if (deed.reply === undefined) return { deed }
            const { code, text } = deed.reply
            const idempotencyKey = `${Admission.runIdOf(message)}:command`
            const reply: Inbox.Reply = {
              message: { peer: message.peer, text, idempotencyKey },
              ...(code === undefined ? undefined : { code })
            }
            yield* inbox.owe(seq, reply)
            return { deed, reply }
          })
        )
        if (deed?.carryOut !== undefined) yield* FiberSet.run(aftermath, deed.carryOut, { startImmediately: true })
        if (reply !== undefined) yield* answers.say(seq, reply)
      })

      /** One that cannot be read any more is given up, or it would block the others for ever. */
      const handle = Effect.fnUntraced(function* ({ receivedAt, seq, stored }: Inbox.Waiting) {
        const message: InboundMessage | undefined = yield* Inbox.decodeMessage(stored).pipe(
          // The error would quote the message, which belongs in no log.
          Effect.catch(() => Effect.as(Effect.logError(`inbox row ${seq} cannot be read and is given up`), undefined))
        )
        if (message === undefined) return yield* Effect.asVoid(inbox.done(seq))
        // The account may have another name by now.
        const peer = { ...message.peer, accountId: channel.accountId }
        yield* Effect.annotateLogs(carryOut(seq, receivedAt, { ...message, peer }), { update: message.updateId })
      })

      const empty = Effect.fnUntraced(function* (): Effect.fn.Return<never, Effect.Error<ReturnType<typeof handle>>> {
        yield* answers.sayAll
        while (true) {
          // Closed before looking: what is committed after the look opens it again.
          yield* arrived.close
          const waiting = yield* inbox.waiting(batch)
          for (const each of waiting) yield* handle(each)
          if (waiting.length === 0) yield* arrived.await
        }
      })

      const receive = channel.receive((messages) => Effect.andThen(inbox.commit(messages), Effect.asVoid(arrived.open)))
      return { empty: empty(), receive }
    })

    const add = Effect.fn("ChannelRouter.add")(function* (channel: Channel) {
      const name = `channels/${channel.id}/${channel.accountId}`
      yield* channels.register(channel)
      const account = yield* makeAccount(channel)
      yield* supervisor.supervise(`${name}/inbox`, account.empty, { restart: "always" })
      yield* supervisor.supervise(name, account.receive, {
        restart: "always",
        terminal: (error) => error._tag === "ChannelUnauthorized",
        // Before the supervisor's own wait is long enough, a channel that names a time would only be asked in vain.
        retryAfterMs: (error) => (error._tag === "ChannelInterrupted" ? error.retryAfterMs : undefined)
      })
    })

    return { add }
  })
)
