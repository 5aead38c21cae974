import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as ChannelAccess from "../../src/layers/channels/ChannelAccess.ts"
import * as ChannelRouter from "../../src/layers/channels/ChannelRouter.ts"
import * as Channels from "../../src/layers/channels/Channels.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import * as Supervisor from "../../src/layers/Supervisor.ts"
import type { RunId } from "../../src/domain/Ids.ts"
import type { SessionKey } from "../../src/domain/SessionKey.ts"
import { type Channel, DeliveryFailed, type InboundMessage, type OutboundMessage } from "../../src/services/Channel.ts"
import { Config, ConfigUnreadable } from "../../src/services/Config.ts"
import { ExecApprovals } from "../../src/services/ExecApprovals.ts"
import { GatewayIdentity } from "../../src/services/GatewayIdentity.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import type { QueueOverride, QueueSetting } from "../../src/services/Queue.ts"
import { Sessions, SessionStorageFailed } from "../../src/services/Sessions.ts"
import { TurnNotAccepted, type TurnRequest, Turns } from "../../src/services/Turns.ts"

/** Something that changes, and whoever waits for it. */
export class Signal {
  private changed = Deferred.makeUnsafe<void>()
  notify(): void {
    const before = this.changed
    this.changed = Deferred.makeUnsafe<void>()
    Deferred.doneUnsafe(before, Effect.void)
  }
  until<A>(look: () => A | undefined): Effect.Effect<A> {
    return Effect.suspend(() => {
      const found = look()
      return found === undefined
        ? Effect.flatMap(Deferred.await(this.changed), () => this.until(look))
        : Effect.succeed(found)
    })
  }
}

export const makeConfig = (initial: OpenClawConfig) => {
  const hub = Effect.runSync(PubSub.unbounded<OpenClawConfig>())
  let current = initial
  let broken = false
  return {
    set: (next: OpenClawConfig) =>
      Effect.suspend(() => {
        current = next
        return PubSub.publish(hub, next)
      }),
    breakIt: Effect.sync(() => void (broken = true)),
    layer: Layer.succeed(Config, {
      file: "/nowhere/openclaw.json",
      get: Effect.suspend(() =>
        broken
          ? Effect.fail(new ConfigUnreadable({ file: "/nowhere/openclaw.json", message: "cannot be read" }))
          : Effect.succeed(current)
      ),
      raw: Effect.sync(() => current),
      set: () => Effect.die("not used"),
      unset: () => Effect.die("not used"),
      inspect: Effect.die("not used"),
      edit: () => Effect.die("not used"),
      unusedKeys: Effect.succeed([]),
      changes: Stream.fromPubSub(hub)
    })
  }
}

/** Turns that only remember what they were given. */
export const makeTurns = () => {
  const signal = new Signal()
  const turns = {
    submitted: [] as Array<TurnRequest>,
    /** How each of them was to wait. */
    queues: [] as Array<QueueSetting | undefined>,
    /** How often `submit` was asked. */
    calls: 0,
    /** How many of the next calls fail. */
    refuse: 0,
    /** While set, calls do not come back. */
    hang: false,
    /** Which calls die. */
    defect: (request: TurnRequest): boolean => request.text === "\0",
    running: new Map<SessionKey, RunId>(),
    aborted: [] as Array<SessionKey>,
    /** What remains to be done when a turn is to end. */
    ending: Effect.void as Effect.Effect<void>
  }
  return Object.assign(turns, {
    asked: (count: number) => signal.until(() => (turns.calls >= count ? true : undefined)),
    has: (count: number) => signal.until(() => (turns.submitted.length >= count ? [...turns.submitted] : undefined)),
    layer: Layer.mock(Turns, {
      submit: (request, queue) =>
        Effect.suspend(() => {
          turns.calls += 1
          signal.notify()
          if (turns.hang) return Effect.never
          if (turns.defect(request)) return Effect.die(new Error("a defect"))
          if (turns.refuse > 0) {
            turns.refuse -= 1
            return Effect.fail(new TurnNotAccepted({ message: "disk full" }))
          }
          const isNew = !turns.submitted.some((each) => each.runId === request.runId)
          if (isNew) turns.submitted.push(request)
          if (isNew) turns.queues.push(queue)
          signal.notify()
          return Effect.succeed(isNew)
        }),
      await: () => Effect.never,
      find: () => Effect.undefined,
      knows: (runId) => Effect.sync(() => turns.submitted.some((each) => each.runId === runId)),
      requestAbort: (sessionKey) =>
        Effect.sync(() => {
          turns.aborted.push(sessionKey)
          const running = turns.running.get(sessionKey)
          turns.running.delete(sessionKey)
          return { runIds: running === undefined ? [] : [running], carryOut: turns.ending }
        }),
      abort: () => Effect.die("not used"),
      inFlight: (sessionKey) =>
        Effect.sync(() => {
          const runId = turns.running.get(sessionKey)
          return runId === undefined ? undefined : { runId, text: "" }
        }),
      active: Effect.sync(() => turns.running.size),
      settle: () => Effect.succeed(0),
      suspend: Effect.void
    })
  })
}

