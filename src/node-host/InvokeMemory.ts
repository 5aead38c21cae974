/**
 * What this node began and answered, by idempotency key: the same request again is answered from here, and never run
 * again, also after this process ended in the middle of it.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { StateDir } from "../services/StateDir.ts"
import * as Journal from "./invokeJournal.ts"

export type { JournalUnusable, Limits, Reply } from "./invokeJournal.ts"

/** The journal's name in the node's state directory. */
export const FILE = "node-invokes.sqlite"

/** How a request's work ended. A refusal is not kept: nothing ran, and what refused it may have changed by the next try. */
export interface Outcome {
  readonly reply: Journal.Reply
  readonly keep: boolean
}

/** The key belongs to another request. */
export class KeyReused extends Schema.TaggedError<KeyReused>()("KeyReused", { key: Schema.String }) {
  override get message() {
    return `the idempotency key ${JSON.stringify(this.key.slice(0, 64))} was used for another request; use a new one`
  }
}

export class InvokeMemory extends Context.Service<
  InvokeMemory,
  {
    /**
     * Does the work of a request once. A duplicate that comes while it is done waits for it; one that comes later gets
     * the answer, or is told that the outcome is unknown when this node stopped before there was one. The work goes on
     * when its caller is gone: it may have begun to change things. It does not begin when that cannot be written down.
     */
    readonly once: (
      key: string,
      digest: string,
      work: Effect.Effect<Outcome>
    ) => Effect.Effect<Journal.Reply, KeyReused | Journal.JournalUnusable>
    /**
     * As `once`, for a request that may have been made before, at most `agoMs` milliseconds ago: it is done now when it was
     * not begun then. `undefined` when that cannot be told: keys from that time may have been pruned, this memory is
     * younger, or the clock was set since.
     */
    readonly resume: (
      key: string,
      digest: string,
      agoMs: number,
      work: Effect.Effect<Outcome>
    ) => Effect.Effect<Journal.Reply | undefined, KeyReused | Journal.JournalUnusable>
    /** The answer of an earlier request, waited for while its work lasts; `undefined` when there is none to remember. */
    readonly recall: (
      key: string,
      digest: string
    ) => Effect.Effect<Journal.Reply | undefined, KeyReused | Journal.JournalUnusable>
  }
>()("openclaw/node-host/InvokeMemory") {
  /** In the state directory: at most `keys` keys for `ageMs`, of them `count` answers and `bytes` of payload. */
  static readonly layer = (
    limits: Journal.Limits = defaults
  ): Layer.Layer<InvokeMemory, Journal.JournalUnusable, StateDir> =>
    Layer.effect(
      InvokeMemory,
      Effect.flatMap(StateDir, (state) => make(state.path(FILE), limits))
    )

  /** In this process only: a command that a crash cut short may run again under the same key. */
  static readonly layerVolatile = (
    limits: Journal.Limits = defaults
  ): Layer.Layer<InvokeMemory, Journal.JournalUnusable> => Layer.effect(InvokeMemory, make(Journal.IN_MEMORY, limits))
}

const defaults: Journal.Limits = { count: 1_000, bytes: 32 * 1024 * 1024, ageMs: 24 * 3_600_000, least: 100 }

interface Running {
  readonly digest: string
  readonly outcome: Deferred.Deferred<Outcome>
}

const make = Effect.fnUntraced(function* (file: string, limits: Journal.Limits) {
  const journal = yield* Journal.open(file, limits)
  const scope = yield* Effect.scope
  const running = new Map<string, Running>()

  /** Whatever the end was, the key does not stay open: an interrupted command has an answer too. */
  const settle = (key: string, exit: Exit.Exit<Outcome>) =>
    Effect.suspend(() => {
      const reply = Exit.isSuccess(exit) ? exit.value.reply : Journal.interrupted
      const isKept = Exit.isFailure(exit) || exit.value.keep
      return Effect.fromResult(isKept ? journal.end(key, reply) : journal.forget(key))
    }).pipe(
      // The caller still gets the answer. The key stands there as begun, so it is not run again.
      Effect.catch((error) => Effect.logError("an answer could not be written down", error.message))
    )

  const start = Effect.fnUntraced(function* (key: string, entry: Running, work: Effect.Effect<Outcome>) {
    const recorded = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.exit(restore(work)), (exit) => Effect.andThen(settle(key, exit), exit))
    )
    const fiber = yield* Effect.forkIn(recorded, scope, { startImmediately: true })
    // Called at once when the work has ended already.
    fiber.addObserver((exit) => {
      running.delete(key)
      Deferred.doneUnsafe(entry.outcome, exit)
    })
  })

  const told = (key: string, digest: string, known: Journal.Begun) =>
    known.digest === digest ? Effect.succeed(known.reply) : Effect.fail(new KeyReused({ key }))

  const doOnce = (key: string, digest: string, work: Effect.Effect<Outcome>, agoMs: number | undefined) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend((): Effect.Effect<Journal.Reply | undefined, KeyReused | Journal.JournalUnusable> => {
        const entry: Running = running.get(key) ?? { digest, outcome: Deferred.makeUnsafe() }
        if (entry.digest !== digest) return Effect.fail(new KeyReused({ key }))
        const answer = restore(Effect.map(Deferred.await(entry.outcome), ({ reply }) => reply))
        if (running.has(key)) return answer
        const begun = journal.begin(key, digest, agoMs)
        if (Result.isFailure(begun)) return Effect.fail(begun.failure)
        if (begun.success === "forgotten") return Effect.undefined
        if (begun.success !== undefined) return told(key, digest, begun.success)
        // Taken in the same step as it was found free: a duplicate cannot come between.
        running.set(key, entry)
        return Effect.andThen(start(key, entry, work), answer)
      })
    )

  const once = Effect.fn("InvokeMemory.once")(function* (key: string, digest: string, work: Effect.Effect<Outcome>) {
    // Without an age nothing can count as forgotten.
    return (yield* doOnce(key, digest, work, undefined)) ?? Journal.interrupted
  })

  const resume = Effect.fn("InvokeMemory.resume")(
    (key: string, digest: string, agoMs: number, work: Effect.Effect<Outcome>) => doOnce(key, digest, work, agoMs)
  )

  const recall = Effect.fn("InvokeMemory.recall")(function* (key: string, digest: string) {
    const working = running.get(key)
    if (working !== undefined) {
      if (working.digest !== digest) return yield* new KeyReused({ key })
      return (yield* Deferred.await(working.outcome)).reply
    }
    const known = yield* Effect.fromResult(journal.find(key))
    return known === undefined ? undefined : yield* told(key, digest, known)
  })

  return InvokeMemory.of({ once, resume, recall })
})
