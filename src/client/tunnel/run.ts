/**
 * The life of one tunnel: ssh is started, proved, asked again and again, and started anew when it does not hold.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { type Endpoint, loopback } from "../../domain/Endpoint.ts"
import {
  GatewayNotAnswering,
  GatewayRefused,
  isTerminal,
  SshUnreachable,
  TunnelBroken,
  type TunnelError,
  type TunnelSpec,
  type TunnelState,
  WrongGateway
} from "../../services/TunnelManager.ts"
import type { Forward, OpenForward } from "./forward.ts"
import type { Standing } from "../gatewayProof.ts"
import type { Probe, ProbeFailed } from "./probe.ts"

/** What a tunnel is made of. */
export interface Parts {
  readonly open: OpenForward
  readonly probe: Probe
  /** Waits until the machine woke or changed its network. */
  readonly awakened: Effect.Effect<void>
  readonly known: {
    /** The Gateway that is known for a target. */
    readonly get: (spec: TunnelSpec) => Effect.Effect<Known | undefined, TunnelError>
    readonly put: (spec: TunnelSpec, known: Known) => Effect.Effect<void>
  }
}

/** A Gateway that was recognised once. */
export interface Known {
  readonly deviceId: string
  /** It proved it, so whoever proves nothing is another. */
  readonly proves: boolean
}

/** A dead path is noticed after this wait and an unanswered question: 18 seconds. */
export const PING_EVERY_MS = 10_000
const ANSWER_WITHIN_MS = 8000
/** A Gateway that ends each line soon is not asked all the time. */
const ASK_AT_MOST_EVERY_MS = 1000
/** After a sleep the path is more likely dead than slow, and a new one is quickly made. */
const ANSWER_AWAKE_MS = 1500
/** ssh's whole way to a bound port, a hardware key's touch included. */
const BOUND_WITHIN_MS = 60_000

const FIRST_WAIT_MS = 250
/** The waits of the first hour, in which a network is likely to come back at any moment, and those after it. */
const SHORT_WAIT_MS = 750
const LONG_WAIT_MS = 15_000
const SHORT_FOR_MS = 3_600_000
/** A tunnel that lived this long was a good one: the waits start over. */
const HEALTHY_MS = 5000

const reasonOf = (exit: Exit.Exit<unknown, TunnelError>): TunnelError | undefined =>
  Option.getOrUndefined(Exit.findErrorOption(exit))

/** Drawn evenly from zero to a growing limit (full jitter). */
const jitter = (attempt: number, longest: number): Effect.Effect<number> =>
  Effect.map(Random.next, (random) => Math.ceil(random * Math.min(longest, FIRST_WAIT_MS * 2 ** attempt)))

/** Who answers through the forward that stands, and since when. */
interface Recognised {
  readonly since: number
  readonly known: Known | undefined
}

export interface Patience {
  /** ssh's own limit, for each address of the host and for the whole exchange up to the keys. */
  readonly connectSeconds: number
  /**
   * Milliseconds for the way alone, and from there to the bound port. A system repeats what is not answered later and later; a
   * new ssh asks at once.
   */
  readonly stages?: { readonly openMs: number; readonly bindMs: number }
}

const OPEN_WITHIN_MS = 1500
/** A busy machine may take this long for what took a moment before. */
const BIND_AT_LEAST_MS = 2000

/**
 * How long an ssh may be on its way. Where one came through before, `tookMs` from the open way to the bound port, the next ones
 * are not waited for much longer; every eighth also tries the host's second address, and some take all the time that a bad
 * network needs.
 */
export const patience = (attempt: number, tookMs: number | undefined): Patience => {
  if (tookMs === undefined) return { connectSeconds: attempt % 4 === 3 ? 20 : 4 }
  if (attempt % 32 === 31) return { connectSeconds: 20 }
  if (attempt % 8 === 7) return { connectSeconds: 4 }
  return { connectSeconds: 20, stages: { openMs: OPEN_WITHIN_MS, bindMs: Math.max(BIND_AT_LEAST_MS, 2 * tookMs) } }
}

