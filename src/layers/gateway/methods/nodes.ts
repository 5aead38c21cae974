/**
 * `node.*`: what operators ask of nodes, and what nodes send.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { NodeId } from "../../../domain/Ids.ts"
import {
  type GatewayError,
  internal,
  invalidRequest,
  missingScope,
  unavailable
} from "../../../protocol/GatewayError.ts"
import { type NodeInvokeParams, NodeMethods } from "../../../protocol/methods/nodes.ts"
import { satisfies } from "../../../protocol/Role.ts"
import { DeviceRegistry } from "../../../services/DeviceRegistry.ts"
import { ExecApprovals } from "../../../services/ExecApprovals.ts"
import { type InvokeOptions, type NodeApproval, NodeRegistry } from "../../../services/NodeRegistry.ts"
import { type ApprovedRun, check as checkApproval } from "../../approvals/approvedRun.ts"
import { invokedByAdmins } from "../../nodes/policy.ts"
import { Access } from "../Access.ts"
import { CurrentConnection } from "../Connections.ts"
import { excess } from "../parseJson.ts"
import { approverLacksScope, invokeFailed, storageFailed, unknownRequest } from "./errors.ts"
import * as NodeEvents from "./nodeEvents.ts"

/** Commands that would let an operator with `operator.write` change what a node allows. */
const RESERVED = "system.execApprovals."

const invokeOptions = (params: NodeInvokeParams, run: ApprovedRun | undefined): InvokeOptions => ({
  nodeId: NodeId.make(params.nodeId),
  command: params.command,
  idempotencyKey: params.idempotencyKey,
  // Whoever asked may come back for the answer under the same key.
  detached: true,
  ...(run ?? (params.params === undefined ? undefined : { params: params.params })),
  ...(params.timeoutMs === undefined ? undefined : { timeoutMs: params.timeoutMs }),
  ...(params.sessionKey === undefined ? undefined : { sessionKey: params.sessionKey })
})

const readJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

/** JSON inside JSON is bounded like the message around it. */
const checkPayload = (method: string, json: string | null | undefined): Effect.Effect<void, GatewayError> => {
  const problem = typeof json === "string" ? excess(Buffer.from(json)) : undefined
  return problem === undefined
    ? Effect.void
    : Effect.fail(invalidRequest(`invalid ${method} params: at /payloadJSON: ${problem}`))
}

/** A value as its JSON reads: an in-process node may answer with what JSON has no word for. */
const asJson = (value: unknown) =>
  Effect.try({ try: () => JSON.parse(JSON.stringify(value ?? null)) as unknown, catch: () => internal() })

/** A node whose surface nobody approved has nothing to report yet. */
const unapproved = ({ requestId }: NodeApproval) =>
  unavailable(
    requestId === undefined
      ? "node commands are not approved; the node asks again when it reconnects"
      : `node commands await approval; run \`openclaw nodes approve ${requestId}\``,
    {
      retryable: true,
      details: { code: "PAIRING_CHANGED", ...(requestId === undefined ? undefined : { requestId }) }
    }
  )

