/**
 * `ExecApprovals` over the state database. What waits in this process waits on a `Deferred`; everything else is in the rows.
 */
import { randomUUID } from "node:crypto"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import type * as SqlClient from "effect/sql/SqlClient"
import { EventBus } from "../../services/EventBus.ts"
import {
  type Approval,
  ApprovalAmbiguous,
  ApprovalIdTaken,
  ApprovalNotFound,
  ApprovalsUnavailable,
  type Asker,
  DecisionUnavailable,
  type Delivery,
  ExecApprovals,
  type NewApproval,
  type Route
} from "../../services/ExecApprovals.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import { now } from "../now.ts"
import { check, required } from "./binding.ts"
import { shown } from "./display.ts"
import * as Rows from "./rows.ts"

/** The longest that the expiry sleeps, should the clock be set meanwhile. */
const longestSleepMs = 30_000

const orUnavailable = Effect.mapError(
  (error: { readonly message: string }) =>
    new ApprovalsUnavailable({ message: `approvals cannot be read or written: ${error.message}` })
)

const isOver = (approval: Approval) => approval.status !== "pending"

/** Runs of clients that this process knows; beyond these the oldest are not known to be the same run any more. */
const KNOWN_RUNS = 4_096

/** A client's question is for itself and for those who decide everything; a turn's is for whoever decides. */
const onlookers = ({ asker }: Approval) =>
  asker.connId === undefined && asker.deviceId === undefined ? undefined : asker

