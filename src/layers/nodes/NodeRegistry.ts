/**
 * `NodeRegistry` over the state database and the connections of this process.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { ConnId } from "../../domain/Ids.ts"
import {
  NodeHostStats,
  type NodeInvokeProgressParams,
  type NodeInvokeResultParams,
  NodePresenceAlive
} from "../../protocol/methods/nodes.ts"
import { Config, type ConfigInvalid, type ConfigUnreadable } from "../../services/Config.ts"
import { EventBus } from "../../services/EventBus.ts"
import { type NodeIdentity, NodeNotConnected, NodeRegistry } from "../../services/NodeRegistry.ts"
import { Tracing } from "../../services/Tracing.ts"
import * as Time from "../now.ts"
import * as Connections from "./connections.ts"
import * as Invoke from "./invoke.ts"
import * as Local from "./local.ts"
import * as Pairing from "./pairing.ts"
import { isAllowed, platformOf, rulesOf } from "./policy.ts"
import { callable, nodeRow, pairedNode, pendingNode } from "./rows.ts"
import * as Store from "./store.ts"
import { clean, usable } from "./surface.ts"
import * as Work from "./work.ts"

/** Events of a node that need no answer but the acknowledgement. */
const acknowledged: ReadonlySet<string> = new Set(["exec.started", "exec.finished", "exec.denied"])

const decodeAlive = Schema.decodeUnknownExit(NodePresenceAlive)
const decodeStats = Schema.decodeUnknownExit(NodeHostStats)

const nothingPublished = { tools: [], skills: [], features: [] }

/** A peer's own text in a log line: short, and without a way to forge one. */
const quoted = (text: string) => JSON.stringify(text.slice(0, 64))

/**
 * Approved surfaces and waiting requests live in the `SqlClient`'s tables (migration 3); connections, invokes and answers
 * in memory. Every invoke reads the command rules anew, so a changed configuration counts at once.
 */
export const layer: Layer.Layer<
  NodeRegistry,
  ConfigInvalid | ConfigUnreadable,
  Config | EventBus | SqlClient.SqlClient
