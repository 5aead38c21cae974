import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { CommandError } from "../../src/node-host/CommandError.ts"
import type { Commands } from "../../src/node-host/Commands.ts"
import { InvokeMemory } from "../../src/node-host/InvokeMemory.ts"
import { noLongerKept } from "../../src/node-host/invokeJournal.ts"
import * as NodeHost from "../../src/node-host/NodeHost.ts"
import { live, makeLink, results } from "./kit.ts"

const table = (commands: Record<string, (params: unknown) => Effect.Effect<unknown, CommandError>>): Commands =>
  new Map(Object.entries(commands))

const serving = Effect.fnUntraced(function* (commands: Commands, options: NodeHost.ServeOptions = {}) {
  const peer = yield* makeLink
  const notices: Array<NodeHost.Notice> = []
  const onNotice = (notice: NodeHost.Notice) => Effect.sync(() => void notices.push(notice))
  const fiber = yield* Effect.forkScoped(NodeHost.serve(peer.link, commands, { onNotice, ...options }), {
    startImmediately: true
  })
  const ask = (id: string, command: string, rest: object = {}) =>
    peer.emit("node.invoke.request", { id, nodeId: "me", command, idempotencyKey: id, timeoutMs: 5_000, ...rest })
  return { ...peer, ask, notices, fiber }
})

