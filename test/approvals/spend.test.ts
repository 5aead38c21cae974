/** What an approval is good for: this run, asked for by this client, in time, once. */
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
import { TestClock } from "effect/testing"
import * as ExecApprovalsLive from "../../src/layers/approvals/ExecApprovals.ts"
import { bindingOf } from "../../src/layers/approvals/binding.ts"
import * as EventBusLive from "../../src/layers/EventBus.ts"
import { MOST_WAITING } from "../../src/layers/approvals/rows.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import * as SupervisorLive from "../../src/layers/Supervisor.ts"
import { type Asker, type Claim, ExecApprovals } from "../../src/services/ExecApprovals.ts"
import { plan } from "./kit.ts"

/** One life of the Gateway over a database. */
const life = Effect.fnUntraced(function* (filename: string) {
  const scope = yield* Scope.make()
  const layer = ExecApprovalsLive.layer.pipe(
    Layer.provide([Storage.layer({ filename }), EventBusLive.layer, SupervisorLive.layer])
  )
  const approvals = Context.get(yield* Layer.buildWithScope(layer, scope), ExecApprovals)
  return { approvals, end: Scope.close(scope, Exit.void) }
})
const database = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  Effect.map(fs.makeTempDirectoryScoped(), (folder) => `${folder}/state.sqlite`)
)
type Approvals = ExecApprovals["Service"]

const ask = (approvals: Approvals, id: string, asker: Asker, timeoutMs = 60_000, runId?: string) =>
  approvals.request({
    id,
    ...(runId === undefined ? undefined : { runId }),
    asker,
    timeoutMs,
    allowedDecisions: ["allow-once", "allow-always", "deny"],
    waitsUntold: true,
    request: {
      command: plan.commandText,
      systemRunPlan: plan,
      systemRunBinding: bindingOf(plan, undefined),
      host: "node",
      nodeId: "attic"
    }
  })
const claim = (approvalId: string, asker: Asker, key: string): Claim => ({
  approvalId,
  asker,
  key,
  decision: undefined,
  nodeId: "attic",
  argv: plan.argv,
  rawCommand: undefined,
  cwd: undefined,
  agentId: undefined,
  sessionKey: undefined,
  env: undefined
})
const me = { connId: "c1", deviceId: "d1" }
const codeOf = (approvals: Approvals, what: Claim) =>
  Effect.map(Effect.flip(approvals.spend(what)), (error) => ("code" in error ? error.code : error._tag))

