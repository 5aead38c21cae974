/**
 * One link whose messages a test may lose, hold back or double: the rules that wait, and what became of each message.
 *
 * Nothing here waits or carries anything: a carrier asks for the fate of each message and acts on it (`carriers.ts`).
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { stillWaiting } from "../stillWaiting.ts"

/** `request`: towards whoever is asked. `answer`: back, events of a connection included. */
export type Way = "request" | "answer"

/** A message as a carrier sees it. */
export interface LinkMessage {
  readonly way: Way
  /** A node's command, a method or event of the Gateway, a method of the Bot API, a model's reference. */
  readonly what: string
}

export type Fate = "passed" | "dropped" | "delayed" | "duplicated" | "cut"

/** A message and what became of it. */
export interface Passed extends LinkMessage {
  readonly fate: Fate
}

export interface FaultOptions {
  /** Messages that it meets, in their order; 1 when left out, `Infinity` for all from now on. */
  readonly times?: number
  /** `request` when left out. */
  readonly on?: Way
  /** Only messages about this. */
  readonly what?: string
}

/** Probabilities from 0 to 1, each drawn anew for every message. */
export interface Odds {
  readonly drop?: number
  readonly duplicate?: number
  readonly delay?: number
  /** The longest delay; each is between nothing and this. 1 second when left out. */
  readonly upTo?: Duration.Input
}

/** The switches of one link. */
export interface LinkFaults {
  /** Nothing passes until `restore`. What is under way breaks off, as a connection does; returns when everybody was told. */
  readonly cut: Effect.Effect<void>
  /** Takes `cut` back: nodes of the kit connect again, everything else when it tries. */
  readonly restore: Effect.Effect<void>
  /** The next messages are lost. Nobody is told: whoever waits, waits until a timeout of its own. */
  readonly drop: (times?: number, options?: Omit<FaultOptions, "times">) => Effect.Effect<void>
  /** The next messages arrive later, by the clock of the test. */
  readonly delay: (by: Duration.Input, options?: FaultOptions) => Effect.Effect<void>
  /** The next messages arrive twice. */
  readonly duplicate: (times?: number, options?: Omit<FaultOptions, "times">) => Effect.Effect<void>
  /** Chance decides about every message from now on; the same seed and the same messages meet the same fates. */
  readonly chaos: (odds: Odds) => Effect.Effect<void>
  /** Takes everything back, `cut` too. */
  readonly clear: Effect.Effect<void>
  /** Every message so far, oldest first. */
  readonly log: Effect.Effect<ReadonlyArray<Passed>>
  /** Waits until a message like this was on its way, and gives the first. Any when left out. */
  readonly seen: (like?: Partial<Passed>) => Effect.Effect<Passed>
}

/** What a carrier does with a message. */
export interface Verdict {
  readonly fate: Fate
  readonly delay: Duration.Duration
}

/** The carriers' side of a link. */
export interface Link extends LinkFaults {
  readonly name: string
  readonly decide: (message: LinkMessage) => Verdict
  readonly isCut: () => boolean
  /** Waits until the link is cut; does not wait where it is. */
  readonly broken: Effect.Effect<void>
  /** Runs at each `cut` and at each `restore`, which wait for it. Returns how to forget it. */
  readonly watch: (watcher: { readonly cut: Effect.Effect<void>; readonly restore: Effect.Effect<void> }) => () => void
}

interface Rule {
  readonly fate: Fate
  readonly delay: Duration.Duration
  readonly on: Way
  readonly what: string | undefined
  left: number
}

type Draw = () => number

const fateOf = (odds: Odds, draw: Draw): Verdict => {
  // One draw a kind, whatever it comes to: what a message meets does not hang on the odds of another kind.
  const [drop, duplicate, delay, share] = [draw(), draw(), draw(), draw()]
  if (drop < (odds.drop ?? 0)) return { fate: "dropped", delay: Duration.zero }
  if (duplicate < (odds.duplicate ?? 0)) return { fate: "duplicated", delay: Duration.zero }
  return delay < (odds.delay ?? 0)
    ? { fate: "delayed", delay: Duration.times(Duration.fromInputUnsafe(odds.upTo ?? "1 second"), share) }
    : { fate: "passed", delay: Duration.zero }
}