describe("invokes", () => {
  it.effect("each request is answered once, in the order of their ends", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const peer = yield* serving(
        table({
          slow: () => Effect.as(Deferred.await(gate), { slow: true }),
          echo: (params) => Effect.succeed({ params }),
          refuse: () => Effect.fail(new CommandError({ code: "SYSTEM_RUN_DENIED", message: "no" })),
          crash: () => Effect.die(new Error("secret detail"))
        })
      )
      yield* peer.ask("1", "slow")
      yield* peer.ask("2", "echo", { paramsJSON: '{"a":1}' })
      yield* peer.ask("3", "refuse")
      yield* peer.ask("4", "crash")
      yield* peer.ask("5", "unknown")
      yield* peer.ask("6", "echo", { paramsJSON: "{" })
      yield* peer.emit("node.invoke.request", { id: 7 })
      yield* peer.emit("something.else", {})
      yield* peer.until((sent) => results(sent).length === 5)
      yield* Deferred.succeed(gate, undefined)
      const answers = results(yield* peer.until((sent) => results(sent).length === 6)).map(({ params }) => params)
      const by = (id: string) => answers.filter((answer) => answer["id"] === id)
      assert.deepStrictEqual(by("1"), [{ id: "1", nodeId: "me", ok: true, payloadJSON: '{"slow":true}' }])
      assert.deepStrictEqual(by("2"), [{ id: "2", nodeId: "me", ok: true, payloadJSON: '{"params":{"a":1}}' }])
      assert.deepStrictEqual(by("3")[0]!["error"], { code: "SYSTEM_RUN_DENIED", message: "no" })
      assert.notInclude(JSON.stringify(by("4")), "secret")
      assert.deepStrictEqual(by("5")[0]!["error"], { code: "UNAVAILABLE", message: "command not supported" })
      assert.deepStrictEqual(by("6")[0]!["error"], { code: "INVALID_REQUEST", message: "paramsJSON is not JSON" })
    }).pipe(Effect.provide(live()))
  )

  it.effect("the same request joins, then is answered from memory; another one with its key is refused", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      let runs = 0
      const peer = yield* serving(
        table({
          count: () =>
            Effect.andThen(
              Deferred.await(gate),
              Effect.sync(() => ({ runs: ++runs }))
            )
        })
      )
      yield* peer.ask("1", "count", { idempotencyKey: "k" })
      yield* peer.ask("2", "count", { idempotencyKey: "k" })
      yield* peer.ask("3", "count", { idempotencyKey: "k", paramsJSON: "1" })
      yield* peer.until((sent) => results(sent).length === 1)
      yield* Deferred.succeed(gate, undefined)
      yield* peer.until((sent) => results(sent).length === 3)
      // Also after the connection was lost and another one came.
      yield* peer.become({ _tag: "Away", reason: "gone" })
      yield* peer.ask("4", "count", { idempotencyKey: "k" })
      const sent = results(yield* peer.until((all) => results(all).length === 4))
      assert.strictEqual(runs, 1)
      assert.deepStrictEqual(
        sent
          .filter(({ params }) => params["payloadJSON"] === '{"runs":1}')
          .map(({ params }) => params["id"])
          .sort(),
        ["1", "2", "4"]
      )
      const conflict = sent.find(({ params }) => params["id"] === "3")!
      assert.include(JSON.stringify(conflict.params), "was used for another request")
    }).pipe(Effect.provide(live()))
  )

  it.effect("a recall that tells its age begins what this node is certain not to have begun", () =>
    Effect.gen(function* () {
      let runs = 0
      const peer = yield* serving(table({ count: () => Effect.sync(() => ({ runs: ++runs })) }))
      yield* TestClock.adjust("1 minute")
      yield* peer.ask("1", "count", { idempotencyKey: "k", recall: true, askedAgoMs: 60_001 })
      yield* peer.until((sent) => results(sent).length === 1)
      yield* peer.ask("2", "count", { idempotencyKey: "k", recall: true, askedAgoMs: 60_000 })
      yield* peer.until((sent) => results(sent).length === 2)
      yield* peer.ask("3", "count", { idempotencyKey: "k", recall: true, askedAgoMs: 60_000 })
      const sent = results(yield* peer.until((all) => results(all).length === 3))
      assert.deepInclude(sent[0]?.params["error"] as object, { code: "NOT_REMEMBERED" })
      for (const answer of sent.slice(1)) assert.strictEqual(answer.params["payloadJSON"], '{"runs":1}')
    }).pipe(Effect.provide(live()))
  )

  it.effect("a recall is answered from memory or by the work that still runs, and never begins any", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      let runs = 0
      const peer = yield* serving(
        table({
          count: () =>
            Effect.andThen(
              Effect.sync(() => ++runs),
              Effect.as(Deferred.await(gate), { done: true })
            )
        })
      )
      yield* peer.ask("1", "count", { idempotencyKey: "other", recall: true })
      yield* peer.until((sent) => results(sent).length === 1)
      yield* peer.ask("2", "count", { idempotencyKey: "k" })
      yield* peer.ask("3", "count", { idempotencyKey: "k", recall: true })
      yield* peer.ask("4", "count", { idempotencyKey: "k", recall: true, paramsJSON: "1" })
      yield* peer.until((sent) => results(sent).length === 2)
      yield* Deferred.succeed(gate, undefined)
      yield* peer.until((sent) => results(sent).length === 4)
      yield* peer.ask("5", "count", { idempotencyKey: "k", recall: true })
      const sent = results(yield* peer.until((all) => results(all).length === 5))
      const by = (id: string) => sent.find(({ params }) => params["id"] === id)?.params
      assert.deepInclude(by("1")?.["error"] as object, { code: "NOT_REMEMBERED" })
      for (const id of ["2", "3", "5"]) assert.strictEqual(by(id)?.["payloadJSON"], '{"done":true}')
      // What is wrong with the question is not what became of the request.
      assert.deepInclude(by("4")?.["error"] as object, { code: "NOT_REMEMBERED" })
      assert.include(JSON.stringify(by("4")), "was used for another request")
      assert.strictEqual(runs, 1)
    }).pipe(Effect.provide(live()))
  )

  it.effect("what was refused may be tried again under the same key", () =>
    Effect.gen(function* () {
      let allowed = false
      const peer = yield* serving(
        table({
          guarded: () =>
            Effect.suspend(() =>
              allowed ? Effect.succeed({}) : Effect.fail(new CommandError({ code: "SYSTEM_RUN_DENIED", message: "no" }))
            )
        })
      )
      yield* peer.ask("1", "guarded", { idempotencyKey: "k" })
      yield* peer.until((sent) => results(sent).length === 1)
      allowed = true
      yield* peer.ask("2", "guarded", { idempotencyKey: "k" })
      const sent = results(yield* peer.until((all) => results(all).length === 2))
      assert.deepStrictEqual(
        sent.map(({ params }) => params["ok"]),
        [false, true]
      )
    }).pipe(Effect.provide(live()))
  )

  it.effect("a command that is too slow is answered at its deadline", () =>
    Effect.gen(function* () {
      const peer = yield* serving(table({ stuck: () => Effect.never }))
      yield* peer.ask("1", "stuck", { timeoutMs: 700 })
      yield* TestClock.adjust("700 millis")
      const [answer] = results(yield* peer.until((sent) => results(sent).length === 1))
      assert.deepStrictEqual(answer!.params["error"], { code: "TIMEOUT", message: "stuck took longer than 700 ms" })
    }).pipe(Effect.provide(live()))
  )

  it.effect("a flood is refused, not queued for ever", () =>
    Effect.gen(function* () {
      const peer = yield* serving(table({ stuck: () => Effect.never }), { concurrency: 2, queue: 3 })
      for (let index = 0; index < 20; index++) yield* peer.ask(`${index}`, "stuck")
      const sent = results(yield* peer.until((all) => results(all).length >= 15))
      assert.include(JSON.stringify(sent[0]!.params), "the node is busy")
      // What became of a request is another matter than that nobody has time to ask.
      yield* peer.ask("recall", "stuck", { idempotencyKey: "19", recall: true, askedAgoMs: 1 })
      const [told] = results(yield* peer.until((all) => results(all).length === 16)).slice(-1)
      assert.deepInclude(told!.params["error"] as object, { code: "NOT_REMEMBERED" })
    }).pipe(Effect.provide(live()))
  )

  it.effect("an answer that cannot be delivered harms nothing", () =>
    Effect.gen(function* () {
      const done = yield* Deferred.make<void>()
      const peer = yield* serving(table({ quick: () => Effect.as(Deferred.succeed(done, undefined), {}) }))
      yield* peer.refuse("gone")
      yield* peer.ask("1", "quick")
      yield* Deferred.await(done)
      yield* peer.refuse(undefined)
      yield* peer.ask("2", "quick", { idempotencyKey: "1" })
      const [answer] = results(yield* peer.until((sent) => results(sent).length === 1))
      assert.strictEqual(answer!.params["id"], "2")
    }).pipe(Effect.provide(live()))
  )
})

