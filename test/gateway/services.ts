/**
 * Layers for everything that the Gateway's server serves but does not own, small enough to reason about in a test.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { NodeId, RunId } from "../../src/domain/Ids.ts"
import * as EventBusLayer from "../../src/layers/EventBus.ts"
import * as SystemEventsLayer from "../../src/layers/SystemEvents.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import * as SupervisorLayer from "../../src/layers/Supervisor.ts"
import * as ExecApprovalsLayer from "../../src/layers/approvals/ExecApprovals.ts"
import * as VoiceWakeLayer from "../../src/layers/VoiceWake.ts"
import * as DeviceRegistryLayer from "../../src/layers/devices/DeviceRegistry.ts"
import type { NodeInvokeResultParams } from "../../src/protocol/methods/nodes.ts"
import {
  ChannelAccess,
  ChannelRouter,
  Channels,
  DeliveryNotFound,
  InvalidDestination
} from "../../src/services/ChannelRouter.ts"
import { DeadLetterNotFound, DeadLetters } from "../../src/services/DeadLetters.ts"
import { Config } from "../../src/services/Config.ts"
import { Models, ModelUnavailable } from "../../src/services/Models.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import {
  CommandNotAllowed,
  InvokeTimeout,
  type NodeIdentity,
  NodeNotConnected,
  NodeRegistry,
  PairingRequestNotFound,
  RegistryStorageFailed,
  type NodeWire
} from "../../src/services/NodeRegistry.ts"
import { NodeTurns } from "../../src/services/NodeTurns.ts"
import { type SessionChange, Sessions } from "../../src/services/Sessions.ts"
import { StateDir } from "../../src/services/StateDir.ts"
import { RunIdConflict, Turns } from "../../src/services/Turns.ts"
import { Tailscale, TailscaleUnavailable } from "../../src/services/Tailscale.ts"

/** Of a Gateway whose file says this. */
export const configured = (content: OpenClawConfig) =>
  Layer.succeed(
    Config,
    Config.of({
      file: "/nowhere/openclaw.json",
      get: Effect.succeed(content),
      raw: Effect.succeed({}),
      set: () => Effect.void,
      unset: () => Effect.succeed(false),
      inspect: Effect.succeed({ text: undefined, raw: {}, composed: {}, problems: [], unusedKeys: [] }),
      edit: () => Effect.die("unused"),
      unusedKeys: Effect.succeed([]),
      changes: Stream.empty
    })
  )
const config = configured({})

const channels = Layer.succeed(
  Channels,
  Channels.of({
    policy: () => Effect.succeed(undefined),
    register: () => Effect.void,
    resolve: ({ accountId = "default", channel = "telegram", to }) =>
      to === "nobody"
        ? Effect.fail(new InvalidDestination({ channel, to }))
        : Effect.succeed({ channel, accountId, chatId: to, chatType: "direct" as const }),
    send: (options) =>
      Effect.succeed({
        messageIds: [options.to === "namelessly" ? "" : "m1"],
        channel: options.channel ?? "telegram",
        chatId: options.to
      }),
    deliver: () => Effect.succeed({ messageIds: [] }),
    deliveries: () => Effect.succeed([]),
    deliveryCounts: Effect.succeed({ sending: 0, waiting: 0, unknown: 0, refused: 0 }),
    retryDelivery: (key) => Effect.fail(new DeliveryNotFound({ key })),
    dropDelivery: () => Effect.succeed(false),
    withdraw: () => Effect.succeed(Effect.void),
    abandon: () => Effect.void,
    typing: () => Effect.never,
    status: () =>
      Effect.succeed({
        ts: 1,
        channelOrder: [],
        channelLabels: {},
        channels: {},
        channelAccounts: {},
        channelDefaultAccountId: {}
      })
  })
)

const router = Layer.mergeAll(Layer.mock(ChannelRouter, { pause: Effect.void }), Layer.mock(ChannelAccess, {}))

const deadLetters = Layer.mock(DeadLetters, {
  list: () => Effect.succeed([]),
  counts: Effect.succeed({ total: 0, turn: 0, delivery: 0, message: 0 }),
  queues: Effect.succeed([]),
  find: (id) => Effect.fail(new DeadLetterNotFound({ id })),
  retry: (id) => Effect.fail(new DeadLetterNotFound({ id })),
  drop: (id) => Effect.fail(new DeadLetterNotFound({ id }))
})