/** A link of this name. `draw` gives numbers from 0 to 1, for `chaos`. */
export const make = (name: string, draw: Draw): Link => {
  const log: Array<Passed> = []
  const watchers = new Set<Parameters<Link["watch"]>[0]>()
  let rules: ReadonlyArray<Rule> = []
  let odds: Odds | undefined
  let isCut = false
  let broken = Deferred.makeUnsafe<void>()
  let logged = Deferred.makeUnsafe<void>()

  const add = (fate: Fate, delay: Duration.Input, { on = "request", times = 1, what }: FaultOptions = {}) =>
    Effect.sync(() => {
      if (times <= 0) return
      rules = [...rules, { fate, delay: Duration.fromInputUnsafe(delay), on, what, left: times }]
    })
  const byRule = ({ way, what }: LinkMessage): Verdict | undefined => {
    const rule = rules.find((each) => each.on === way && (each.what === undefined || each.what === what))
    if (rule === undefined) return undefined
    rule.left -= 1
    if (rule.left <= 0) rules = rules.filter((each) => each !== rule)
    return { fate: rule.fate, delay: rule.delay }
  }
  const decide = (message: LinkMessage): Verdict => {
    const verdict: Verdict = isCut
      ? { fate: "cut", delay: Duration.zero }
      : (byRule(message) ?? (odds === undefined ? { fate: "passed", delay: Duration.zero } : fateOf(odds, draw)))
    log.push({ ...message, fate: verdict.fate })
    const before = logged
    logged = Deferred.makeUnsafe()
    Deferred.doneUnsafe(before, Effect.void)
    return verdict
  }
  const cut = Effect.suspend(() => {
    if (isCut) return Effect.void
    isCut = true
    Deferred.doneUnsafe(broken, Effect.void)
    return Effect.forEach([...watchers], (watcher) => watcher.cut, { discard: true })
  })
  const restore = Effect.suspend(() => {
    if (!isCut) return Effect.void
    isCut = false
    broken = Deferred.makeUnsafe()
    return Effect.forEach([...watchers], (watcher) => watcher.restore, { discard: true })
  })

  const until = (like: Partial<Passed>): Effect.Effect<Passed> =>
    Effect.suspend(() => {
      const found = log.find(
        ({ fate, way, what }) =>
          (like.fate ?? fate) === fate && (like.way ?? way) === way && (like.what ?? what) === what
      )
      return found === undefined ? Effect.flatMap(Deferred.await(logged), () => until(like)) : Effect.succeed(found)
    })

  return {
    name,
    decide,
    isCut: () => isCut,
    broken: Effect.suspend(() => Deferred.await(broken)),
    watch: (watcher) => {
      watchers.add(watcher)
      return () => void watchers.delete(watcher)
    },
    cut,
    restore,
    drop: (times, options) => add("dropped", 0, { ...options, ...(times === undefined ? undefined : { times }) }),
    delay: (by, options) => add("delayed", by, options),
    duplicate: (times, options) =>
      add("duplicated", 0, { ...options, ...(times === undefined ? undefined : { times }) }),
    chaos: (wanted) =>
      Effect.sync(() => {
        odds = wanted
      }),
    clear: Effect.andThen(
      Effect.sync(() => {
        rules = []
        odds = undefined
      }),
      restore
    ),
    log: Effect.sync(() => [...log]),
    seen: (like = {}) =>
      until(like).pipe(
        stillWaiting(
          Effect.sync(
            () =>
              `Faults: the link "${name}" still waits for a message like ${JSON.stringify(like)}. Seen: ${log.map(({ fate, way, what }) => `${way} ${what} (${fate})`).join("; ") || "none"}.`
          )
        )
      )
  }
}