describe("the connection", () => {
  it.effect("stats go out on connecting and every minute after, not while away", () =>
    Effect.gen(function* () {
      const peer = yield* serving(table({}))
      const stats = (sent: ReadonlyArray<{ readonly method: string }>) =>
        sent.filter(({ method }) => method === "node.event").length
      yield* peer.become({ _tag: "Connected" })
      const [first] = yield* peer.until((sent) => stats(sent) === 1)
      assert.strictEqual(first!.params["event"], "node.host.stats")
      assert.isAbove(JSON.parse(first!.params["payloadJSON"] as string).memoryTotalBytes, 0)
      yield* TestClock.adjust("1 minute")
      yield* peer.until((sent) => stats(sent) === 2)
      yield* peer.become({ _tag: "Away", reason: "the Gateway restarts" })
      yield* Effect.yieldNow
      yield* TestClock.adjust("10 minutes")
      yield* peer.become({ _tag: "Connected" })
      yield* peer.until((sent) => stats(sent) === 3)
      assert.deepStrictEqual(
        peer.notices.map((notice) => notice._tag),
        ["Away", "Connected", "Away", "Connected"]
      )
    }).pipe(Effect.provide(live()))
  )

  it.effect("it says which command gives the missing approval, and goes on once it is given", () =>
    Effect.gen(function* () {
      const peer = yield* serving(table({}))
      yield* peer.become({ _tag: "PairingRequired", requestId: "dev-1" })
      yield* peer.refuse("node capability surface is awaiting operator approval; run `openclaw nodes approve req-1`")
      yield* peer.become({ _tag: "Connected" })
      const told = (count: number) => Effect.repeat(Effect.yieldNow, { until: () => peer.notices.length >= count })
      // It notices at its next report, whenever it comes to make one.
      yield* Effect.raceFirst(told(4), Effect.forever(Effect.andThen(TestClock.adjust("1 minute"), Effect.yieldNow)))
      yield* peer.refuse(undefined)
      yield* peer.emit("node.pair.resolved", { requestId: "req-1", nodeId: "me", decision: "approved", ts: 1 })
      yield* peer.until((sent) => sent.length > 0)
      yield* told(5)
      assert.deepStrictEqual(
        peer.notices.map((notice) => [notice._tag, notice.requestId]),
        [
          ["Away", undefined],
          ["DeviceApprovalNeeded", "dev-1"],
          ["Connected", undefined],
          ["CommandApprovalNeeded", "req-1"],
          ["Approved", "req-1"]
        ]
      )
      assert.include(peer.notices[1]!.message, "openclaw devices approve dev-1")
      assert.include(peer.notices[3]!.message, "openclaw nodes approve req-1")
      yield* peer.emit("node.pair.resolved", { requestId: "req-2", nodeId: "me", decision: "rejected", ts: 1 })
      yield* Effect.repeat(Effect.yieldNow, { until: () => peer.notices.length === 6 })
      assert.strictEqual(peer.notices[5]!._tag, "Rejected")
    }).pipe(Effect.provide(live()))
  )

  it.effect("a Gateway that will not have this node ends it, with the reason", () =>
    Effect.gen(function* () {
      const peer = yield* serving(table({}))
      yield* peer.become({ _tag: "Stopped", reason: "unauthorized: token mismatch" })
      const error = yield* Effect.flip(Fiber.join(peer.fiber))
      assert.strictEqual(error._tag, "NodeHostStopped")
      assert.include(error.message, "token mismatch")
    }).pipe(Effect.provide(live()))
  )
})

describe("remembered answers", () => {
  it.effect("are bounded by count and bytes, and their keys by age", () =>
    Effect.gen(function* () {
      const memory = yield* InvokeMemory
      const reply = (payloadJSON: string) => Effect.succeed({ reply: { ok: true as const, payloadJSON }, keep: true })
      for (const key of ["a", "b", "c", "d"]) yield* memory.once(key, "x", reply(`"${key}"`))
      assert.deepStrictEqual(yield* memory.once("a", "x", reply("again")), noLongerKept)
      assert.deepStrictEqual(yield* memory.once("d", "x", reply("again")), { ok: true, payloadJSON: '"d"' })
      yield* memory.once("big", "x", reply("y".repeat(200)))
      assert.deepStrictEqual(yield* memory.once("d", "x", reply("later")), noLongerKept)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* memory.once("d", "x", reply("aged")), { ok: true, payloadJSON: "aged" })
      assert.strictEqual((yield* Effect.flip(memory.once("d", "other", reply(""))))._tag, "KeyReused")
    }).pipe(Effect.provide(InvokeMemory.layerVolatile({ count: 3, bytes: 100, ageMs: 60_000 })))
  )
})