export const makeSessions = () => {
  const sessions = {
    reset: [] as Array<SessionKey>,
    queue: undefined as QueueOverride | undefined,
    touched: [] as Array<SessionKey>,
    broken: false
  }
  return Object.assign(sessions, {
    layer: Layer.mock(Sessions, {
      append: () => Effect.succeed(0),
      history: () => Effect.succeed({ sessionId: "s", messages: [] }),
      list: () => Effect.succeed({ rows: [], totalCount: 0 }),
      queue: () => Effect.sync(() => sessions.queue),
      setQueue: (_, override) =>
        Effect.sync(() => {
          sessions.queue = override
        }),
      touch: (key) =>
        Effect.suspend(() => {
          sessions.touched.push(key)
          return sessions.broken ? Effect.fail(new SessionStorageFailed({ message: "disk full" })) : Effect.void
        }),
      reset: (key) =>
        Effect.suspend(() => {
          if (sessions.broken) return Effect.fail(new SessionStorageFailed({ message: "disk full" }))
          sessions.reset.push(key)
          return Effect.void
        })
    })
  })
}

export const tempDatabase = Effect.acquireRelease(
  Effect.sync(() => Path.join(Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-channels-")), "state.sqlite")),
  (file) => Effect.sync(() => Fs.rmSync(Path.dirname(file), { recursive: true, force: true }))
)

/** Everything of this part that is real, over parts of others that are not. */
export const stackOf = (parts: {
  readonly filename: string
  readonly config: ReturnType<typeof makeConfig>
  readonly turns: ReturnType<typeof makeTurns>
  readonly sessions: ReturnType<typeof makeSessions>
  readonly identity?: GatewayIdentity["Service"]
  /** A database that is open already. */
  readonly sql?: SqlClient.SqlClient
}) =>
  ChannelRouter.layer.pipe(
    Layer.provideMerge(Layer.merge(Channels.layer, ChannelAccess.layer)),
    Layer.provideMerge(
      Layer.mergeAll(
        parts.sql === undefined
          ? Storage.layer({ filename: parts.filename })
          : Layer.succeed(SqlClient.SqlClient, parts.sql),
        Supervisor.layer,
        parts.config.layer,
        // Nobody asks for approvals here.
        Layer.mock(ExecApprovals)({}),
        parts.turns.layer,
        parts.sessions.layer,
        Layer.succeed(GatewayIdentity, parts.identity ?? { id: "gateway", process: "first" })
      )
    )
  )

/** A channel in memory. */
export const makeChannel = (id = "telegram", accountId = "default") => {
  const signal = new Signal()
  const queue: Array<ReadonlyArray<InboundMessage>> = []
  const fake = {
    sent: [] as Array<OutboundMessage>,
    confirmed: 0,
    /** What the next sends end with, instead of success. */
    failures: [] as Array<DeliveryFailed["outcome"]>,
    /** While set, sends wait for it. */
    gate: undefined as Deferred.Deferred<void> | undefined
  }
  return Object.assign(fake, {
    push: (...messages: ReadonlyArray<InboundMessage>) => {
      queue.push(messages)
      signal.notify()
    },
    said: (count: number) => signal.until(() => (fake.sent.length >= count ? [...fake.sent] : undefined)),
    hasConfirmed: (count: number) => signal.until(() => (fake.confirmed >= count ? true : undefined)),
    channel: {
      id,
      label: id,
      accountId,
      receive: (commit) =>
        Effect.gen(function* () {
          while (true) {
            const next = yield* signal.until(() => queue[0])
            yield* commit(next)
            queue.shift()
            fake.confirmed += next.length
            signal.notify()
          }
        }),
      send: (message) =>
        Effect.gen(function* () {
          if (fake.gate !== undefined) yield* Deferred.await(fake.gate)
          const outcome = fake.failures.shift()
          if (outcome !== undefined) {
            return yield* new DeliveryFailed({ channel: id, to: message.peer.chatId, message: "failed", outcome })
          }
          fake.sent.push(message)
          signal.notify()
          return { messageIds: [String(fake.sent.length)] }
        }),
      typing: () => Effect.never,
      parsePeer: (to) =>
        /^-?\d+$/.test(to)
          ? { channel: id, accountId, chatId: to, chatType: to.startsWith("-") ? "group" : "direct" }
          : undefined,
      status: Effect.succeed({ accountId, configured: true, running: true }),
      probe: Effect.succeed({ ok: true })
    } satisfies Channel as Channel
  })
}

let counter = 0

export const inbound = (text: string, changes: Partial<InboundMessage> = {}): InboundMessage => ({
  updateId: String(++counter),
  source: "42",
  peer: { channel: "telegram", accountId: "default", chatId: "7", chatType: "direct" },
  messageId: String(counter),
  sender: { id: "7", displayName: "Eve", username: "eve" },
  text,
  addressed: true,
  sentAt: 1_000,
  ...changes
})

export const groupPeer = (chatId = "-1001", threadId?: string) => ({
  channel: "telegram",
  accountId: "default",
  chatId,
  chatType: "group" as const,
  ...(threadId === undefined ? undefined : { threadId })
})

export const telegram = (
  section: NonNullable<NonNullable<OpenClawConfig["channels"]>["telegram"]>
): OpenClawConfig => ({
  channels: { telegram: section }
})
