/**
 * `exec.approval.*`, `approval.*` and `exec.approvals.*`.
 */
import { createHash, randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { NodeId } from "../../../domain/Ids.ts"
import { type GatewayError, invalidRequest } from "../../../protocol/GatewayError.ts"
import { ApprovalDecision, ApprovalMethods, type Reviewer } from "../../../protocol/methods/approvals.ts"
import { open } from "../../../services/ApprovalsFile.ts"
import { Config } from "../../../services/Config.ts"
import {
  type ApprovalAmbiguous,
  ApprovalNotFound,
  type ApprovalsUnavailable,
  type DecisionUnavailable,
  ExecApprovals,
  type Resolver
} from "../../../services/ExecApprovals.ts"
import { NodeRegistry } from "../../../services/NodeRegistry.ts"
import { StateDir } from "../../../services/StateDir.ts"
import { approversOf } from "../../approvals/approvers.ts"
import { newApproval } from "../../approvals/asked.ts"
import { hostSnapshot } from "../../approvals/hostSnapshot.ts"
import { decidedOf, decisionsOf, pendingOf, previewOf, snapshotOf } from "../../approvals/snapshot.ts"
import { Access } from "../Access.ts"
import { concerns, type Connection, Connections, CurrentConnection, showsApprovals } from "../Connections.ts"
import { invokeFailed, storageFailed } from "./errors.ts"

const DEFAULT_HISTORY = 50

const decodeDecision = Schema.decodeUnknownOption(ApprovalDecision)
const Cursor = Schema.fromJsonString(
  Schema.Struct({ v: Schema.Literal(1), resolvedAtMs: Schema.Natural, id: Schema.NonEmptyString })
)
const decodeCursor = Schema.decodeUnknownOption(Cursor)

const notFound = invalidRequest("unknown or expired approval id", {
  details: {
    reason: "APPROVAL_NOT_FOUND",
    remediation: "Ask again; approvals that wait end when their time is over."
  }
})
const recordNotFound = invalidRequest("approval not found", { details: { reason: "APPROVAL_NOT_FOUND" } })

const explain =
  (missing: GatewayError) =>
  (error: ApprovalAmbiguous | ApprovalNotFound | ApprovalsUnavailable | DecisionUnavailable): GatewayError => {
    switch (error._tag) {
      case "ApprovalNotFound":
        return missing
      case "ApprovalAmbiguous":
        return invalidRequest(error.message, { details: { reason: "APPROVAL_AMBIGUOUS" } })
      case "DecisionUnavailable":
        return invalidRequest(error.message, { details: { reason: "APPROVAL_ALLOW_ALWAYS_UNAVAILABLE" } })
      case "ApprovalsUnavailable":
        return storageFailed(error)
    }
  }

const askerOf = ({ connId, deviceId }: Connection) => ({
  connId,
  ...(deviceId === undefined ? undefined : { deviceId })
})

/** Approvals by their whole ids are for those who decide everything, and for devices that may decide. */
const mayReview = ({ deviceId, scopes }: Connection): boolean =>
  scopes.includes("operator.admin") || deviceId !== undefined

const resolverOf = ({ client, deviceId }: Connection): Resolver =>
  deviceId === undefined ? { kind: "runtime", id: client.id } : { kind: "device", id: deviceId }

/** Standing grants belong to automations, which this Gateway does not have. */
const noGrants = (days: number | undefined) =>
  days === undefined
    ? Effect.void
    : Effect.fail(invalidRequest("grantExpiresInDays is for automations, and this Gateway has none"))

export const layer = ApprovalMethods.middleware(Access).toLayer(
  Effect.gen(function* () {
    const approvals = yield* ExecApprovals
    const config = yield* Config
    const nodes = yield* NodeRegistry
    const host = yield* open(yield* StateDir, {
      hash: (content) => createHash("sha256").update(content).digest("hex"),
      newId: () => randomUUID()
    })

    const request = Effect.fnUntraced(function* (params: Parameters<typeof newApproval>[0]) {
      const asked = yield* newApproval(params, askerOf(yield* CurrentConnection))
      const { approval, route } = yield* approvals
        .request(asked)
        .pipe(
          Effect.mapError((error) =>
            error._tag === "ApprovalIdTaken" ? invalidRequest(error.message) : storageFailed(error)
          )
        )
      if (approval.status !== "pending") return Stream.succeed(decidedOf(approval))
      const { createdAtMs, expiresAtMs, id } = approval
      const last = Stream.fromEffect(
        approvals.await(id).pipe(Effect.map(decidedOf), Effect.mapError(explain(notFound)))
      )
      if (params.twoPhase !== true) return last
      return Stream.concat(
        Stream.succeed({ status: "accepted" as const, id, deliveryRoute: route ?? "none", createdAtMs, expiresAtMs }),
        last
      )
    })

    /** One that waits and concerns who calls, by its id or its beginning. */
    const pick = Effect.fnUntraced(function* (id: string) {
      const connection = yield* CurrentConnection
      return yield* approvals.pick(id, ({ asker }) => concerns(connection, asker))
    })
    /** The same, by its whole id and whatever became of it. */
    const find = Effect.fnUntraced(function* (id: string) {
      const connection = yield* CurrentConnection
      const found = yield* approvals.find(id)
      return concerns(connection, found.asker) ? found : yield* new ApprovalNotFound({ id })
    })
    const review = Effect.fnUntraced(function* (id: string) {
      return mayReview(yield* CurrentConnection) ? yield* approvals.find(id) : yield* new ApprovalNotFound({ id })
    })

    /** Who decides: the connection, or the person on a channel in whose name it does. */
    const decider = Effect.fnUntraced(function* (reviewer: Reviewer | undefined) {
      if (reviewer === undefined) return resolverOf(yield* CurrentConnection)
      const { accountId, channel, senderId } = reviewer
      const named = yield* Effect.map(config.get, (current) => approversOf(current, channel, accountId)).pipe(
        Effect.orElseSucceed((): ReadonlyArray<string> => [])
      )
      return named.includes(senderId) ? ({ kind: "channel", id: `${channel}:${senderId}` } as const) : undefined
    })

    const resolve = Effect.fn("Gateway.exec.approval.resolve")(function* (params: {
      readonly id: string
      readonly decision: string
      readonly reviewer?: Reviewer | undefined
      readonly grantExpiresInDays?: number | undefined
    }) {
      const decision = decodeDecision(params.decision)
      if (Option.isNone(decision)) return yield* invalidRequest("invalid decision")
      yield* noGrants(params.grantExpiresInDays)
      const by = yield* decider(params.reviewer)
      if (by === undefined) return yield* notFound
      const found = yield* pick(params.id).pipe(
        Effect.catchTag("ApprovalNotFound", () => find(params.id)),
        Effect.mapError(explain(notFound))
      )
      const { applied, approval } = yield* Effect.mapError(
        approvals.resolve(found.id, decision.value, by),
        explain(notFound)
      )
      if (!applied && decidedOf(approval).decision !== decision.value) {
        return yield* invalidRequest("approval already resolved", {
          details: { reason: "APPROVAL_ALREADY_RESOLVED" }
        })
      }
      return { ok: true as const }
    })

    const onNode = (nodeId: string, command: string, params: unknown) =>
      nodes.invoke({ nodeId: NodeId.make(nodeId), command, params, idempotencyKey: randomUUID() }).pipe(
        Effect.mapError(invokeFailed),
        Effect.map(({ payload }) => payload)
      )

    return {
      "exec.approval.request": (params) => Stream.unwrap(request(params)),
      "exec.approval.waitDecision": ({ id }) =>
        Effect.andThen(find(id), approvals.await(id)).pipe(
          Effect.map((approval) => ({
            ...decidedOf(approval),
            ...(approval.reason === undefined ? undefined : { terminalReason: approval.reason })
          })),
          Effect.mapError(explain(invalidRequest("approval expired or not found")))
        ),
      "exec.approval.list": () =>
        Effect.flatMap(CurrentConnection, (connection) =>
          Effect.mapBoth(approvals.pending, {
            onSuccess: (pending) => pending.filter(({ asker }) => concerns(connection, asker)).map(pendingOf),
            onFailure: storageFailed
          })
        ),
      "exec.approval.get": ({ id }) =>
        Effect.mapBoth(pick(id), {
          onFailure: explain(notFound),
          onSuccess: (approval) => ({
            id: approval.id,
            commandText: approval.request.command,
            commandPreview: previewOf(approval),
            allowedDecisions: decisionsOf(approval),
            host: approval.request.host ?? null,
            nodeId: approval.request.nodeId ?? null,
            agentId: approval.request.agentId ?? null,
            expiresAtMs: approval.expiresAtMs
          })
        }),
      "exec.approval.resolve": resolve,
      "approval.get": ({ id }) =>
        Effect.mapBoth(review(id), {
          onFailure: explain(recordNotFound),
          onSuccess: (approval) => ({ approval: snapshotOf(approval) })
        }),
      "approval.resolve": Effect.fn("Gateway.approval.resolve")(function* (params) {
        const { decision, grantExpiresInDays, id, kind } = params
        yield* noGrants(grantExpiresInDays)
        yield* Effect.mapError(review(id), explain(recordNotFound))
        const by = yield* decider(params.reviewer)
        if (by === undefined) return yield* recordNotFound
        // A word about something else than what it is, or one that it does not take, is no word that could allow it.
        const malformed = approvals.resolve(id, "deny", by, "malformed-verdict")
        const verdict =
          kind === "exec"
            ? Effect.catchTag(approvals.resolve(id, decision, by), "DecisionUnavailable", () => malformed)
            : malformed
        const { applied, approval } = yield* Effect.mapError(verdict, explain(recordNotFound))
        return { applied, approval: snapshotOf(approval) }
      }),
      "approval.history": Effect.fn("Gateway.approval.history")(function* ({ cursor, kind, limit }) {
        const before =
          cursor === undefined ? undefined : decodeCursor(Buffer.from(cursor, "base64url").toString("utf8"))
        if (before !== undefined && Option.isNone(before)) {
          return yield* invalidRequest("invalid approval.history cursor")
        }
        if (kind !== undefined && kind !== "exec") return { items: [] }
        const page = yield* Effect.mapError(
          approvals.history({
            limit: limit ?? DEFAULT_HISTORY,
            ...(before === undefined ? undefined : { before: before.value })
          }),
          storageFailed
        )
        const { next } = page
        return {
          items: page.items.map(snapshotOf),
          ...(next === undefined
            ? undefined
            : { nextCursor: Buffer.from(JSON.stringify({ v: 1, ...next })).toString("base64url") })
        }
      }),
      "plugin.approval.list": () => Effect.succeed([]),
      "openclaw.approval.list": () => Effect.succeed([]),
      "exec.approvals.get": () => Effect.mapBoth(host.get, { onSuccess: hostSnapshot, onFailure: storageFailed }),
      "exec.approvals.set": ({ baseHash, file }) =>
        host.set(file, baseHash).pipe(
          Effect.map(hostSnapshot),
          Effect.mapError((error) => {
            if (error._tag === "ApprovalsFileUnusable") return storageFailed(error)
            switch (error.reason) {
              case "hash-missing":
                return invalidRequest("exec approvals base hash required; re-run exec.approvals.get and retry")
              case "changed":
                return invalidRequest("exec approvals changed since last load; re-run exec.approvals.get and retry")
              case "invalid":
                return invalidRequest(error.message)
            }
          })
        ),
      "exec.approvals.node.get": ({ nodeId }) => onNode(nodeId, "system.execApprovals.get", {}),
      "exec.approvals.node.set": ({ nodeId, ...document }) => {
        const { file, native } = document
        return (file === undefined) === (native === undefined)
          ? Effect.fail(invalidRequest("invalid exec.approvals.node.set params: pass file or native, one of them"))
          : onNode(nodeId, "system.execApprovals.set", document)
      }
    }
  })
)

/** Whoever is connected and shows approvals is told, unless it is who asks. */
export const route = Layer.effectDiscard(
  Effect.gen(function* () {
    const approvals = yield* ExecApprovals
    const connections = yield* Connections
    yield* approvals.addRoute(({ asker }) =>
      Effect.sync(() => {
        for (const connection of connections.all()) {
          if (connection.connId === asker.connId) continue
          if (showsApprovals(connection) && concerns(connection, asker)) return "approval-client"
        }
        return undefined
      })
    )
  })
)
