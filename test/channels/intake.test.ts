/**
 * The way in as a machine: updates, crashes, storage that fails, leases that are lost and polls that go wrong, in any order.
 * Each message that the Bot API handed over is handled once, in order, and none is confirmed that is not stored.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import * as Storage from "../../src/layers/storage/Storage.ts"
import * as TelegramChannel from "../../src/layers/telegram/TelegramChannel.ts"
import { ChannelRouter } from "../../src/services/ChannelRouter.ts"
import { SetAside } from "../../src/services/SetAside.ts"
import { stackOf } from "./kit.ts"
import { rig } from "./rig.ts"
import { makeQueue } from "./updateQueue.ts"

const small = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 4 })))
const Step = Schema.Union([
  Schema.Struct({ do: Schema.Literal("texts"), count: small }),
  Schema.Struct({ do: Schema.Literal("texts"), count: small }),
  Schema.Struct({ do: Schema.Literals(["unreadable", "edit", "crash", "crash", "lease lost", "disk", "quiet week"]) }),
  Schema.Struct({ do: Schema.Literal("skip"), count: small }),
  Schema.Struct({
    do: Schema.Literal("trouble"),
    trouble: Schema.Literals(["lost", "deaf", "conflict", "broken", "shuffled", "repeated"])
  }),
  Schema.Struct({ do: Schema.Literal("wait"), ms: Schema.Literals([0, 600, 5_000, 61_000]) })
])
type Step = typeof Step.Type

const play = Effect.fnUntraced(function* (steps: ReadonlyArray<Step>) {
  const parts = yield* rig()
  const sql = Context.get(yield* Layer.build(Storage.layer({ filename: parts.filename })), SqlClient.SqlClient)
  const problems: Array<string> = []
  const sent: Array<string> = []
  const strange: Array<string> = []
  let isFull = false

  /** What an offset confirms must be there. */
  const queue = makeQueue((updates) =>
    Effect.forEach(
      updates.filter((update) => "message" in update),
      Effect.fnUntraced(function* (update) {
        const { message_id } = update["message"] as { readonly message_id: number }
        const rows = yield* sql`
          SELECT 1 FROM channel_inbox
          WHERE message_key = ${`7:${message_id}`} OR message_key LIKE ${`unread:${update.update_id}:%`}`
        if (rows.length === 0) problems.push(`update ${update.update_id} was confirmed and not stored`)
      }),
      { discard: true }
    ).pipe(Effect.orDie)
  )

  let process = 0
  let scope = yield* Scope.make()
  let setAside: SetAside["Service"] | undefined
  const begin = Effect.gen(function* () {
    scope = yield* Scope.make()
    const identity = { id: "us", process: `us-${++process}` }
    const services = yield* Layer.buildWithScope(stackOf({ ...parts, identity, sql }), scope)
    setAside = Context.get(services, SetAside)
    const channel = yield* TelegramChannel.make({
      accountId: "default",
      apiRoot: "http://bots.invalid",
      token: Redacted.make("42:secret"),
      tokenSource: "config"
    }).pipe(Effect.provideService(HttpClient.HttpClient, queue.client))
    yield* Scope.provide(Context.get(services, ChannelRouter).add(channel), scope)
  })
  const end = Effect.suspend(() => Scope.close(scope, Exit.void))
  yield* Effect.addFinalizer(() => end)

  const disk = (full: boolean) =>
    Effect.suspend(() => {
      if (full === isFull) return Effect.void
      isFull = full
      return Effect.asVoid(
        full
          ? sql`CREATE TRIGGER full BEFORE INSERT ON channel_inbox BEGIN SELECT RAISE(ABORT, 'disk full'); END`
          : sql`DROP TRIGGER full`
      )
    })

  /** Runs until everything is received and handled. */
  const drained = Effect.gen(function* () {
    for (let round = 0; round < 400; round++) {
      const waiting = yield* sql`SELECT 1 FROM channel_inbox WHERE message IS NOT NULL AND set_aside_at IS NULL`
      if (queue.isEmpty() && waiting.length === 0) return true
      yield* TestClock.adjust("5 seconds")
      yield* Effect.yieldNow
    }
    return false
  })

  const carryOut = Effect.fnUntraced(function* (step: Step) {
    switch (step.do) {
      case "texts":
        for (let n = 0; n < step.count; n++) {
          sent.push(`message ${sent.length}`)
          queue.text(sent.at(-1)!)
        }
        return
      case "unreadable":
        strange.push(`strange ${strange.length}`)
        return queue.unreadable(strange.at(-1)!)
      case "edit":
        return queue.edit()
      case "skip":
        return queue.skip(step.count)
      case "trouble":
        return void queue.troubles.push(step.trouble)
      case "wait":
        return yield* TestClock.adjust(step.ms)
      case "disk":
        return yield* disk(!isFull)
      case "crash":
        yield* end
        return yield* begin
      case "lease lost":
        return yield* sql`UPDATE channel_leases SET owner = 'them', process = 'theirs', epoch = epoch + 1, released = 0`
      case "quiet week":
        yield* disk(false)
        queue.troubles.length = 0
        if (!(yield* drained)) problems.push("what was handed over is not handled")
        // The poll that confirmed the last ones ends empty, and the next one names no offset.
        yield* TestClock.adjust("65 seconds")
        return queue.beginAnew(1 + (sent.length % 7) * 100)
    }
  })

  yield* begin
  for (const step of steps) {
    yield* carryOut(step)
    // Receiving and handling get as far as they can without the clock, or nearly so.
    for (let round = 0; round < 5; round++) yield* TestClock.adjust(1)
  }
  yield* disk(false)
  queue.troubles.length = 0
  yield* end
  yield* begin
  if (!(yield* drained)) problems.push("what was handed over is not handled")

  const handled = parts.turns.submitted.map((turn) => turn.text)
  const isShuffled = steps.some((step) => step.do === "trouble" && step.trouble === "shuffled")
  if ([...handled].sort().join() !== [...sent].sort().join()) problems.push(`sent ${sent}, handled ${handled}`)
  if (!isShuffled && handled.join() !== sent.join()) problems.push(`out of order: ${handled}`)
  const kept = (yield* setAside!.list).map((message) => /strange \d+/.exec(message.text ?? "")?.[0])
  if ([...kept].sort().join() !== [...strange].sort().join()) problems.push(`strange ${strange}, kept ${kept}`)
  return problems
}, Effect.scoped)

describe("the way in", () => {
  it.effect("handles each message once, in order, whatever happens, and confirms nothing that is not stored", () =>
    Effect.gen(function* () {
      const result = yield* Arbitrary.checkEffect(
        Arbitrary.array(Arbitrary.schema(Step), { minLength: 12, maxLength: 30 }),
        (steps) =>
          Effect.map(play(steps), (problems) => {
            if (problems.length > 0) shown = problems
            return problems.length === 0
          }),
        { runs: 40, maxShrinks: 40, concurrency: 1 }
      )
      assert.isUndefined(Arbitrary.formatCheckFailure(result), shown.join("; "))
    })
  )
})

/** What went wrong last. */
let shown: ReadonlyArray<string> = []
