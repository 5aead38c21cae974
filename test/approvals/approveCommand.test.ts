/** A decision in a chat, and a Gateway that ends right after the message counts as dealt with. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as ExecApprovalsLive from "../../src/layers/approvals/ExecApprovals.ts"
import { approve } from "../../src/layers/channels/approveCommand.ts"
import * as EventBusLive from "../../src/layers/EventBus.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import type { InboundMessage } from "../../src/services/Channel.ts"
import { ExecApprovals } from "../../src/services/ExecApprovals.ts"

const life = Effect.fnUntraced(function* (filename: string) {
  const scope = yield* Scope.make()
  const layer = ExecApprovalsLive.layer.pipe(
    Layer.provideMerge(Storage.layer({ filename })),
    Layer.provide([EventBusLive.layer, SupervisorLive.layer])
  )
  const services = yield* Layer.buildWithScope(layer, scope)
  const approvals = Context.get(services, ExecApprovals)
  const sql = Context.get(services, SqlClient.SqlClient)
  /** Asked by a turn that goes on after a restart. */
  const ask = (id: string) =>
    Effect.andThen(
      sql`INSERT INTO turns ${sql.insert({ run_id: `turn-${id}`, session_key: "agent:main:main", request: "{}", submitted_at: 0 })}`,
      approvals.request({
        id,
        asker: {},
        runId: `turn-${id}`,
        timeoutMs: 60_000,
        allowedDecisions: ["allow-once", "deny"],
        waitsUntold: true,
        request: { command: "reboot" }
      })
    )
  const says = (rest: string) => sql.withTransaction(approve(approvals, config, message, rest))
  return { approvals, ask, says, sql, end: Scope.close(scope, Exit.void) }
})

const config = { commands: { ownerAllowFrom: ["telegram:4711"] } }
const message = {
  peer: { channel: "telegram", accountId: "default", chatId: "4711", chatType: "direct" },
  sender: { id: "4711" }
} as InboundMessage

describe("/approve", () => {
  it.effect("decides with the commit, whoever lives to carry out the rest", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const filename = `${yield* fs.makeTempDirectoryScoped()}/state.sqlite`
      const first = yield* life(filename)
      yield* first.ask("q1")
      yield* first.ask("q2")
      const { text } = yield* first.says("q1 allow-once")
      assert.strictEqual(text, "allow-once: `q1`")
      // Taken back: nothing was decided, and nobody was told.
      yield* first.sql.withTransaction(Effect.andThen(first.says("q2 allow-once"), Effect.fail("no"))).pipe(Effect.flip)
      assert.strictEqual((yield* first.approvals.find("q2")).status, "pending")
      yield* first.end

      const second = yield* life(filename)
      assert.deepInclude(yield* second.approvals.await("q1"), { status: "allowed", decision: "allow-once" })
      // One that waits here is told after the commit.
      const waiting = yield* Effect.forkChild(second.approvals.await("q2"), { startImmediately: true })
      const { carryOut } = yield* second.says("q2 deny")
      assert.isUndefined(waiting.pollUnsafe())
      yield* carryOut!
      assert.deepInclude(yield* Fiber.join(waiting), { status: "denied" })
      assert.include((yield* second.says("q1 deny")).text, "unknown or expired")
      yield* second.end
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
