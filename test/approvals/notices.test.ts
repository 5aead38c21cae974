/** What owners are told of a command that waits. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as Notices from "../../src/layers/approvals/notices.ts"
import * as EventBusLive from "../../src/layers/EventBus.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import { DeliveryFailed, type OutboundMessage } from "../../src/services/Channel.ts"
import { Channels } from "../../src/services/ChannelRouter.ts"
import { Config } from "../../src/services/Config.ts"
import { EventBus } from "../../src/services/EventBus.ts"
import { type Approval, ExecApprovals } from "../../src/services/ExecApprovals.ts"
import { plan } from "./kit.ts"

const approval = {
  id: "q",
  request: { command: plan.commandText, nodeId: "attic", host: "node", cwd: "/" } as Approval["request"],
  status: "pending",
  createdAtMs: 0,
  expiresAtMs: 600_000,
  delivery: "all"
} as Approval

/** A Gateway whose only owner is on Telegram. */
const around = Layer.mergeAll(
  EventBusLive.layer,
  SupervisorLive.layer,
  Layer.mock(Config, {
    file: "openclaw.json",
    get: Effect.succeed({ commands: { ownerAllowFrom: ["telegram:4711"] } })
  })
)
const status = () => Effect.succeed({ channelAccounts: { telegram: [{ accountId: "default", configured: true }] } })

describe("a question", () => {
  it.effect("says the same after a restart, or the outbox would refuse it under its key", () =>
    Effect.gen(function* () {
      const asked: Array<OutboundMessage> = []
      const services = Layer.mergeAll(
        around,
        Layer.succeed(Channels, {
          status,
          deliver: (message: OutboundMessage) =>
            Effect.as(
              Effect.sync(() => asked.push(message)),
              { messageIds: ["1"] }
            )
        } as unknown as Channels["Service"]),
        Layer.mock(ExecApprovals, { pending: Effect.succeed([approval]), addRoute: () => Effect.void })
      )
      // A life of the Gateway: it tells of what waits when it starts.
      const life = Effect.gen(function* () {
        const before = asked.length
        yield* Layer.build(Layer.fresh(Layer.provide(Notices.layer, services)))
        while (asked.length === before) yield* Effect.yieldNow
      }).pipe(Effect.scoped)
      yield* life
      yield* TestClock.adjust("3 minutes")
      yield* life
      const [first, second] = asked
      assert.include(first?.text, "Expires in: 10m")
      assert.deepStrictEqual(second, first)
    })
  )

  it.effect("is taken back from whoever was not told of it when it is over", () =>
    Effect.gen(function* () {
      const tried: Array<string> = []
      const withdrawn: Array<string> = []
      const services = Layer.mergeAll(
        around,
        Layer.succeed(Channels, {
          status,
          deliver: ({ idempotencyKey = "" }: OutboundMessage) =>
            Effect.suspend(() => {
              tried.push(idempotencyKey)
              const outcome = "never-sent"
              return Effect.fail(new DeliveryFailed({ channel: "telegram", to: "4711", message: "away", outcome }))
            }),
          withdraw: (key: string) => Effect.succeed(Effect.sync(() => withdrawn.push(key)))
        } as unknown as Channels["Service"]),
        Layer.mock(ExecApprovals, {
          pending: Effect.succeed([approval]),
          find: () => Effect.succeed({ ...approval, status: "expired", reason: "timeout" }),
          addRoute: () => Effect.void
        })
      )
      yield* Effect.gen(function* () {
        const context = yield* Layer.build(Layer.provideMerge(Notices.layer, services))
        const bus = Context.get(context, EventBus)
        while (tried.length === 0) yield* Effect.yieldNow
        yield* bus.publish("exec.approval.resolved", {
          id: "q",
          decision: "deny",
          resolvedBy: null,
          ts: 600_000,
          request: approval.request
        })
        while (!tried.includes("approval:q:4711:ended")) yield* Effect.yieldNow
        const before = tried.length
        yield* TestClock.adjust("10 minutes")
        assert.isAbove(tried.length, before)
        assert.notInclude(tried.slice(before), "approval:q:4711:asked")
        assert.deepStrictEqual(withdrawn, ["approval:q:4711:asked"])
      }).pipe(Effect.scoped)
    })
  )
})
