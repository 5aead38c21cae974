/**
 * D9: every method that is advertised, with params from its own schema, with params that mean something, and with one thing
 * wrong in them. What it answers is held against the table and against OpenClaw's published schema. `--silent=false` shows
 * the counts.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { eventNames } from "../../src/protocol/EventTable.ts"
import { accessOf, MethodTable, methodNames } from "../../src/protocol/MethodTable.ts"
import { meanings, well } from "./askedWell.ts"
import { fieldsOf, type Json, mutations, travelling } from "./mutations.ts"
import { checkEvent, checkResult, conforms, scopeOf } from "./published.ts"
import * as World from "./world.ts"

const RUNS = 12
/** Whatever may take time gets this many milliseconds of it. */
const PATIENCE_MS = 25

/** After these the world is not as it was: nobody is reached by Telegram any longer. */
const wearing: ReadonlySet<string> = new Set(["channels.stop", "channels.logout"])

/** Where we ask another scope than the published schema says, and why. */
const otherScope: Readonly<Record<string, string>> = {
  health: "the recorded Gateway answers it whatever the scopes"
}

/** What waits as long as it takes when nobody says how long. */
const waiting: ReadonlySet<string> = new Set(["agent.wait", "exec.approval.request"])

/** A wait that a generated number may make a day long, and one without any. */
const soon = (method: string, params: Json): Json =>
  waiting.has(method) && params["timeoutMs"] === undefined
    ? { ...params, timeoutMs: PATIENCE_MS }
    : typeof params["timeoutMs"] === "number"
      ? { ...params, timeoutMs: Math.min(PATIENCE_MS, params["timeoutMs"]) }
      : params

type Answer = { readonly ok: true; readonly payload: unknown } | { readonly ok: false; readonly error: Json }

const ask = (client: World.Client, method: string, params: Json): Effect.Effect<Answer> =>
  client.request(method, soon(method, params), { expectFinal: true, timeout: "20 seconds" }).pipe(
    Effect.map((payload): Answer => ({ ok: true, payload })),
    Effect.catchTag("GatewayError", ({ wire }) => Effect.succeed<Answer>({ ok: false, error: { ...wire } })),
    Effect.catch((error) =>
      Effect.die(new Error(`${method} ${JSON.stringify(params).slice(0, 300)}: ${error.message}`))
    )
  )

const ownSchema = (method: string) => {
  const { successSchema } = MethodTable.requests.get(method)!
  const schema = RpcSchema.isStreamSchema(successSchema) ? successSchema.success : successSchema
  return Schema.decodeUnknownExit(schema as unknown as Schema.Codec<unknown>)
}

class Counts {
  readonly called = new Set<string>()
  readonly answered = new Set<string>()
  readonly validated = new Set<string>()
  answers = 0
  refusals = 0

  /** Holds one answer against everything that is known of it. */
  judge(method: string, answer: Answer): void {
    this.called.add(method)
    if (!answer.ok) {
      this.refusals++
      conforms("ErrorShape", answer.error)
      assert.notStrictEqual(answer.error["code"], "INTERNAL", method)
      return
    }
    this.answers++
    this.answered.add(method)
    const fits = ownSchema(method)(answer.payload)
    assert.isTrue(
      Exit.isSuccess(fits),
      `${method} answers what its row does not say: ${JSON.stringify(answer.payload)}`
    )
    if (checkResult(method, answer.payload)) this.validated.add(method)
  }
}

/** Params as a client would send them: what means something here, and of the rest what was drawn. */
const grounded = (method: string, drawn: Json, means: Json): Json => {
  const fields = fieldsOf(method).filter(({ name, optional }) => !optional || name in drawn)
  return Object.fromEntries(
    fields.map(({ accepts, name }) => [name, name in means && accepts(means[name]) ? means[name] : drawn[name]])
  )
}

const without = (all: ReadonlyArray<string>, some: ReadonlySet<string>) => all.filter((name) => !some.has(name))

const summary = (counts: Counts, seen: ReadonlyArray<World.Seen>, checked: ReadonlySet<string>) => {
  const events = new Set(seen.map(({ name }) => name))
  return [
    `methods: ${methodNames.length} advertised, ${counts.called.size} called, ${counts.answered.size} answered, ${counts.validated.size} of these validated by the published schema, the others by our table`,
    `answers: ${counts.answers} validated; refusals: ${counts.refusals} validated`,
    `refused whatever was asked: ${without(methodNames, counts.answered).join(", ") || "none"}`,
    `events: ${eventNames.length} advertised, ${eventNames.filter((name) => events.has(name)).length} seen (${seen.length} in all), ${checked.size} of these validated by the published schema, the others by our table`,
    `events not seen: ${without(eventNames, events).join(", ") || "none"}`,
    `by our table alone, for the schema has no word for them: ${without([...counts.answered], counts.validated).join(", ")}; ${without([...events], checked).join(", ")}`
  ].join("\n")
}