const page = {
  sessionId: "s1",
  messages: [{ role: "user", content: "hello", __openclaw: { id: "m1", seq: 1 } }],
  total: 1,
  resetSeq: 0,
  lastSeq: 1
}
const row = { key: "agent:main:main", kind: "direct" } as const

const sessions = Layer.mock(Sessions, {
  append: () => Effect.succeed(1),
  history: () => Effect.succeed({ sessionId: "s1", messages: [{ role: "user", content: "hello" }] }),
  page: () => Effect.succeed(page),
  find: () => Effect.undefined,
  describe: () => Effect.succeed(row),
  byId: () => Effect.succeed([]),
  model: () => Effect.undefined,
  patch: () => Effect.succeed(row),
  remove: () => Effect.succeed(true),
  changes: Effect.flatMap(PubSub.unbounded<SessionChange>(), PubSub.subscribe),
  stored: Effect.void,
  list: () => Effect.succeed({ rows: [row], totalCount: 1 }),
  recent: () => Effect.succeed({ rows: [{ key: row.key, updatedAt: null }], totalCount: 1 }),
  touch: () => Effect.void,
  queue: () => Effect.undefined,
  setQueue: () => Effect.void,
  reset: () => Effect.void
})

/** Turns that end at once; one whose text is `wait` runs until aborted, one whose text is `crash` is a defect. */
const turns = Layer.effect(
  Turns,
  Effect.gen(function* () {
    const seen = yield* Ref.make(new Map<string, string>())
    return Turns.of({
      submit: (request) =>
        request.text === "crash"
          ? Effect.die(new Error("the secret reason of a crash"))
          : Effect.flatMap(Ref.get(seen), (known) => {
              const { runId, text } = request
              if (known.has(runId) && known.get(runId) !== text) return Effect.fail(new RunIdConflict({ runId }))
              return Effect.as(Ref.set(seen, new Map(known).set(runId, text)), !known.has(runId))
            }),
      await: (runId, sessionKey) =>
        Effect.flatMap(Ref.get(seen), (known) => {
          const text = known.get(runId)
          if (text === "wait") return Effect.never
          return Effect.succeed({
            runId,
            sessionKey,
            status: text === "fail" ? ("error" as const) : ("ok" as const),
            text: text === "fail" ? "the model is not available" : `you said ${text}`,
            toolCalls: 0,
            durationMs: 1
          })
        }),
      find: () => Effect.undefined,
      knows: (runId) => Effect.map(Ref.get(seen), (known) => known.has(runId)),
      requestAbort: (_, { runId }) =>
        Effect.succeed({ runIds: runId === undefined ? [] : [runId], carryOut: Effect.void }),
      anew: () => Effect.succeed(true),
      abort: (_, { runId }) => Effect.succeed(runId === undefined ? [] : [runId]),
      inFlight: () =>
        Effect.map(Ref.get(seen), (known) => {
          const running = Array.from(known).find(([, text]) => text === "wait")
          return running === undefined ? undefined : { runId: RunId.make(running[0]), text: "so far" }
        }),
      waiting: () => Effect.succeed([]),
      active: Effect.succeed(0),
      settle: () => Effect.succeed(0),
      suspend: Effect.void
    })
  })
)

/** What nodes did, for tests to look at. */
export interface NodeLog {
  readonly connected: Array<NodeIdentity>
  readonly gone: Array<string>
  readonly results: Array<{ readonly connId: string; readonly result: NodeInvokeResultParams }>
  readonly invokes: Array<{ readonly command: string; readonly timeoutMs: number | undefined }>
}

