/** What owners are told of a command that waits. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as Notices from "../../src/layers/approvals/notices.ts"
import * as EventBusLive from "../../src/layers/EventBus.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import type { OutboundMessage } from "../../src/services/Channel.ts"
import { Channels } from "../../src/services/ChannelRouter.ts"
import { Config } from "../../src/services/Config.ts"
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

describe("a question", () => {
  it.effect("says the same after a restart, or the outbox would refuse it under its key", () =>
    Effect.gen(function* () {
      const asked: Array<OutboundMessage> = []
      const services = Layer.mergeAll(
        EventBusLive.layer,
        SupervisorLive.layer,
        Layer.mock(Config, {
          file: "openclaw.json",
          get: Effect.succeed({ commands: { ownerAllowFrom: ["telegram:4711"] } })
        }),
        Layer.succeed(Channels, {
          status: () =>
            Effect.succeed({
              channelAccounts: { telegram: [{ accountId: "default", configured: true }] }
            }),
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
})