export const layer: Layer.Layer<ExecApprovals, never, EventBus | SqlClient.SqlClient | Supervisor> = Layer.effect(
  ExecApprovals,
  Effect.gen(function* () {
    const rows = yield* Rows.make
    const bus = yield* EventBus
    const supervisor = yield* Supervisor
    const routes = new Set<Route>()
    const waiting = new Map<string, Deferred.Deferred<Approval>>()
    const changed = yield* Queue.sliding<void>(1)

    const waiter = (id: string) => {
      const found = waiting.get(id) ?? Deferred.makeUnsafe<Approval>()
      waiting.set(id, found)
      return found
    }

    const announce = (approval: Approval) =>
      bus.publish(
        "exec.approval.requested",
        {
          id: approval.id,
          approvalKind: "exec",
          request: approval.request,
          createdAtMs: approval.createdAtMs,
          expiresAtMs: approval.expiresAtMs
        },
        undefined,
        onlookers(approval)
      )

    /** Tells whoever waits for one that it has ended, and everybody. */
    const told = (ended: Approval, silent = false) =>
      Effect.uninterruptible(
        Effect.gen(function* () {
          const { id } = ended
          yield* Deferred.succeed(waiter(id), ended)
          waiting.delete(id)
          yield* Effect.logInfo(`approval ${id} is ${ended.status} (${ended.reason})`)
          if (silent) return
          const payload = {
            id,
            decision: ended.decision ?? "deny",
            resolvedBy: ended.resolver?.kind === "system" ? null : (ended.resolver?.id ?? null),
            ts: ended.resolvedAtMs ?? (yield* now),
            request: ended.request
          } as const
          yield* bus.publish("exec.approval.resolved", payload, undefined, onlookers(ended))
        })
      )

    /** Ends one that waits, and tells everybody. `undefined` when somebody else did. */
    const end = (id: string, ending: Rows.Ending, silent = false) =>
      Effect.uninterruptible(
        Effect.tap(rows.end(id, ending), (ended) => (ended === undefined ? Effect.void : told(ended, silent)))
      )

    const system = (id?: string) => ({ kind: "system", ...(id === undefined ? undefined : { id }) }) as const

    const expire = Effect.gen(function* () {
      for (const id of yield* rows.due()) yield* end(id, { status: "expired", reason: "timeout", resolver: system() })
      const next = yield* rows.nextExpiry
      const left = next === undefined ? longestSleepMs : Math.max(1, next - (yield* now))
      yield* Effect.raceFirst(Queue.take(changed), Effect.sleep(Math.min(left, longestSleepMs)))
    })
    yield* supervisor.supervise("approvals/expiry", Effect.forever(expire), { restart: "always" })

    const cancel = (ids: ReadonlyArray<string>, reason: "run-aborted" | "gateway-restart") =>
      Effect.forEach(ids, (id) => end(id, { status: "cancelled", reason, resolver: system() }), { discard: true })
    // Who asked over a connection of the last process is not there any more, nor is a run that ended with it.
    yield* Effect.catch(
      Effect.flatMap(rows.orphans, (ids) => cancel(ids, "gateway-restart")),
      (error) => Effect.logWarning(`approvals that nobody waits for were not cancelled: ${error.message}`)
    )

    const subscription = yield* bus.subscribe
    const endings = Effect.gen(function* () {
      const { event, payload } = yield* PubSub.take(subscription)
      if (event !== "chat" || payload.state === "delta") return
      yield* cancel(yield* rows.ofRun(payload.runId), "run-aborted")
    })
    yield* supervisor.supervise("approvals/turns", Effect.forever(endings), { restart: "always" })

    const routeOf = Effect.fnUntraced(function* (asker: Asker, delivery: Delivery) {
      if (delivery === "none") return undefined
      for (const route of routes) {
        const name = yield* route({ asker, delivery })
        if (name !== undefined) return name
      }
      return undefined
    })

    const request = Effect.fn("ExecApprovals.request")(function* (options: NewApproval) {
      const id = options.id ?? randomUUID()
      const full = shown({ ...options.request, allowedDecisions: options.allowedDecisions })
      const delivery = options.delivery ?? "all"
      const route = yield* routeOf(options.asker, delivery)
      const approval = yield* orUnavailable(
        rows.add({
          id,
          request: full,
          delivery,
          digest: options.digest,
          timeoutMs: options.timeoutMs,
          asker: options.asker,
          runId: options.runId
        })
      )
      if (approval === undefined) return yield* new ApprovalIdTaken({ id })
      if (approval === "full") {
        return yield* new ApprovalsUnavailable({
          message: "too many commands wait for a person's word; decide about some of them first"
        })
      }
      if (route === undefined && options.waitsUntold !== true) {
        const ending = {
          status: "denied",
          reason: "no-route",
          decision: "deny",
          resolver: system("no-approval-route")
        } as const
        const ended = yield* orUnavailable(end(id, ending, true))
        return { approval: ended ?? approval, route }
      }
      yield* Queue.offer(changed, undefined)
      if (delivery !== "none") yield* announce(approval)
      return { approval, route }
    })

    const find = Effect.fnUntraced(function* (id: string) {
      return (yield* orUnavailable(rows.find(id))) ?? (yield* new ApprovalNotFound({ id }))
    })

    const wait = Effect.fn("ExecApprovals.await")(function* (id: string) {
      // Before the row is read: it may end in between.
      const ended = waiter(id)
      const approval = yield* Effect.tapError(find(id), () => Effect.sync(() => waiting.delete(id)))
      if (!isOver(approval)) return yield* Deferred.await(ended)
      waiting.delete(id)
      return approval
    })

    const pick: ExecApprovals["Service"]["pick"] = Effect.fn("ExecApprovals.pick")(function* (
      idOrPrefix,
      visible = () => true
    ) {
      const id = idOrPrefix.trim()
      const exact = yield* orUnavailable(rows.find(id))
      // Of one that is over, its id must not become the beginning of another's.
      if (exact !== undefined && visible(exact)) {
        return isOver(exact) ? yield* new ApprovalNotFound({ id }) : exact
      }
      const beginning = id.toLowerCase()
      const [found, another] = (yield* orUnavailable(rows.pending)).filter(
        (approval) => beginning !== "" && approval.id.toLowerCase().startsWith(beginning) && visible(approval)
      )
      if (another !== undefined) return yield* new ApprovalAmbiguous({ id })
      return found ?? (yield* new ApprovalNotFound({ id }))
    })

    const decide: ExecApprovals["Service"]["decide"] = Effect.fn("ExecApprovals.decide")(function* (
      id,
      decision,
      by,
      reason = "user"
    ) {
      const approval = yield* find(id)
      if (isOver(approval)) return { applied: false, approval, carryOut: Effect.void }
      if (approval.request.allowedDecisions?.includes(decision) === false) {
        return yield* new DecisionUnavailable({ id, decision })
      }
      const status = decision === "deny" ? "denied" : "allowed"
      // Its time may be over while nobody has noted it yet.
      const isLate = approval.expiresAtMs <= (yield* now)
      const ending: Rows.Ending = isLate
        ? { status: "expired", reason: "timeout", resolver: system() }
        : { status, reason, decision, resolver: by }
      const ended = yield* orUnavailable(rows.end(id, ending))
      return ended === undefined
        ? { applied: false, approval: yield* find(id), carryOut: Effect.void }
        : { applied: !isLate, approval: ended, carryOut: told(ended) }
    })

    const resolve: ExecApprovals["Service"]["resolve"] = Effect.fn("ExecApprovals.resolve")((...word) =>
      Effect.uninterruptible(
        Effect.flatMap(decide(...word), ({ applied, approval, carryOut }) => Effect.as(carryOut, { applied, approval }))
      )
    )

    /** Keys of the runs that clients began in this process, oldest first. */
    const begun = new Set<string>()
    const began = (key: string) => {
      begun.delete(key)
      begun.add(key)
      for (const oldest of begun) {
        if (begun.size <= KNOWN_RUNS) return
        begun.delete(oldest)
      }
    }

    const spend: ExecApprovals["Service"]["spend"] = Effect.fn("ExecApprovals.spend")(function* (claim) {
      const { approvalId, asker, key } = claim
      const approval = yield* orUnavailable(rows.find(approvalId))
      const run = JSON.stringify([approvalId, key])
      const isTurn = asker.connId === undefined && asker.deviceId === undefined
      // A run that began in time is the same run when it is asked for again.
      const isSame = approval?.spentBy === key && (isTurn || begun.has(run))
      const granted = check(approval, claim, isSame ? approval.createdAtMs : yield* now)
      if ("code" in granted) return yield* granted
      if (granted.decision === "allow-once" && approval?.spentBy === key && !isSame) return yield* required
      const isFirst = yield* orUnavailable(rows.spend(approvalId, key))
      if (!isFirst && granted.decision === "allow-once") return yield* required
      if (!isTurn) began(run)
      return granted
    })

    return ExecApprovals.of({
      request,
      await: wait,
      find: Effect.fn("ExecApprovals.find")(find),
      pick,
      pending: orUnavailable(rows.pending),
      history: Effect.fn("ExecApprovals.history")(({ before, limit }) => orUnavailable(rows.history(limit, before))),
      resolve,
      decide,
      withdraw: Effect.fn("ExecApprovals.withdraw")((runId) =>
        orUnavailable(Effect.flatMap(rows.ofRun(runId), (ids) => cancel(ids, "run-aborted")))
      ),
      spend,
      addRoute: (route) =>
        Effect.asVoid(
          Effect.acquireRelease(
            Effect.sync(() => routes.add(route)),
            () => Effect.sync(() => routes.delete(route))
          )
        )
    })
  })
)
