/**
 * The way in: each channel has two supervised fibers, one that receives into the inbox and one that empties it. Between
 * them stands only the database, so a process that dies in between loses nothing and does nothing twice. A channel that only
 * one program may receive for has them only while this Gateway holds the lease of its source. At the end of the process they
 * are stopped first, while messages still leave.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { Channel, InboxFailed } from "../../services/Channel.ts"
import { ChannelAccess, ChannelRouter, Channels } from "../../services/ChannelRouter.ts"
import type { Config } from "../../services/Config.ts"
import type { ExecApprovals } from "../../services/ExecApprovals.ts"
import { GatewayIdentity } from "../../services/GatewayIdentity.ts"
import type { Sessions } from "../../services/Sessions.ts"
import { SetAside } from "../../services/SetAside.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import type { Turns } from "../../services/Turns.ts"
import { troubleOf } from "../storage/trouble.ts"
import * as Accounts from "./Accounts.ts"
import * as Admission from "./Admission.ts"
import * as Emptying from "./Emptying.ts"
import { prune } from "./inboxPruning.ts"
import { prune as pruneOutbox } from "./outboxPruning.ts"
import * as Lease from "./Lease.ts"
import * as SetAsideLayer from "./SetAside.ts"

const pruneEvery = "1 hour"
const pruneOutboxEvery = "1 minute"
/** How long it is waited for that nothing is taken in any more. */
const pauseWithin = "500 millis"

export const layer: Layer.Layer<
  ChannelRouter | SetAside,
  never,
  | SqlClient.SqlClient
  | Channels
  | ChannelAccess
  | Turns
  | Sessions
  | Config
  | ExecApprovals
  | Supervisor
  | GatewayIdentity
> = Layer.effectContext(
  Effect.gen(function* () {
    const channels = yield* Channels
    const supervisor = yield* Supervisor
    const admission = yield* Admission.make
    const aftermath = yield* FiberSet.make()
    const context = yield* Effect.context<SqlClient.SqlClient | ChannelAccess | Channels | GatewayIdentity>()
    const running = new Set<SetAsideLayer.Running>()

    yield* supervisor.supervise(
      "channels/inbox-pruning",
      Effect.repeat(Effect.provideContext(prune, context), Schedule.spaced(pruneEvery)),
      { restart: "always" }
    )

    yield* supervisor.supervise(
      "channels/outbox-pruning",
      pruneOutbox().pipe(
        // Trouble of the storage is told by its health.
        Effect.catch((error) =>
          (troubleOf(error) === undefined ? Effect.logWarning : Effect.logDebug)(
            `forgetting what was sent failed and is tried again later: ${error.message}`
          )
        ),
        Effect.provideContext(context),
        Effect.delay(pruneOutboxEvery),
        Effect.forever
      ),
      { restart: "always" }
    )

    const fibers = new Set<Fiber.Fiber<void>>()
    let isPaused = false

    /** Starts a fiber that takes something in, unless that is over. */
    const intake = <R>(start: Effect.Effect<Fiber.Fiber<void>, never, R>) =>
      Effect.suspend(() =>
        isPaused
          ? Effect.void
          : Effect.acquireRelease(
              Effect.tap(start, (fiber) => Effect.sync(() => fibers.add(fiber))),
              (fiber) => Effect.sync(() => fibers.delete(fiber))
            )
      )

    const pause = Effect.suspend(() => {
      isPaused = true
      // What is in the middle of a transaction may not end soon; it is told to, and that is enough.
      return Effect.timeoutOption(Fiber.interruptAll(fibers), pauseWithin)
    }).pipe(Effect.asVoid, Effect.withSpan("ChannelRouter.pause"))

    /** Runs an account in the present scope. */
    const start = Effect.fnUntraced(function* (
      channel: Channel,
      fence: Effect.Effect<void, InboxFailed>
    ): Effect.fn.Return<void, never, Scope.Scope> {
      const name = `channels/${channel.id}/${channel.accountId}`
      const { empty, inbox, wake } = yield* Effect.provideContext(Emptying.make(channel, admission, aftermath), context)
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          const entry = { channel, wake }
          running.add(entry)
          return entry
        }),
        (entry) => Effect.sync(() => running.delete(entry))
      )
      const receive = channel.receive((messages, unread = []) =>
        Effect.andThen(inbox.commit(messages, unread, fence), wake)
      )
      yield* intake(supervisor.supervise(`${name}/inbox`, empty, { restart: "always" }))
      const receiving = supervisor.supervise(name, receive, {
        restart: "always",
        terminal: (error) => error._tag === "ChannelUnauthorized",
        // Before the supervisor's own wait is long enough, a channel that names a time would only be asked in vain.
        retryAfterMs: (error) => (error._tag === "ChannelInterrupted" ? error.retryAfterMs : undefined)
      })
      yield* intake(receiving)
    })

    /** The same, while this Gateway may. */
    const receiveIn = Effect.fnUntraced(function* (channel: Channel) {
      const { source, standby } = channel
      if (standby === undefined || source === undefined) return yield* start(channel, Effect.void)
      const whileHeld = yield* Effect.provideContext(Lease.make(channel, source, standby), context)
      yield* supervisor.supervise(
        `channels/${channel.id}/${channel.accountId}/lease`,
        whileHeld((held) => start(channel, held.fence)),
        { restart: "always" }
      )
    })

    const accounts = yield* Accounts.make(receiveIn)
    const add = Effect.fn("ChannelRouter.add")(function* (channel: Channel) {
      yield* channels.register(channel)
      yield* accounts.add(channel)
    })

    const { logout, start: restart, stop } = accounts
    const setAside = yield* SetAsideLayer.make(running)
    return Context.make(ChannelRouter, { add, pause, start: restart, stop, logout }).pipe(
      Context.add(SetAside, setAside)
    )
  })
)