> = Layer.effect(
  NodeRegistry,
  Effect.gen(function* () {
    const config = yield* Config
    const bus = yield* EventBus
    const store = yield* Store.make
    const work = yield* Work.make
    const connections = Connections.make()
    const pairing = yield* Pairing.make(store, connections, bus)

    yield* config.get
    // It was good once, and goes on while its file is broken.
    const rules = Effect.map(Effect.orDie(config.get), rulesOf)

    const isKnown = (nodeId: string) =>
      Effect.gen(function* () {
        return (yield* store.approvedOf(nodeId)) !== undefined || (yield* store.requestOf(nodeId)) !== undefined
      }).pipe(Effect.orElseSucceed(() => false))

    const invoke = Invoke.make({ connections, rules, isKnown, tracing: yield* Tracing, scope: yield* Effect.scope })

    const register = (connection: Connections.Connection) =>
      Effect.suspend(() => {
        const retired = connections.add(connection)
        return retired === undefined
          ? Effect.logInfo("node connected")
          : Effect.andThen(
              Effect.logWarning("node connected again; its earlier connection is retired"),
              retired.wire.retire
            )
      })

    const close = (connection: Connections.Connection) =>
      Effect.gen(function* () {
        connections.remove(connection)
        yield* Effect.logInfo("node disconnected")
        yield* Effect.ignore(store.seen(connection.node.nodeId, yield* Time.now, "connect"))
      })

    const connect: NodeRegistry["Service"]["connect"] = Effect.fn("NodeRegistry.connect")(function* (node, wire) {
      const current = yield* rules
      const connection: Connections.Connection = {
        node,
        subject: { platform: platformOf(node.platform, node.deviceFamily) },
        declared: { caps: clean(node.caps), commands: clean(node.commands) },
        approved: undefined,
        speaks: false,
        requestId: undefined,
        hostStats: undefined,
        ...nothingPublished,
        connectedAt: yield* Time.now,
        wire,
        waiting: new Map()
      }
      const logs = Effect.annotateLogs({ nodeId: node.nodeId, connId: node.connId })
      yield* Effect.acquireRelease(logs(pairing.declare(connection, current, register(connection))), () =>
        logs(close(connection))
      )
    })

    const complete = Effect.fn("NodeRegistry.complete")(function* (connId: ConnId, result: NodeInvokeResultParams) {
      const connection = connections.by(connId)
      if (connection !== undefined && Connections.deliver(connection, result)) return true
      yield* Effect.logWarning(
        `dropped the answer to invoke ${quoted(result.id)} in the name of node ${quoted(result.nodeId)}: nobody waits for it on this connection`
      ).pipe(Effect.annotateLogs({ connId }))
      return false
    })

    const progress = Effect.fn("NodeRegistry.progress")(function* (connId: ConnId, said: NodeInvokeProgressParams) {
      const connection = connections.by(connId)
      const told = connection && Connections.tell(connection, said)
      if (told !== undefined) yield* told
      return told !== undefined
    })

    const attach: NodeRegistry["Service"]["attach"] = Effect.fn("NodeRegistry.attach")(function* (node) {
      const names = Object.keys(node.commands)
      const identity: NodeIdentity = {
        nodeId: node.nodeId,
        connId: ConnId.make(`local:${randomUUID()}`),
        clientId: "gateway-client",
        clientMode: "node",
        ...(node.displayName === undefined ? undefined : { displayName: node.displayName }),
        caps: [],
        commands: names
      }
      const wire = yield* Local.make(node.commands, {
        complete: (result) => complete(identity.connId, result),
        progress: (said) => progress(identity.connId, said)
      })
      const surface = { caps: [], commands: names }
      const connection: Connections.Connection = {
        node: identity,
        subject: { platform: "unknown", own: new Set(names) },
        declared: surface,
        approved: surface,
        speaks: false,
        requestId: undefined,
        hostStats: undefined,
        ...nothingPublished,
        connectedAt: yield* Time.now,
        wire,
        waiting: new Map()
      }
      yield* Effect.acquireRelease(register(connection), () => Effect.sync(() => connections.remove(connection))).pipe(
        Effect.annotateLogs({ nodeId: node.nodeId })
      )
    })

    const event: NodeRegistry["Service"]["event"] = Effect.fn("NodeRegistry.event")(function* (connId, name, payload) {
      const connection = connections.by(connId)
      if (connection === undefined) return false
      if (name === "node.presence.alive") {
        const alive = decodeAlive(payload)
        if (Exit.isFailure(alive)) return false
        yield* Effect.ignore(store.seen(connection.node.nodeId, yield* Time.now, alive.value.trigger))
        return true
      }
      if (name !== "node.host.stats") return acknowledged.has(name)
      const stats = decodeStats(payload)
      if (Exit.isFailure(stats)) {
        yield* Effect.logWarning("dropped host stats that do not decode", stats.cause).pipe(
          Effect.annotateLogs({ connId })
        )
        return false
      }
      const received = { ...stats.value, updatedAtMs: yield* Time.now }
      connection.hostStats = received
      yield* Effect.ignore(store.stats(connection.node.nodeId, received))
      yield* bus.publish("node.hostStats", { nodeId: connection.node.nodeId, hostStats: received })
      return true
    })

    const list = Effect.gen(function* () {
      const current = yield* rules
      const approved = new Map((yield* store.approved).map((row) => [row.nodeId as string, row]))
      const requests = new Map((yield* store.requests).map((row) => [row.nodeId as string, row]))
      const labels = yield* store.labels
      const live = new Map(connections.all().map((connection) => [connection.node.nodeId as string, connection]))
      const ids = new Set([...live.keys(), ...approved.keys(), ...requests.keys()])
      return [...ids].toSorted().map((nodeId) =>
        nodeRow(
          nodeId,
          {
            approved: approved.get(nodeId),
            request: requests.get(nodeId),
            connection: live.get(nodeId),
            label: labels.get(nodeId)
          },
          current
        )
      )
    }).pipe(Effect.withSpan("NodeRegistry.list"))

    return NodeRegistry.of({
      connect,
      attach,
      invoke,
      complete,
      progress,
      event,
      approval: (connId) =>
        Effect.sync(() => {
          const connection = connections.by(connId)
          const found = { approved: connection?.approved !== undefined, speaks: connection?.speaks === true }
          return connection?.requestId === undefined ? found : { ...found, requestId: connection.requestId }
        }),
      list,
      describe: Effect.fn("NodeRegistry.describe")(function* (nodeId) {
        const row = (yield* list).find((candidate) => candidate.nodeId === nodeId)
        return row ?? (yield* new NodeNotConnected({ nodeId, known: false }))
      }),
      pairing: Effect.gen(function* () {
        const labels = yield* store.labels
        return {
          pending: (yield* store.requests).map(pendingNode),
          paired: (yield* store.approved).map((row) => pairedNode(row, labels.get(row.nodeId)))
        }
      }).pipe(Effect.withSpan("NodeRegistry.pairing")),
      approve: Effect.fn("NodeRegistry.approve")(pairing.approve),
      reject: Effect.fn("NodeRegistry.reject")(pairing.reject),
      rename: Effect.fn("NodeRegistry.rename")(function* (nodeId, displayName) {
        if (!(yield* list).some((row) => row.nodeId === nodeId)) return false
        yield* store.putLabel(nodeId, displayName)
        return true
      }),
      remove: Effect.fn("NodeRegistry.remove")(pairing.remove),
      publishTools: Effect.fn("NodeRegistry.publishTools")(function* (connId, tools) {
        const connection = connections.by(connId)
        if (connection === undefined) return []
        connection.tools = tools
        const current = yield* rules
        const approved = connection.approved?.commands ?? []
        return callable(
          tools,
          usable(connection.declared.commands, approved).filter((command) =>
            isAllowed(current, connection.subject, command)
          )
        )
      }),
      publishSkills: (connId, skills) =>
        Effect.sync(() => {
          const connection = connections.by(connId)
          if (connection !== undefined) connection.skills = skills
        }),
      // A node that declares nothing needs no approval to be here, and without one has no words for a model.
      skills: Effect.fn("NodeRegistry.skills")(function* (nodeId) {
        const approved = yield* Effect.orElseSucceed(store.approvedOf(nodeId), () => undefined)
        return approved === undefined ? [] : (connections.of(nodeId)?.skills ?? [])
      }),
      publishFeatures: (connId, features) =>
        Effect.sync(() => {
          const connection = connections.by(connId)
          if (connection !== undefined) connection.features = features
        }),
      enqueueWork: (asked) =>
        Effect.flatMap(store.approvedOf(asked.nodeId), (row) => work.enqueue(asked, row !== undefined)),
      drainWork: work.drain
    })
  })
)
