/**
 * The services around the agent, in memory.
 */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { NodeId, RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import * as AgentRunnerLayer from "../../src/layers/agent/AgentRunner.ts"
import { AgentEvent, ChatEvent } from "../../src/protocol/EventTable.ts"
import type { TranscriptMessage } from "../../src/protocol/methods/chat.ts"
import { AgentRunner, type TurnSteps } from "../../src/services/AgentRunner.ts"
import type { DeliveryFailed } from "../../src/services/Channel.ts"
import { Channels, type ChannelNotConfigured, type InvalidDestination } from "../../src/services/ChannelRouter.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { EventBus, type BusEvent } from "../../src/services/EventBus.ts"
import { ApprovalNotFound, ExecApprovals } from "../../src/services/ExecApprovals.ts"
import type { Models } from "../../src/services/Models.ts"
import {
  NodeNotConnected,
  NodeRegistry,
  type InvokeError,
  type InvokeOptions
} from "../../src/services/NodeRegistry.ts"
import { Sessions, SessionStorageFailed, type TranscriptEntry } from "../../src/services/Sessions.ts"
import type { TurnRequest } from "../../src/services/Turns.ts"
import { configLayer } from "../models/fixtures.ts"

export interface TestNode {
  readonly nodeId: string
  readonly displayName?: string
  readonly platform?: string
  readonly connected?: boolean
  readonly caps?: ReadonlyArray<string>
  readonly commands: Readonly<Record<string, (params: unknown) => Effect.Effect<unknown, InvokeError>>>
}

type SendError = ChannelNotConfigured | InvalidDestination | DeliveryFailed

export interface WorldOptions {
  /** Those that there are when somebody looks. */
  readonly nodes?: ReadonlyArray<TestNode> | (() => ReadonlyArray<TestNode>)
  readonly config?: OpenClawConfig
  readonly history?: ReadonlyArray<TranscriptMessage>
  readonly send?: (to: string) => Effect.Effect<void, SendError>
  readonly storageFails?: boolean
}

const decodeChat = Schema.decodeUnknownSync(ChatEvent)
const decodeAgent = Schema.decodeUnknownSync(AgentEvent)

/** Everything that a test looks at, and the layer of services that fill it. */
export const makeWorld = (options: WorldOptions = {}) => {
  const events: Array<BusEvent> = []
  const invokes: Array<InvokeOptions> = []
  const sends: Array<Parameters<Channels["Service"]["send"]>[0]> = []
  const transcript: Array<TranscriptEntry> = (options.history ?? []).map((message, index) => ({
    sessionKey: SessionKey.make("agent:main:main"),
    runId: RunId.make(message.runId ?? "earlier"),
    dedupeKey: `h${index}`,
    message
  }))
  const touched: Array<object> = []
  const storage = <A>(effect: Effect.Effect<A>): Effect.Effect<A, SessionStorageFailed> =>
    options.storageFails === true ? Effect.fail(new SessionStorageFailed({ message: "disk full" })) : effect

  const sessions = Layer.mock(Sessions)({
    append: (entries) =>
      storage(
        Effect.sync(() => {
          for (const entry of entries) {
            if (!transcript.some((known) => known.dedupeKey === entry.dedupeKey)) transcript.push(entry)
          }
          return transcript.length
        })
      ),
    history: () => storage(Effect.sync(() => ({ sessionId: "s", messages: transcript.map((entry) => entry.message) }))),
    context: () =>
      storage(
        Effect.sync(() => ({
          sessionId: "s",
          since: 0,
          summary: undefined,
          entries: transcript.map(({ message }, index) => ({ seq: index + 1, message }))
        }))
      ),
    model: () => Effect.undefined,
    touch: (_, change) => storage(Effect.sync(() => void touched.push(change)))
  })
  const bus = Layer.mock(EventBus)({
    publish: (event, payload) =>
      Effect.sync(() => {
        // What is published must be what the wire's table says.
        if (event === "chat") decodeChat(payload)
        if (event === "agent") decodeAgent(payload)
        events.push({ event, payload } as BusEvent)
      })
  })
  const all = options.nodes ?? []
  const nodes = typeof all === "function" ? all : () => all
  const registry = Layer.mock(NodeRegistry)({
    list: Effect.sync(() =>
      nodes().map(({ commands, connected = true, ...node }) => ({
        ...node,
        connected,
        commands: Object.keys(commands)
      }))
    ),
    invoke: (call) =>
      Effect.suspend(() => {
        invokes.push(call)
        const handler = nodes().find((node) => node.nodeId === call.nodeId)?.commands[call.command]
        if (handler === undefined) return Effect.fail(new NodeNotConnected({ nodeId: call.nodeId, known: false }))
        return Effect.map(handler(call.params), (payload) => ({
          nodeId: NodeId.make(call.nodeId),
          command: call.command,
          payload
        }))
      })
  })
  const channels = Layer.mock(Channels)({
    send: (message) =>
      Effect.suspend(() => {
        sends.push(message)
        return Effect.as(options.send?.(message.to) ?? Effect.void, {
          messageIds: ["m1"],
          channel: message.channel ?? "telegram",
          chatId: message.to
        })
      })
  })
  const approvals = Layer.mock(ExecApprovals)({ find: (id) => Effect.fail(new ApprovalNotFound({ id })) })
  const layer = AgentRunnerLayer.layer.pipe(
    Layer.provide([approvals, sessions, bus, registry, channels, configLayer(options.config ?? {})])
  )
  return {
    events,
    invokes,
    sends,
    transcript,
    touched,
    /** Provides the runner over a models layer. */
    provide: <ROut>(models: Layer.Layer<Models | ROut>) => Layer.provideMerge(layer, models),
    chat: () => events.flatMap((event) => (event.event === "chat" ? [event.payload] : [])),
    agent: () => events.flatMap((event) => (event.event === "agent" ? [event.payload] : []))
  }
}

export const request = (text: string, more: Partial<TurnRequest> = {}): TurnRequest => ({
  runId: RunId.make("run-1"),
  sessionKey: SessionKey.make("agent:main:main"),
  agentId: "main",
  text,
  receivedAt: 1_700_000_000_000,
  ...more
})

/** Nobody writes while the turn runs. */
const incoming: TurnSteps["incoming"] = { waiting: Effect.succeed(false), take: () => Effect.succeed([]) }

/** Steps that only run; `names` are those that ran. */
export const plainSteps = () => {
  const names: Array<string> = []
  const steps: TurnSteps = {
    step: ({ execute, name }) => Effect.suspend(() => (names.push(name), execute)),
    waits: identity,
    incoming
  }
  return { steps, names }
}

/** Steps that remember through their codecs, as JSON; the same journal given to a second run is a restart. */
export const journaledSteps = (journal: Map<string, string>, stopBefore?: string) => {
  const ran: Array<string> = []
  const steps: TurnSteps = {
    step: ({ execute, name, success }) =>
      Effect.suspend(() => {
        const stored = journal.get(name)
        const codec = Schema.fromJsonString(Schema.toCodecJson(success))
        if (stored !== undefined) return Effect.orDie(Schema.decodeEffect(codec)(stored))
        if (name === stopBefore) return Effect.interrupt
        ran.push(name)
        return Effect.tap(execute, (value) =>
          Effect.map(Effect.orDie(Schema.encodeEffect(codec)(value)), (text) => journal.set(name, text))
        )
      }),
    waits: identity,
    incoming
  }
  return { steps, ran }
}

export const run = (turn: TurnRequest, steps: TurnSteps = plainSteps().steps) =>
  AgentRunner.use((runner) => runner.run(turn, steps))