/** One method, in all ways. Dies of the first thing that is not as it should be. */
const examine = Effect.fnUntraced(function* (method: string, world: World.World, counts: Counts) {
  const good = yield* well(world, method)
  const answer = yield* ask(good.client, method, good.params)
  counts.judge(method, answer)
  assert(answer.ok, `${method} refuses ${JSON.stringify(good.params)}: ${JSON.stringify(answer)}`)

  const client = accessOf(method) === "node" ? world.node : world.operator
  const call = (params: Json) => Effect.map(ask(client, method, params), (given) => counts.judge(method, given))
  for (const [wrong, words] of mutations(method, good.params)) {
    const refused = yield* ask(client, method, wrong)
    counts.judge(method, refused)
    assert(!refused.ok, `${method} takes ${JSON.stringify(wrong).slice(0, 300)}`)
    assert.strictEqual(refused.error["code"], "INVALID_REQUEST", JSON.stringify(wrong).slice(0, 300))
    assert.include(refused.error["message"], words)
  }
  const result = yield* Arbitrary.checkEffect(
    Arbitrary.schema(MethodTable.requests.get(method)!.payloadSchema),
    Effect.fnUntraced(function* (value: unknown) {
      const params = travelling(value)
      if (params === undefined) return true
      yield* call(grounded(method, params, meanings(world)))
      yield* call(params)
      return true
    }),
    { runs: RUNS, size: 12 }
  )
  assert.isUndefined(Arbitrary.formatCheckFailure(result), method)
})

describe("a method of the table", () => {
  it.live(
    "answers any params as its row and the published schema say, and names what is wrong in others",
    () =>
      Effect.gen(function* () {
        const counts = new Counts()
        const seen: Array<World.Seen> = []
        const errors: Array<string> = []
        const logger = Logger.make(({ message }) => {
          if (/does not fit|could not be served/.test(String(message))) errors.push(String(message).slice(0, 1000))
        })
        let scope = yield* Scope.make()
        const begin = Effect.suspend(() =>
          Effect.provideService(Scope.provide(World.make(seen), scope), Logger.CurrentLoggers, new Set([logger]))
        )
        let world = yield* begin
        yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
        // A node is told of all of them too, as by OpenClaw's Gateway, and so is who may call few.
        for (const { hello } of [world.operator, world.node, yield* world.kit.connect({ scopes: ["operator.read"] })]) {
          assert.sameMembers([...hello.features.methods], [...methodNames])
          assert.sameMembers([...hello.features.events], [...eventNames])
        }
        conforms("HelloOk", world.operator.hello)
        conforms("HelloOk", world.node.hello)

        // All that is wrong is told, not only the first.
        const problems: Array<string> = []
        const noting =
          (what: string) =>
          (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
            Effect.sync(() => problems.push(`${what}: ${String(Cause.squash(cause)).slice(0, 1000)}`))
        yield* Effect.catchCause(world.happenings, noting("what happens by itself"))
        for (const method of methodNames) {
          if (!world.isAlive()) {
            yield* Scope.close(scope, Exit.void)
            scope = yield* Scope.make()
            world = yield* begin
          }
          yield* Effect.catchCause(Effect.scoped(examine(method, world, counts)), noting(method))
          if (wearing.has(method)) world.wear()
        }
        yield* world.end

        const checked = new Set<string>()
        for (const { known, name, payload } of seen) {
          const problem = Result.try(() => {
            assert.isTrue(known, `the table does not have it so: ${JSON.stringify(payload).slice(0, 300)}`)
            if (checkEvent(name, payload)) checked.add(name)
          })
          if (Result.isFailure(problem)) problems.push(`${name}: ${String(problem.failure).slice(0, 1000)}`)
        }
        yield* Console.log(summary(counts, seen, checked))
        // An event or an answer that does not fit its row is lost to all, and only the log tells of it.
        problems.push(...errors)
        assert.deepStrictEqual(problems, [])
        assert.deepStrictEqual(without(methodNames, counts.answered), [])
        assert.deepStrictEqual(without(eventNames, new Set(seen.map(({ name }) => name))), [])
      }).pipe(Effect.scoped),
    120_000
  )

  it("asks the scope that the published schema says", () => {
    const differ = methodNames.filter((method) => {
      const theirs = scopeOf(method)
      return theirs !== undefined && theirs !== "dynamic" && theirs !== accessOf(method)
    })
    assert.deepStrictEqual(
      differ.filter((method) => !(method in otherScope)).map((method) => [method, accessOf(method), scopeOf(method)]),
      []
    )
  })

  it.live("is refused to who lacks its scope, before its params are looked at", () =>
    Effect.gen(function* () {
      const { kit } = yield* World.make([])
      const nobody = yield* kit.connect({ scopes: [] })
      for (const method of methodNames) {
        const access = accessOf(method)
        if (access === "any" || access === "node") continue
        const answer = yield* ask(nobody, method, { noSuchProperty: 1 })
        assert(!answer.ok, method)
        conforms("ErrorShape", answer.error)
        assert.strictEqual(answer.error["message"], `missing scope: ${access}`)
        assert.deepInclude(answer.error["details"], { code: "MISSING_SCOPE", missingScope: access })
      }
    }).pipe(Effect.scoped)
  )
})
