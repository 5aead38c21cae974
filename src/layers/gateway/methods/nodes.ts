/**
 * `node.*`: what operators ask of nodes, and what nodes send.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { NodeId } from "../../../domain/Ids.ts"
import { type GatewayError, internal, invalidRequest, unavailable } from "../../../protocol/GatewayError.ts"
import { type NodeInvokeParams, NodeMethods } from "../../../protocol/methods/nodes.ts"
import { ExecApprovals } from "../../../services/ExecApprovals.ts"
import { type InvokeOptions, type NodeApproval, NodeRegistry } from "../../../services/NodeRegistry.ts"
import { type ApprovedRun, check as checkApproval } from "../../approvals/approvedRun.ts"
import { Access } from "../Access.ts"
import { CurrentConnection } from "../Connections.ts"
import { excess } from "../parseJson.ts"
import { approverLacksScope, invokeFailed, storageFailed, unknownRequest } from "./errors.ts"

/** Commands that would let an operator with `operator.write` change what a node allows. */
const RESERVED = "system.execApprovals."

const invokeOptions = (params: NodeInvokeParams, run: ApprovedRun | undefined): InvokeOptions => ({
  nodeId: NodeId.make(params.nodeId),
  command: params.command,
  idempotencyKey: params.idempotencyKey,
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
    const approvals = yield* ExecApprovals

    const invoke = Effect.fn("Gateway.node.invoke")(function* (params: NodeInvokeParams) {
      if (params.command.startsWith(RESERVED)) {
        return yield* invalidRequest(
          `node.invoke does not allow ${RESERVED}*; use exec.approvals.node.*`,
          {
            details: { command: params.command }
          }
        )
      }
      const { connId, deviceId } = yield* CurrentConnection
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
      const handled = yield* nodes.event(connId, params.event, json.value)
      return { ok: true, event: params.event, handled, ...(handled ? undefined : { reason: "unused" }) }
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

    return {
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
            return yield* invalidRequest("invalid node.invoke.result params: at /nodeId: must be this node's own id")
          }
          yield* checkPayload("node.invoke.result", params.payloadJSON).pipe(
            // Whoever waits for the answer need not wait for one that will not come.
            Effect.tapError(({ message }) =>
              nodes.complete(connId, { id: params.id, nodeId: params.nodeId, ok: false, error: { message } })
            )
          )
          return (yield* nodes.complete(connId, params)) ? { ok: true as const } : { ok: true as const, ignored: true }
        }),
      "node.event": event,
      "node.pair.list": () => Effect.mapError(nodes.pairing, storageFailed),
      "node.pair.approve": approve,
      "node.pair.reject": reject
    }
  })
)