export const layer = NodeMethods.middleware(Access).toLayer(
  Effect.gen(function* () {
    const nodes = yield* NodeRegistry
    const devices = yield* DeviceRegistry
    const approvals = yield* ExecApprovals
    const ofUser = yield* NodeEvents.make

    const invoke = Effect.fn("Gateway.node.invoke")(function* (params: NodeInvokeParams) {
      if (params.command.startsWith(RESERVED)) {
        return yield* invalidRequest(`node.invoke does not allow ${RESERVED}*; use exec.approvals.node.*`, {
          details: { command: params.command }
        })
      }
      const { connId, deviceId, scopes } = yield* CurrentConnection
      if (invokedByAdmins.has(params.command) && !satisfies(scopes, "operator.admin")) {
        return yield* missingScope("operator.admin")
      }
      const run = yield* checkApproval(approvals, params, { connId, ...(deviceId && { deviceId }) })
      const answer = yield* Effect.mapError(nodes.invoke(invokeOptions(params, run)), invokeFailed)
      const { command, nodeId } = answer
      return typeof answer.payloadJSON === "string"
        ? { ok: true, nodeId, command, payload: answer.payload, payloadJSON: answer.payloadJSON }
        : { ok: true, nodeId, command, payload: yield* asJson(answer.payload), payloadJSON: null }
    })

    const event = Effect.fn("Gateway.node.event")(function* (params: {
      readonly event: string
      readonly payload?: unknown
      readonly payloadJSON?: string | null | undefined
    }) {
      const { connId } = yield* CurrentConnection
      const approval = yield* nodes.approval(connId)
      if (!approval.approved) return yield* unapproved(approval)
      yield* checkPayload("node.event", params.payloadJSON)
      const json = typeof params.payloadJSON === "string" ? readJson(params.payloadJSON) : Option.some(params.payload)
      if (Option.isNone(json)) return yield* invalidRequest("invalid node.event params: at /payloadJSON: must be JSON")
      const taken = yield* ofUser(params.event, json.value, approval)
      if (taken !== undefined) return { ok: true, event: params.event, ...taken }
      const handled = yield* nodes.event(connId, params.event, json.value)
      return { ok: true, event: params.event, handled, reason: handled ? "updated" : "unsupported_event" }
    })

    const approve = Effect.fn("Gateway.node.pair.approve")(function* ({ requestId }: { readonly requestId: string }) {
      const { scopes } = yield* CurrentConnection
      const node = yield* nodes.approve(requestId, scopes).pipe(
        Effect.catchTags({
          PairingRequestNotFound: (error) => Effect.fail(unknownRequest(error)),
          ApproverLacksScope: (error) => Effect.fail(approverLacksScope(error)),
          RegistryStorageFailed: (error) => Effect.fail(storageFailed(error))
        })
      )
      return { requestId, node }
    })

    const reject = Effect.fn("Gateway.node.pair.reject")(function* ({ requestId }: { readonly requestId: string }) {
      const nodeId = yield* nodes.reject(requestId).pipe(
        Effect.catchTags({
          PairingRequestNotFound: (error) => Effect.fail(unknownRequest(error)),
          RegistryStorageFailed: (error) => Effect.fail(storageFailed(error))
        })
      )
      return { requestId, nodeId }
    })

    const remove = Effect.fn("Gateway.node.pair.remove")(function* ({ nodeId }: { readonly nodeId: string }) {
      const caller = yield* CurrentConnection
      const admin = caller.scopes.includes("operator.admin")
      // A device must not shed its node's role to slip out of what was approved for it.
      if (!admin && caller.method === "device-token" && caller.deviceId === nodeId) {
        return yield* missingScope("operator.admin")
      }
      const surface = yield* Effect.mapError(nodes.remove(nodeId), storageFailed)
      const role = yield* Effect.mapError(devices.removeRole(nodeId, "node"), storageFailed)
      if (!surface && !role) return yield* invalidRequest("unknown nodeId")
      return { nodeId }
    })

    const rename = Effect.fn("Gateway.node.rename")(function* (params: {
      readonly nodeId: string
      readonly displayName: string
    }) {
      const displayName = params.displayName.trim()
      if (displayName === "") return yield* invalidRequest("displayName required")
      if (!(yield* Effect.mapError(nodes.rename(params.nodeId, displayName), storageFailed))) {
        return yield* invalidRequest("unknown nodeId")
      }
      return { nodeId: params.nodeId, displayName }
    })

    /** The node that calls, once an operator approved it. */
    const approvedNode = Effect.gen(function* () {
      const { connId, deviceId } = yield* CurrentConnection
      const approval = yield* nodes.approval(connId)
      return approval.approved && deviceId !== undefined ? { connId, nodeId: deviceId } : yield* unapproved(approval)
    })
    const callingNode = Effect.gen(function* () {
      const { connId, deviceId } = yield* CurrentConnection
      return deviceId === undefined ? yield* internal() : { connId, nodeId: deviceId }
    })

    return {
      "node.pair.remove": remove,
      "node.rename": rename,
      "node.pending.enqueue": ({ expiresInMs, nodeId, priority = "normal", type }) =>
        nodes.enqueueWork({ nodeId, type, priority, expiresInMs }).pipe(
          Effect.map((answer) => ({ nodeId, ...answer, wakeTriggered: false })),
          Effect.catchTags({
            NodeNotConnected: (error) =>
              Effect.fail(unavailable(error.message, { retryable: true, details: { code: "PAIRING_CHANGED" } })),
            RegistryStorageFailed: (error) => Effect.fail(storageFailed(error))
          })
        ),
      "node.pending.drain": ({ maxItems = 4 }) =>
        Effect.gen(function* () {
          const { nodeId } = yield* approvedNode
          return { nodeId, ...(yield* Effect.mapError(nodes.drainWork(nodeId, maxItems), storageFailed)) }
        }),
      "node.pluginTools.update": ({ tools }) =>
        Effect.gen(function* () {
          const { connId, nodeId } = yield* callingNode
          return { nodeId, tools: yield* nodes.publishTools(connId, tools) }
        }),
      "node.skills.update": ({ skills }) =>
        Effect.gen(function* () {
          const { connId, nodeId } = yield* callingNode
          yield* nodes.publishSkills(connId, skills)
          return { nodeId, skills }
        }),
      "node.runnerInventory.update": ({ protocolFeatures }) =>
        Effect.gen(function* () {
          const { connId, nodeId } = yield* approvedNode
          yield* nodes.publishFeatures(connId, protocolFeatures)
          return { nodeId }
        }),
      "node.list": () =>
        Effect.gen(function* () {
          return { ts: yield* Clock.currentTimeMillis, nodes: yield* Effect.mapError(nodes.list, storageFailed) }
        }),
      "node.describe": ({ nodeId }) =>
        Effect.gen(function* () {
          const node = yield* nodes.describe(nodeId).pipe(
            Effect.catchTags({
              NodeNotConnected: () => Effect.fail(invalidRequest("unknown nodeId")),
              RegistryStorageFailed: (error) => Effect.fail(storageFailed(error))
            })
          )
          return { ts: yield* Clock.currentTimeMillis, ...node }
        }),
      "node.invoke": invoke,
      "node.invoke.result": (params) =>
        Effect.gen(function* () {
          const { connId, deviceId } = yield* CurrentConnection
          if (params.nodeId !== deviceId) {
            yield* Effect.logWarning(
              `node ${deviceId} answered in the name of ${JSON.stringify(params.nodeId.slice(0, 80))}; refused`
            )
            return yield* invalidRequest("nodeId mismatch")
          }
          yield* checkPayload("node.invoke.result", params.payloadJSON).pipe(
            // Whoever waits for the answer need not wait for one that will not come.
            Effect.tapError(({ message }) =>
              nodes.complete(connId, { id: params.id, nodeId: params.nodeId, ok: false, error: { message } })
            )
          )
          return (yield* nodes.complete(connId, params)) ? { ok: true as const } : { ok: true as const, ignored: true }
        }),
      "node.invoke.progress": (params) =>
        Effect.gen(function* () {
          const { connId, deviceId } = yield* CurrentConnection
          if (params.nodeId !== deviceId) return yield* invalidRequest("nodeId mismatch")
          return (yield* nodes.progress(connId, params)) ? { ok: true as const } : { ok: true as const, ignored: true }
        }),
      "node.event": event,
      "node.pair.list": () => Effect.mapError(nodes.pairing, storageFailed),
      "node.pair.approve": approve,
      "node.pair.reject": reject
    }
  })
)
