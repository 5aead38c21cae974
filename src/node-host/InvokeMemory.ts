/**
 * What this node answered, by idempotency key: the same request again is answered from here, and never run again.
 *
 * `layer` keeps it in this process. A store that survives the process can take its place: it is one operation.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

/** One answer, as it travels. */
export type Reply =
  | { readonly ok: true; readonly payloadJSON: string }
  | { readonly ok: false; readonly error: { readonly code: string; readonly message: string } }

/** How a request's work ended. A refusal is not kept: nothing ran, and what refused it may have changed by the next try. */
export interface Outcome {
  readonly reply: Reply
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
     * the answer. The work goes on when its caller is gone: it may have begun to change things.
     */
    readonly once: (key: string, digest: string, work: Effect.Effect<Outcome>) => Effect.Effect<Reply, KeyReused>
    /** The answer of an earlier request, waited for while its work lasts; `undefined` when there is none to remember. */
    readonly recall: (key: string, digest: string) => Effect.Effect<Reply | undefined, KeyReused>
  }
>()("openclaw/node-host/InvokeMemory") {
  /** At most `count` answers and `bytes` of payload, for `ageMs`. */
  static readonly layer = (limits: Limits = defaults): Layer.Layer<InvokeMemory> =>
    Layer.effect(InvokeMemory, make(limits))
}

export interface Limits {
  readonly count: number
  readonly bytes: number
  readonly ageMs: number
}

const defaults: Limits = { count: 1_000, bytes: 32 * 1024 * 1024, ageMs: 24 * 3_600_000 }

interface Running {
  readonly digest: string
  readonly outcome: Deferred.Deferred<Outcome>
}

interface Kept {
  readonly digest: string
  readonly reply: Reply
  readonly size: number
  readonly at: number
}

const make = Effect.fnUntraced(function* ({ ageMs, bytes, count }: Limits) {
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const running = new Map<string, Running>()
  /** Oldest first. */
  const kept = new Map<string, Kept>()
  let size = 0

  const prune = (now: number) => {
    for (const [key, entry] of kept) {
      if (kept.size <= count && size <= bytes && now - entry.at < ageMs) return
      size -= entry.size
      kept.delete(key)
    }
  }

  const keep = (key: string, digest: string, reply: Reply) => {
    const weight = reply.ok ? reply.payloadJSON.length : reply.error.message.length
    const at = clock.currentTimeMillisUnsafe()
    size += weight
    kept.set(key, { digest, reply, size: weight, at })
    prune(at)
  }

  const start = Effect.fnUntraced(function* (key: string, entry: Running, work: Effect.Effect<Outcome>) {
    const fiber = yield* Effect.forkIn(work, scope, { startImmediately: true })
    // Called at once when the work has ended already.
    fiber.addObserver((exit) => {
      running.delete(key)
      if (exit._tag === "Success" && exit.value.keep) keep(key, entry.digest, exit.value.reply)
      Deferred.doneUnsafe(entry.outcome, exit)
    })
  })

  const once = Effect.fn("InvokeMemory.once")(function* (key: string, digest: string, work: Effect.Effect<Outcome>) {
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.suspend((): Effect.Effect<Reply, KeyReused> => {
        prune(clock.currentTimeMillisUnsafe())
        const known = running.get(key) ?? kept.get(key)
        if (known !== undefined && known.digest !== digest) return Effect.fail(new KeyReused({ key }))
        if (known !== undefined && "reply" in known) return Effect.succeed(known.reply)
        const entry: Running = known ?? { digest, outcome: Deferred.makeUnsafe() }
        const answer = restore(Effect.map(Deferred.await(entry.outcome), ({ reply }) => reply))
        if (known !== undefined) return answer
        // Taken in the same step as it was found free: a duplicate cannot come between.
        running.set(key, entry)
        return Effect.andThen(start(key, entry, work), answer)
      })
    )
  })

  const recall = Effect.fn("InvokeMemory.recall")(function* (key: string, digest: string) {
    prune(clock.currentTimeMillisUnsafe())
    const known = running.get(key) ?? kept.get(key)
    if (known === undefined) return undefined
    if (known.digest !== digest) return yield* new KeyReused({ key })
    return "reply" in known ? known.reply : (yield* Deferred.await(known.outcome)).reply
  })

  return InvokeMemory.of({ once, recall })
})