describe("an approval that is spent", () => {
  it.effect("is for one key, and for a client's same key only while this process knows what it answered", () =>
    Effect.gen(function* () {
      const filename = yield* database
      const first = yield* life(filename)
      for (const [id, asker] of [
        ["client", me],
        ["turn", {}],
        ["ever", me]
      ] as const) {
        yield* ask(first.approvals, id, asker)
        const decision = id === "ever" ? "allow-always" : "allow-once"
        yield* first.approvals.resolve(id, decision, { kind: "runtime", id: "cli" })
        yield* first.approvals.spend(claim(id, asker, "k1"))
        yield* first.approvals.spend(claim(id, asker, "k1"))
      }
      assert.strictEqual(yield* codeOf(first.approvals, claim("client", me, "k2")), "APPROVAL_REQUIRED")
      assert.strictEqual(yield* codeOf(first.approvals, claim("turn", {}, "k2")), "APPROVAL_REQUIRED")
      // A turn's is for nobody else, whoever shows its key.
      assert.strictEqual(yield* codeOf(first.approvals, claim("turn", me, "k1")), "APPROVAL_CLIENT_MISMATCH")
      const other = { connId: "c9", deviceId: "d9" }
      assert.strictEqual(yield* codeOf(first.approvals, claim("client", other, "k1")), "APPROVAL_DEVICE_MISMATCH")
      yield* first.approvals.spend(claim("ever", me, "k2"))
      yield* first.end

      const second = yield* life(filename)
      assert.strictEqual(yield* codeOf(second.approvals, claim("client", me, "k1")), "APPROVAL_REQUIRED")
      yield* second.approvals.spend(claim("turn", {}, "k1"))
      yield* second.approvals.spend(claim("ever", me, "k3"))
      yield* second.end
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("counts in time only, and for a run that began in time also after that", () =>
    Effect.gen(function* () {
      const { approvals, end } = yield* life(yield* database)
      for (const id of ["early", "late"]) {
        yield* ask(approvals, id, me, 1_000)
        yield* approvals.resolve(id, "allow-once", { kind: "runtime", id: "cli" })
      }
      yield* approvals.spend(claim("early", me, "k"))
      yield* TestClock.adjust("2 seconds")
      yield* approvals.spend(claim("early", me, "k"))
      assert.strictEqual(yield* codeOf(approvals, claim("late", me, "k")), "APPROVAL_EXPIRED")
      yield* end
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("a word in the last moment and the end of its time are one of the two, whoever is first", () =>
    Effect.gen(function* () {
      const { approvals, end } = yield* life(yield* database)
      yield* ask(approvals, "race", me, 1_000)
      const waiting = yield* Effect.forkScoped(approvals.await("race"), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      const { applied } = yield* approvals.resolve("race", "allow-once", { kind: "runtime", id: "cli" })
      const ended = yield* Fiber.join(waiting)
      assert.isFalse(applied)
      assert.strictEqual(ended.status, "expired")
      assert.strictEqual(yield* codeOf(approvals, claim("race", me, "k")), "APPROVAL_REQUIRED")
      yield* end
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("whose asker is gone with the last process is taken back, a device's and a turn's wait on", () =>
    Effect.gen(function* () {
      const filename = yield* database
      const first = yield* life(filename)
      yield* ask(first.approvals, "connection", { connId: "c1" })
      yield* ask(first.approvals, "device", me)
      yield* ask(first.approvals, "turn", {})
      yield* first.end
      const second = yield* life(filename)
      assert.deepStrictEqual(
        (yield* second.approvals.pending).map(({ id }) => id),
        ["device", "turn"]
      )
      assert.deepInclude(yield* second.approvals.find("connection"), {
        status: "cancelled",
        reason: "gateway-restart"
      })
      yield* second.end
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("is one of a bounded number that wait, unless a turn asks", () =>
    Effect.gen(function* () {
      const { approvals, end } = yield* life(yield* database)
      for (let index = 0; index < MOST_WAITING; index++) yield* ask(approvals, `q${index}`, me)
      const refused = yield* Effect.flip(ask(approvals, "more", me))
      assert.strictEqual(refused._tag, "ApprovalsUnavailable")
      assert.include(refused.message, "too many commands wait")
      yield* ask(approvals, "turn's", {}, 60_000, "r1")
      yield* approvals.resolve("q0", "deny", { kind: "runtime", id: "cli" })
      yield* ask(approvals, "more", me)
      yield* end
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("nobody waits for after a restart is taken back: its run ended, or was no turn", () =>
    Effect.gen(function* () {
      const filename = yield* database
      const first = yield* life(filename)
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        for (const run of ["goes-on", "over"]) {
          yield* sql`INSERT INTO turns ${sql.insert({ run_id: run, session_key: "agent:main:main", request: "{}", submitted_at: 0 })}`
        }
        yield* sql`UPDATE turns SET finished_at = 1 WHERE run_id = 'over'`
      }).pipe(Effect.provide(Storage.layer({ filename })))
      for (const run of ["goes-on", "over", "http:k1"]) yield* ask(first.approvals, `of ${run}`, {}, 60_000, run)
      yield* ask(first.approvals, "of a device", me)
      yield* first.end
      const second = yield* life(filename)
      const ids = (yield* second.approvals.pending).map(({ id }) => id)
      assert.deepStrictEqual(ids.toSorted(), ["of a device", "of goes-on"])
      assert.deepInclude(yield* second.approvals.find("of http:k1"), { status: "cancelled", reason: "gateway-restart" })
      yield* second.end
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
