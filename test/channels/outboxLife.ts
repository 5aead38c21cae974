/**
 * The outbox through `Channels`, over a database that outlives the process it plays.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as ChannelsLive from "../../src/layers/channels/Channels.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { type Channel, type DeliveryAttempt, DeliveryFailed, type DeliveryReceipt } from "../../src/services/Channel.ts"
import { Channels } from "../../src/services/ChannelRouter.ts"
import { groupPeer, makeChannel, makeConfig } from "./kit.ts"

/** One life of the Gateway's channels over a database. */
export const boot = Effect.fnUntraced(function* (filename: string) {
  const scope = yield* Scope.make()
  const layer = ChannelsLive.layer.pipe(
    Layer.provideMerge(Layer.merge(Storage.layer({ filename }), makeConfig({}).layer))
  )
  const services = yield* Layer.buildWithScope(layer, scope)
  const channels = yield* Channels.pipe(Effect.provideContext(services))
  return {
    channels,
    register: (channel: Channel) => Scope.provide(channels.register(channel), scope),
    transaction: <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.provideContext(
        SqlClient.SqlClient.use((sql) => sql.withTransaction(effect)),
        services
      ),
    /** SQL as a damaged file or another release may have left it. */
    execute: (statement: string) =>
      Effect.provideContext(
        SqlClient.SqlClient.use((sql) => sql.unsafe(statement)),
        services
      ),
    breakStorage: Effect.provideContext(
      SqlClient.SqlClient.use((sql) => sql`DROP TABLE channel_outbox`),
      services
    ),
    stop: Scope.close(scope, Exit.void)
  }
})

export const failing = (outcome: DeliveryFailed["outcome"], progress?: DeliveryFailed["progress"]) =>
  new DeliveryFailed({
    channel: "telegram",
    to: "7",
    message: "failed",
    outcome,
    ...(progress === undefined ? undefined : { progress })
  })

/** A channel that can go on, and what it does next. */
export const resuming = (
  ...steps: Array<(attempt: DeliveryAttempt) => Effect.Effect<DeliveryReceipt, DeliveryFailed>>
) => ({
  ...makeChannel().channel,
  resumes: true as const,
  send: (_: unknown, attempt: DeliveryAttempt = {}) =>
    Effect.suspend(() => (steps.shift() ?? (() => Effect.succeed({ messageIds: ["done"] })))(attempt))
})

export const open = { messageIds: [], next: "0", lost: 0, open: "1", orphans: 2 }
export const reply = { peer: groupPeer("7"), text: "hello", idempotencyKey: "r" }
export const note = { to: "7", text: "note", idempotencyKey: "n" }
