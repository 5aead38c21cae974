/**
 * The session actor as a state machine: any sequence of messages, aborts, stops and crashes. A crash is a copy of the
 * database as it is at that moment, with which the next process starts; what the old one does from then on is not seen.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { RunId } from "../../src/domain/Ids.ts"
import { SessionKey } from "../../src/domain/SessionKey.ts"
import { DEFAULT_QUEUE } from "../../src/services/Queue.ts"
import { TurnMessage, type TurnOutcome, Turns } from "../../src/services/Turns.ts"
import { ok, peer, request, start, world, type World } from "./kit.ts"

const few = Schema.Literals([0, 1])
const Op = Schema.Union([
  Schema.Struct({
    op: Schema.Literal("submit"),
    session: few,
    sender: few,
    mode: Schema.Literals(["followup", "steer", "collect", "interrupt", "none"]),
    kind: Schema.Literals(["quick", "slow", "slow", "dies"]),
    cap: Schema.Literals([0, 1, 3]),
    drop: Schema.Literals(["old", "new", "summarize"])
  }),
  Schema.Struct({
    op: Schema.Literal("abort"),
    /** Of the last messages; all when negative. */ session: few,
    nth: Schema.Literals([-1, 0, 1, 2, 3])
  }),
  /** The process dies between the abort's commit and what follows from it. */
  Schema.Struct({ op: Schema.Literal("abort and crash"), session: few }),
  Schema.Struct({ op: Schema.Literals(["open", "crash", "stop", "clock back"]) })
])
type Op = typeof Op.Type

const sessions = [SessionKey.make("agent:main:main"), SessionKey.make("agent:main:other")]

/** What is seen from outside, over all processes. */
interface Seen {
  readonly began: Array<{ readonly id: string; readonly session: SessionKey }>
  readonly running: Map<SessionKey, number>
  readonly sent: Map<string, Set<string>>
  readonly aborted: Map<string, number>
}

const makeRun = Effect.fnUntraced(function* (seen: Seen, first: World) {
  let w = first
  let crashes = 0
  const boot = Effect.fnUntraced(function* (dir: string) {
    const slow = Latch.makeUnsafe(false)
    const mine: World = { ...first, dir, log: [], sent: [], partial: undefined }
    let isAlive = true
    const alive = Effect.suspend(() => (isAlive ? Effect.void : Effect.never))
    mine.agent = (asked, steps) =>
      Effect.gen(function* () {
        yield* alive
        seen.began.push({ id: asked.runId, session: asked.sessionKey })
        const running = (seen.running.get(asked.sessionKey) ?? 0) + 1
        seen.running.set(asked.sessionKey, running)
        assert.strictEqual(running, 1, "one turn at a time")
        const ids = [
          ...asked.text.matchAll(/m\d+/g),
          ...(asked.collected ?? []).flatMap(({ text }) => [[text] as const])
        ]
        const said = ids.map(([id]) => id)
        if (asked.text.endsWith("slow")) yield* slow.await
        if (asked.text.endsWith("dies")) return yield* Effect.die("broken")
        const took = yield* steps.step({
          name: "model-2",
          success: Schema.Array(TurnMessage),
          execute: steps.incoming.take("model-2")
        })
        yield* alive
        const texts = [...said, ...took.map(({ text }) => text)].map((text) => text.split(" ")[0])
        return ok(asked, texts.join(" "))
      }).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            if (isAlive) seen.running.set(asked.sessionKey, (seen.running.get(asked.sessionKey) ?? 1) - 1)
          })
        )
      )
    mine.deliver = ({ idempotencyKey, text }) =>
      Effect.andThen(
        alive,
        Effect.sync(() => {
          const key = idempotencyKey ?? ""
          seen.sent.set(key, (seen.sent.get(key) ?? new Set()).add(text))
        })
      )
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(start(mine, { shutdownGraceMs: 1, maxAttempts: 1_000 }), scope)
    return {
      slow,
      turns: Context.get(context, Turns),
      sql: Context.get(context, SqlClient.SqlClient),
      stop: Scope.close(scope, Exit.void),
      die: Effect.sync(() => {
        isAlive = false
        seen.running.clear()
      })
    }
  })
  let process_ = yield* boot(w.dir)
  return {
    process: () => process_,
    stop: Effect.gen(function* () {
      yield* process_.stop
      process_ = yield* boot(w.dir)
    }),
    crash: Effect.gen(function* () {
      const dir = Path.join(first.dir, `crash-${++crashes}`)
      Fs.mkdirSync(dir)
      yield* process_.die
      yield* process_.sql`VACUUM INTO ${Path.join(dir, "state.sqlite")}`
      yield* process_.stop
      w = { ...w, dir }
      process_ = yield* boot(dir)
    })
  }
})