const live = Effect.fnUntraced(function* (
  spec: TunnelSpec,
  parts: Parts,
  state: SubscriptionRef.SubscriptionRef<TunnelState>,
  generations: { last: number }
): Effect.fn.Return<never, TunnelError> {
  const endpoint: Endpoint = loopback(spec.localPort, spec.tls === undefined ? "ws" : "wss")
  const { target } = spec
  const set = (next: TunnelState) => SubscriptionRef.set(state, next)
  /** Waits, and says whether the machine woke in it, which ends the wait. */
  const wokeWithin = (millis: number) => Effect.map(Effect.timeoutOption(parts.awakened, millis), Option.isSome)
  let attempt = 0
  let tookMs: number | undefined
  let error: TunnelError | undefined
  let lostAt = yield* Clock.currentTimeMillis
  let upAt: number | undefined

  const tooSlow = (what: string, millis: number) => () =>
    Effect.fail(new SshUnreachable({ target, reason: "timeout", detail: `${what} within ${millis} ms` }))
  const unheard = (detail: string) => new SshUnreachable({ target, reason: "silent", detail })

  /**
   * Which Gateway it is: by its proof, else, where it was never known to give one, by what it says to whoever shows it a
   * credential. Fails when it is another than the known one.
   */
  const recognise = Effect.fnUntraced(function* (standing: Standing) {
    const known = yield* parts.known.get(spec)
    const expected = known?.deviceId
    const proven = standing._tag === "Proven"
    if (standing._tag === "Forged" || (known?.proves === true && !proven)) {
      return yield* new WrongGateway({ target, expected })
    }
    if (!proven && (spec.credentials === undefined || spec.credentials.length === 0)) return undefined
    const deviceId = proven
      ? standing.deviceId
      : yield* parts.probe.identity(endpoint, spec.credentials ?? [], ANSWER_WITHIN_MS, spec.tls?.fingerprint)
    if (expected !== undefined && expected !== deviceId) {
      return yield* new WrongGateway({ target, expected, found: deviceId })
    }
    if (known?.proves !== proven) yield* parts.known.put(spec, { deviceId, proves: proven })
    return { deviceId, proves: proven } satisfies Known
  })

  /** Asks who is there and holds the line, so that its end is noticed at once. Its ssh is alive in all of this. */
  const ask = Effect.fnUntraced(function* (within: number, before: Recognised | undefined) {
    const challenge = parts.probe.challenge(endpoint, within, spec.tls?.fingerprint)
    const heard = yield* Effect.raceFirst(challenge, Effect.as(parts.awakened, undefined))
    if (heard === undefined) return undefined
    // One that proves nothing is asked by name once only: that costs a credential.
    const again = before !== undefined && before.known?.proves !== true && heard.standing._tag === "Silent"
    const known = again ? before.known : yield* recognise(heard.standing)
    return { ...heard, known }
  })

  /** Until the next question: true when the machine woke. A line that ended is followed by a question, though not by many. */
  const held = Effect.fnUntraced(function* (closed: Effect.Effect<void>) {
    const begun = yield* Clock.currentTimeMillis
    const woke = yield* Effect.raceFirst(wokeWithin(PING_EVERY_MS), Effect.as(closed, false))
    const early = ASK_AT_MOST_EVERY_MS - ((yield* Clock.currentTimeMillis) - begun)
    return woke || early <= 0 ? woke : yield* wokeWithin(early)
  })

  /** Asks through one forward until it is silent. The forward's `ended` cuts it short. */
  const watch = Effect.fnUntraced(function* (generation: number): Effect.fn.Return<never, TunnelError> {
    let recognised: Recognised | undefined
    let misses = 0
    let within = ANSWER_WITHIN_MS
    const round = Effect.gen(function* () {
      const heard = yield* ask(within, recognised)
      if (heard === undefined) return true
      misses = 0
      recognised = { since: recognised?.since ?? (yield* Clock.currentTimeMillis), known: heard.known }
      upAt = recognised.since
      yield* set({
        _tag: "Up",
        generation,
        since: recognised.since,
        localPort: spec.localPort,
        roundTripMs: heard.roundTripMs,
        gateway: heard.known?.deviceId,
        proven: heard.known?.proves === true
      })
      return yield* held(heard.closed)
    })
    const missed = Effect.fnUntraced(function* ({ detail, retryAfterMs, silent }: ProbeFailed) {
      if (silent) return yield* unheard(detail)
      // ssh is well: whoever answers next has to be recognised anew.
      recognised = undefined
      upAt = undefined
      const delayMs = (retryAfterMs ?? 0) + (yield* jitter(misses++, SHORT_WAIT_MS))
      const error = new GatewayNotAnswering({ target, remotePort: spec.remotePort, detail })
      yield* set({ _tag: "Waiting", generation, delayMs, error })
      yield* wokeWithin(delayMs)
      return false
    })
    for (;;) {
      const woke = yield* Effect.scoped(round).pipe(
        Effect.catchTags({
          ProbeFailed: missed,
          ProbeRefused: ({ detail }) => Effect.fail(new GatewayRefused({ target, detail }))
        })
      )
      within = woke ? ANSWER_AWAKE_MS : ANSWER_WITHIN_MS
    }
  })

  /** Until ssh holds the port. What it took is remembered for the next one. */
  const bound = Effect.fnUntraced(function* (forward: Forward, stages: Patience["stages"]) {
    if (stages === undefined) yield* forward.opened
    else {
      const orElse = tooSlow("no way to the host", stages.openMs)
      yield* Effect.timeoutOrElse(forward.opened, { duration: stages.openMs, orElse })
    }
    const opened = yield* Clock.currentTimeMillis
    if (stages === undefined) yield* forward.bound
    else {
      const orElse = tooSlow("the host did not let ssh in", stages.bindMs)
      yield* Effect.timeoutOrElse(forward.bound, { duration: stages.bindMs, orElse })
    }
    tookMs = (yield* Clock.currentTimeMillis) - opened
    return false
  })

  const once = Effect.fnUntraced(function* (generation: number) {
    const { connectSeconds, stages } = patience(attempt, tookMs)
    const forward: Forward = yield* parts.open(spec, connectSeconds)
    const woke = yield* Effect.raceFirst(bound(forward, stages), Effect.as(parts.awakened, true)).pipe(
      Effect.raceFirst(forward.ended),
      Effect.timeoutOrElse({
        duration: BOUND_WITHIN_MS,
        orElse: () => Effect.fail(unheard(`ssh was not ready within ${BOUND_WITHIN_MS / 1000} s`))
      })
    )
    if (woke) return yield* unheard("the machine slept or changed its network meanwhile")
    return yield* Effect.raceFirst(forward.ended, watch(generation))
  })

  for (;;) {
    const generation = ++generations.last
    upAt = undefined
    yield* set({ _tag: "Connecting", generation, error })
    // The scope's end is the fence: nothing of this generation runs on when the next one begins.
    const failure: TunnelError = yield* once(generation).pipe(
      // Before ssh is made to end, which may take a moment: nobody sends anything into it any more.
      Effect.onExit((exit) => set({ _tag: "Connecting", generation, error: reasonOf(exit) ?? error })),
      Effect.scoped,
      Effect.flip
    )
    error = failure
    if (isTerminal(failure)) {
      yield* set({ _tag: "Stopped", generation, error: failure })
      return yield* failure
    }
    const now = yield* Clock.currentTimeMillis
    if (upAt !== undefined) {
      lostAt = now
      if (now - upAt >= HEALTHY_MS) attempt = 0
    }
    const delayMs = yield* jitter(attempt, now - lostAt < SHORT_FOR_MS ? SHORT_WAIT_MS : LONG_WAIT_MS)
    attempt += 1
    yield* set({ _tag: "Waiting", generation, delayMs, error: failure })
    yield* Effect.logDebug(`tunnel to ${target}: again in ${delayMs} ms`, failure.message)
    if (yield* wokeWithin(delayMs)) {
      attempt = 0
      lostAt = yield* Clock.currentTimeMillis
    }
  }
})

/** What a fault of this program comes to: whoever waits for the tunnel would wait for ever. */
export const broken =
  (spec: TunnelSpec, state: SubscriptionRef.SubscriptionRef<TunnelState>, generations: { last: number }) =>
  (defect: unknown): Effect.Effect<never, TunnelError> =>
    Effect.gen(function* () {
      yield* Effect.logError(`the tunnel to ${spec.target} broke`, defect)
      const error = new TunnelBroken({ target: spec.target })
      yield* SubscriptionRef.set(state, { _tag: "Stopped", generation: generations.last, error })
      return yield* error
    })

/** Runs for ever; fails with what waiting cannot heal. `generations` outlives a restart of this effect. */
export const run = (
  spec: TunnelSpec,
  parts: Parts,
  state: SubscriptionRef.SubscriptionRef<TunnelState>,
  generations: { last: number }
): Effect.Effect<never, TunnelError> =>
  Effect.catchDefect(live(spec, parts, state, generations), broken(spec, state, generations))
