import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import type { Channel } from "../../src/services/Channel.ts"
import { ChannelRouter, type ChannelAccess, type Channels } from "../../src/services/ChannelRouter.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import type { SetAside } from "../../src/services/SetAside.ts"
import type { Supervisor } from "../../src/services/Supervisor.ts"
import { makeChannel, makeConfig, makeSessions, makeTurns, stackOf, telegram, tempDatabase } from "./kit.ts"

const open = telegram({ dmPolicy: "open", groups: { "*": { groupPolicy: "open" } } })

export const rig = Effect.fnUntraced(function* (config: OpenClawConfig = open) {
  return {
    identity: { id: "gateway", process: "first" },
    filename: yield* tempDatabase,
    config: makeConfig(config),
    turns: makeTurns(),
    sessions: makeSessions(),
    channel: makeChannel()
  }
})
export type Rig = Effect.Success<ReturnType<typeof rig>>

/** Runs a Gateway's worth of this part, and ends it. */
export const run = <A, E>(
  parts: Rig,
  use: Effect.Effect<
    A,
    E,
    ChannelRouter | Channels | ChannelAccess | SetAside | SqlClient.SqlClient | Supervisor | Scope.Scope
  >,
  channel: Channel = parts.channel.channel
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const router = yield* ChannelRouter
      yield* router.add(channel)
      return yield* use
    })
  ).pipe(Effect.provide(stackOf(parts)))

export const rows = SqlClient.SqlClient.use((sql) =>
  Effect.orDie(sql<{ message: string | null }>`SELECT message FROM channel_inbox`)
)

/** Waits until nothing waits in the inbox. */
export const drained: Effect.Effect<void, never, SqlClient.SqlClient> = Effect.suspend(() =>
  Effect.flatMap(rows, (all) =>
    all.some((row) => row.message !== null) ? Effect.andThen(Effect.yieldNow, drained) : Effect.void
  )
)

/** Waits until nothing waits in the inbox, nor to be said. */
export const settled: Effect.Effect<void, never, SqlClient.SqlClient> = Effect.suspend(() =>
  Effect.flatMap(
    SqlClient.SqlClient.use((sql) =>
      Effect.orDie(sql`SELECT 1 FROM channel_inbox WHERE message IS NOT NULL OR reply IS NOT NULL`)
    ),
    (open) => (open.length > 0 ? Effect.andThen(Effect.yieldNow, settled) : Effect.void)
  )
)

/** Runs the clock until something has happened that waits for a restart. */
export const advancing = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(effect, Effect.forever(Effect.andThen(TestClock.adjust("10 seconds"), Effect.yieldNow)))