const play = Effect.fnUntraced(function* (ops: ReadonlyArray<Op>) {
  const seen: Seen = { began: [], running: new Map(), sent: new Map(), aborted: new Map() }
  const run = yield* makeRun(seen, yield* world)
  const submitted: Array<{ readonly id: string; readonly session: SessionKey }> = []
  for (const step of ops) {
    const { slow, sql, turns } = run.process()
    switch (step.op) {
      case "submit": {
        const id = `m${submitted.length}`
        const session = sessions[step.session]!
        const setting = {
          ...DEFAULT_QUEUE,
          debounceMs: 1,
          drop: step.drop,
          ...(step.cap === 0 ? undefined : { cap: step.cap })
        }
        const asked = request(id, `${id} ${step.kind}`, {
          sessionKey: session,
          sender: { id: String(step.sender) },
          replyTo: { peer }
        })
        yield* turns.submit(asked, step.mode === "none" ? undefined : { ...setting, mode: step.mode })
        submitted.push({ id, session })
        break
      }
      case "abort": {
        const session = sessions[step.session]!
        const one = step.nth < 0 ? undefined : submitted.at(-1 - step.nth)?.id
        if (step.nth >= 0 && one === undefined) break
        const how = one === undefined ? {} : { runId: RunId.make(one) }
        for (const id of yield* turns.abort(session, { origin: "stop", ...how }))
          seen.aborted.set(id, seen.began.length)
        break
      }
      case "abort and crash": {
        const asked = yield* turns.requestAbort(sessions[step.session]!, { origin: "stop" })
        for (const id of asked.runIds) seen.aborted.set(id, seen.began.length)
        yield* run.crash
        break
      }
      case "open":
        yield* slow.open
        yield* slow.close
        break
      case "clock back":
        // The ids of the mailbox are made of the clock; the next start reads in their order.
        yield* sql`UPDATE cluster_messages SET id = -id, request_id = -request_id WHERE processed = 0 AND last_reply_id IS NULL AND id NOT IN (SELECT request_id FROM cluster_replies) AND entity_type = 'Session'`
        yield* run.crash
        break
      case "crash":
        yield* run.crash
        break
      case "stop":
        yield* run.stop
    }
  }
  const { slow, sql, stop, turns } = run.process()
  yield* slow.open
  const ended = new Map<string, TurnOutcome>()
  for (const { id, session } of submitted) {
    const outcome = yield* Effect.timeoutOption(turns.await(RunId.make(id), session), "8 seconds")
    assert.strictEqual(outcome._tag, "Some", `${id} never ended`)
    if (outcome._tag === "Some") ended.set(id, outcome.value)
  }
  assert.strictEqual(yield* turns.active, 0)
  const broken = yield* sql`SELECT run_id FROM turns WHERE finished_at IS NULL OR outcome IS NULL`
  assert.deepStrictEqual(broken, [])
  yield* stop

  // In order of arrival, by their first begin; what has begun goes on first after a crash.
  for (const session of sessions) {
    const firsts = [
      ...new Set(seen.began.filter((each) => each.session === session).map(({ id }) => Number(id.slice(1))))
    ]
    assert.deepStrictEqual(
      firsts,
      firsts.toSorted((a, b) => a - b)
    )
  }
  for (const [id, at] of seen.aborted) {
    assert.notInclude(
      seen.began.slice(at).map((each) => each.id),
      id,
      "an aborted turn ran again"
    )
  }
  const answers = new Map<string, string>()
  for (const [id, outcome] of ended) {
    const { folded, status, text } = outcome
    const sent = seen.sent.get(`${id}:reply`)
    const isOwn = folded === undefined || folded.how === "dropped"
    if (!isOwn || status === "aborted") assert.isUndefined(sent, `${id} has no reply of its own`)
    else if (outcome.undelivered === undefined) assert.deepStrictEqual([...(sent ?? [])], [text], id)
    if (status !== "ok") continue
    if (folded === undefined) {
      for (const said of text.split(" ")) {
        assert.isFalse(answers.has(said), `${said} was answered twice`)
        answers.set(said, id)
      }
    }
  }
  for (const [id, { folded, status }] of ended) {
    if (status === "ok") assert.strictEqual(answers.get(id), folded?.into ?? id)
  }
})

describe("the session actor", () => {
  it.live.prop(
    "keeps order, runs one turn at a time, ends each message once, and lets no aborted turn come back",
    [Schema.Array(Op).pipe(Schema.check(Schema.isMinLength(4), Schema.isMaxLength(24)))],
    ([ops]) => play(ops),
    { arbitrary: { runs: 30 }, timeout: 60_000 }
  )
})
