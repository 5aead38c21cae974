/** What the registry's tests stand on: a real database in a temporary folder, a configuration that can be changed. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Ref from "effect/Ref"
import { ConnId, NodeId } from "../../src/domain/Ids.ts"
import * as EventBusLive from "../../src/layers/EventBus.ts"
import * as NodeRegistryLive from "../../src/layers/nodes/NodeRegistry.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import type { NodeInvokeRequest } from "../../src/protocol/EventTable.ts"
import { Config } from "../../src/services/Config.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { type BusEvent, EventBus } from "../../src/services/EventBus.ts"
import { type NodeIdentity, NodeNotConnected, NodeRegistry } from "../../src/services/NodeRegistry.ts"

/** The configuration of a test. */
export class Settings extends Context.Service<Settings, Ref.Ref<OpenClawConfig>>()("test/Settings") {}

const config = Layer.effect(
  Config,
  Effect.map(Settings, (settings) =>
    Config.of({
      file: "openclaw.json",
      get: Ref.get(settings),
      raw: Effect.die("unused"),
      set: () => Effect.die("unused"),
      unset: () => Effect.die("unused"),
      inspect: Effect.die("unused"),
      edit: () => Effect.die("unused"),
      unusedKeys: Effect.die("unused"),
      changes: undefined as never
    })
  )
)

const database = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    return Storage.layer({ filename: `${folder}/state.sqlite` })
  })
).pipe(Layer.provide([NodeFileSystem.layer, NodePath.layer]))

export const infrastructure = Layer.mergeAll(
  config.pipe(Layer.provideMerge(Layer.effect(Settings, Ref.make<OpenClawConfig>({})))),
  EventBusLive.layer,
  database
)

export const live = NodeRegistryLive.layer.pipe(Layer.provideMerge(infrastructure))

export const linux = (nodeId: string, connId: string, commands: ReadonlyArray<string>): NodeIdentity => ({
  nodeId: NodeId.make(nodeId),
  connId: ConnId.make(connId),
  clientId: "node-host",
  clientMode: "node",
  platform: "linux",
  deviceFamily: "Linux",
  caps: ["system"],
  commands
})

/** A socket that only collects what is sent to it. */
export const wire = () => {
  const sent: Array<NodeInvokeRequest> = []
  const cancelled: Array<string> = []
  const state = { retired: false }
  let broken = false
  return {
    sent,
    /** Ids of invokes that nobody waits for any longer. */
    cancelled,
    state,
    cancel: (invokeId: string) => Effect.sync(() => void cancelled.push(invokeId)),
    retire: Effect.sync(() => {
      state.retired = true
    }),
    break: () => {
      broken = true
    },
    send: (request: NodeInvokeRequest) =>
      Effect.suspend(() => {
        if (broken) return Effect.fail(new NodeNotConnected({ nodeId: request.nodeId, known: true }))
        sent.push(request)
        return Effect.void
      })
  }
}

/** Events published from here on. */
export const events = Effect.gen(function* () {
  const bus = yield* EventBus
  const subscription = yield* bus.subscribe
  const taken: Effect.Effect<ReadonlyArray<BusEvent>> = PubSub.takeUpTo(subscription, 1_000)
  return { taken }
})

/** Approves whatever the node waits for. */
export const approveAll = Effect.gen(function* () {
  const registry = yield* NodeRegistry
  const { pending } = yield* registry.pairing
  return yield* Effect.forEach(pending, (request) => registry.approve(request.requestId, ["operator.admin"]))
})
