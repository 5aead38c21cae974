/**
 * A Gateway's turns without the rest: a scripted agent, a recording channel, a real database file.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import * as EventBusLive from "../../src/layers/EventBus.ts"
import * as SessionsLive from "../../src/layers/Sessions.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import * as TurnsLive from "../../src/layers/turns/Turns.ts"
import { AgentRunner, type PartialText, type TurnSteps } from "../../src/services/AgentRunner.ts"
import type { DeliveryFailed, OutboundMessage } from "../../src/services/Channel.ts"
import { type ChannelNotConfigured, Channels } from "../../src/services/ChannelRouter.ts"
import type { TurnOutcome, TurnRequest } from "../../src/services/Turns.ts"

export const main = SessionKey.make("agent:main:main")
export const peer = { channel: "test", accountId: "default", chatId: "7", chatType: "direct" } as const

export const request = (runId: string, text: string, more: Partial<TurnRequest> = {}): TurnRequest => ({
  runId: RunId.make(runId),
  sessionKey: main,
  agentId: "main",
  text,
  receivedAt: 1_000,
  ...more
})

export const ok = (asked: TurnRequest, text: string): TurnOutcome => ({
  runId: asked.runId,
  sessionKey: asked.sessionKey,
  status: "ok",
  text,
  toolCalls: 0,
  durationMs: 1
})

export type Agent = (asked: TurnRequest, steps: TurnSteps) => Effect.Effect<TurnOutcome>

/** One world that outlives the process it plays: the file, what the agent did, what the channel sent. */
export interface World {
  readonly dir: string
  readonly log: Array<string>
  readonly sent: Array<OutboundMessage>
  agent: Agent
  partial: PartialText | undefined
  deliver: (message: OutboundMessage) => Effect.Effect<void, DeliveryFailed | ChannelNotConfigured>
  /** Keys of replies that were taken back, and of those that were given up. */
  readonly withdrawn?: Array<string>
  readonly abandoned?: Array<string>
}

export const world = Effect.acquireRelease(
  Effect.sync((): World => ({
    dir: Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-turns-")),
    log: [],
    sent: [],
    agent: (asked) => Effect.succeed(ok(asked, `re: ${asked.text}`)),
    partial: undefined,
    deliver: () => Effect.void,
    withdrawn: [],
    abandoned: []
  })),
  ({ dir }) => Effect.sync(() => Fs.rmSync(dir, { recursive: true, force: true }))
)

const agentLayer = (world: World) =>
  Layer.succeed(AgentRunner, {
    run: (asked, steps) => Effect.suspend(() => world.agent(asked, steps)),
    partialText: () => Effect.sync(() => world.partial)
  })

const channelsLayer = (world: World) =>
  Layer.mock(Channels, {
    deliver: (message) =>
      Effect.suspend(() => world.deliver(message)).pipe(
        Effect.andThen(
          Effect.sync(() => {
            world.sent.push(message)
            return { messageIds: [String(world.sent.length)] }
          })
        )
      ),
    send: ({ text, to }) =>
      Effect.sync(() => {
        world.log.push(`told ${to}: ${text}`)
        return { channel: "test", chatId: to, messageIds: ["1"] }
      }),
    withdraw: (key) => Effect.succeed(Effect.sync(() => void world.withdrawn?.push(key))),
    abandon: (key) => Effect.sync(() => void world.abandoned?.push(key)),
    typing: () =>
      Effect.acquireUseRelease(
        Effect.sync(() => world.log.push("typing on")),
        () => Effect.never,
        () => Effect.sync(() => world.log.push("typing off"))
      )
  })

/** One run of the process: closing its scope is an orderly stop. */
export const start = (world: World, options: Parameters<typeof TurnsLive.layer>[0] = {}) =>
  TurnsLive.layer({ shutdownGraceMs: 50, delivery: { giveUpAfterMs: 10_000, firstPauseMs: 1 }, ...options }).pipe(
    Layer.provide([agentLayer(world), channelsLayer(world)]),
    Layer.provideMerge([SessionsLive.layer, EventBusLive.layer, SupervisorLive.layer]),
    Layer.provideMerge(Storage.layer({ filename: Path.join(world.dir, "state.sqlite") }))
  )

/** A step that logs each time it really runs. */
export const logged = (world: World, steps: TurnSteps, name: string, extra: Effect.Effect<unknown> = Effect.void) =>
  steps.step({
    name,
    success: Schema.String,
    execute: Effect.sync(() => world.log.push(name)).pipe(Effect.andThen(extra), Effect.as(`did ${name}`))
  })

/** A gate: what waits at it goes on when it is opened; `reached` tells that somebody waits. */
export const gate = Effect.sync(() => {
  const reached = Deferred.makeUnsafe<void>()
  const opened = Deferred.makeUnsafe<void>()
  return {
    wait: Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(opened)),
    reached: Deferred.await(reached),
    open: Deferred.succeed(opened, undefined)
  }
})