const nodes = (log: NodeLog) =>
  Layer.sync(NodeRegistry, () => {
    const live = new Map<string, { readonly identity: NodeIdentity; readonly wire: NodeWire }>()
    return NodeRegistry.of({
      connect: (identity, wire) =>
        identity.displayName === "broken"
          ? Effect.fail(new RegistryStorageFailed({ message: "disk full" }))
          : Effect.acquireRelease(
              Effect.sync(() => {
                log.connected.push(identity)
                live.set(identity.nodeId, { identity, wire })
              }),
              () =>
                Effect.sync(() => {
                  log.gone.push(identity.connId)
                  live.delete(identity.nodeId)
                })
            ),
      attach: () => Effect.void,
      progress: () => Effect.succeed(false),
      invoke: (options) =>
        Effect.gen(function* () {
          log.invokes.push({ command: options.command, timeoutMs: options.timeoutMs })
          const node = live.get(options.nodeId)
          if (node === undefined) return yield* new NodeNotConnected({ nodeId: options.nodeId, known: false })
          const { command, nodeId } = options
          if (command === "camera.snap") {
            return yield* new CommandNotAllowed({ nodeId, command, reason: "command not allowlisted" })
          }
          if (command === "slow") return yield* new InvokeTimeout({ nodeId, command, timeoutMs: 1 })
          if (command === "odd") return { nodeId, command, payload: { yes: undefined, no: 1 } }
          yield* node.wire.send({ id: "i1", nodeId, command, paramsJSON: JSON.stringify(options.params ?? null) })
          return { nodeId, command, payload: { ok: 1 }, payloadJSON: `{"ok":1}` }
        }),
      complete: (connId, result) =>
        Effect.sync(() => {
          log.results.push({ connId, result })
          return result.id === "i1"
        }),
      event: () => Effect.succeed(true),
      approval: () => Effect.succeed({ approved: true, speaks: true }),
      list: Effect.sync(() => Array.from(live.keys(), (nodeId) => ({ nodeId, connected: true, paired: true }))),
      describe: (nodeId) =>
        live.has(nodeId) ? Effect.succeed({ nodeId }) : Effect.fail(new NodeNotConnected({ nodeId, known: false })),
      rename: (nodeId) => Effect.succeed(live.has(nodeId)),
      remove: (nodeId) => Effect.succeed(live.has(nodeId)),
      publishTools: (_, tools) => Effect.succeed(tools),
      publishSkills: () => Effect.void,
      skills: () => Effect.succeed([]),
      publishFeatures: () => Effect.void,
      enqueueWork: ({ nodeId }) => Effect.fail(new NodeNotConnected({ nodeId, known: false })),
      drainWork: () => Effect.succeed({ revision: 0, items: [], hasMore: false }),
      pairing: Effect.succeed({ pending: [], paired: [] }),
      approve: (requestId) => Effect.fail(new PairingRequestNotFound({ requestId })),
      reject: (requestId) =>
        requestId === "known"
          ? Effect.succeed(NodeId.make("n1"))
          : Effect.fail(new PairingRequestNotFound({ requestId }))
    })
  })

const nodeTurns = Layer.mock(NodeTurns, { owed: () => undefined, owedTo: () => [] })

/** A state directory that lives as long as the test. */
export const memoryStateDir = Layer.sync(StateDir, () => {
  const files = new Map<string, string>()
  return StateDir.of({
    root: "/nowhere",
    path: (...segments) => ["/nowhere", ...segments].join("/"),
    read: (name) => Effect.sync(() => files.get(name)),
    write: (name, content) => Effect.sync(() => void files.set(name, content)),
    own: Effect.void,
    hold: () => Effect.void,
    holder: () => Effect.undefined,
    announce: () => Effect.void,
    owner: Effect.succeed(Option.none())
  })
})

const storage = Layer.unwrap(
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "openclaw-gateway-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    ),
    (folder) => Storage.layer({ filename: join(folder, "state.sqlite") })
  )
)

const models = Layer.mock(Models, {
  resolve: (ref = "") =>
    Effect.fail(new ModelUnavailable({ model: ref, reason: "not-configured", message: "there is no model" })),
  defaultRef: Effect.undefined
})

const infrastructure = Layer.mergeAll(EventBusLayer.layer, SupervisorLayer.layer, memoryStateDir, storage)

/** The device registry over a database in memory, and what it stands on. */
export const devices = DeviceRegistryLayer.layer.pipe(Layer.provideMerge(infrastructure))

const approvals = ExecApprovalsLayer.layer.pipe(Layer.provide(infrastructure))
const voiceWake = VoiceWakeLayer.layer.pipe(Layer.provide(infrastructure))

const absent = Effect.fail(
  new TailscaleUnavailable({ reason: "not-installed", detail: "there is no `tailscale` program" })
)

/** A machine without Tailscale. */
export const noTailscale = Layer.succeed(Tailscale, {
  status: absent,
  routes: absent,
  whois: () => absent,
  hold: () => Effect.never
})

/** Everything that `GatewayServer.layer` asks for; also what tests publish through. */
export const services = (log: NodeLog) =>
  Layer.mergeAll(
    config,
    channels,
    router,
    deadLetters,
    sessions,
    turns,
    nodes(log),
    nodeTurns,
    devices,
    approvals,
    models,
    voiceWake,
    noTailscale,
    SystemEventsLayer.layer,
    NodeServices.layer
  )
