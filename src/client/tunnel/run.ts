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
  type TunnelError,
  type TunnelSpec,
  type TunnelState,
  WrongGateway
} from "../../services/TunnelManager.ts"
import type { Forward, OpenForward } from "./forward.ts"
import type { Probe } from "./probe.ts"

/** What a tunnel is made of. */
export interface Parts {
  readonly open: OpenForward
  readonly probe: Probe
  /** Waits until the machine woke or changed its network. */
  readonly awakened: Effect.Effect<void>
  readonly known: {
    /** The Gateway that is known for a target. */
    readonly get: (spec: TunnelSpec) => Effect.Effect<string | undefined, TunnelError>
    readonly put: (spec: TunnelSpec, gateway: string) => Effect.Effect<void>
  }
}

/** A dead path is noticed after this wait and an unanswered question: 18 seconds. */
export const PING_EVERY_MS = 10_000
const ANSWER_WITHIN_MS = 8000
/** After a sleep the path is more likely dead than slow, and a new one is quickly made. */
const ANSWER_AWAKE_MS = 1500
/** ssh's whole way to a bound port, a hardware key's touch included. */
const BOUND_WITHIN_MS = 60_000

const FIRST_WAIT_MS = 250
/** The waits of the first minutes, in which a network is likely to come back at any moment, and those after them. */
const SHORT_WAIT_MS = 2000
const LONG_WAIT_MS = 15_000
const SHORT_FOR_MS = 600_000
/** A tunnel that lived this long was a good one: the waits start over. */
const HEALTHY_MS = 5000

const reasonOf = (exit: Exit.Exit<unknown, TunnelError>): TunnelError | undefined =>
  Option.getOrUndefined(Exit.findErrorOption(exit))

/** Drawn evenly from zero to a growing limit (full jitter). */
const jitter = (attempt: number, longest: number): Effect.Effect<number> =>
  Effect.map(Random.next, (random) => Math.round(random * Math.min(longest, FIRST_WAIT_MS * 2 ** attempt)))

/** Seconds for the way to the host: short, so that a way that opens meanwhile is tried soon; now and then enough for a slow one. */
export const connectSeconds = (attempt: number): number => (attempt % 4 === 3 ? 20 : 4)

/** Runs for ever; fails with what waiting cannot heal. `generations` outlives a restart of this effect. */
export const run = Effect.fnUntraced(function* (
  spec: TunnelSpec,
  parts: Parts,
  state: SubscriptionRef.SubscriptionRef<TunnelState>,
  generations: { last: number }
): Effect.fn.Return<never, TunnelError> {
  const endpoint: Endpoint = loopback(spec.localPort)
  const { target } = spec
  const set = (next: TunnelState) => SubscriptionRef.set(state, next)
  /** Waits, and says whether the machine woke in it, which ends the wait. */
  const wokeWithin = (millis: number) => Effect.map(Effect.timeoutOption(parts.awakened, millis), Option.isSome)
  let attempt = 0
  let error: TunnelError | undefined
  let lostAt = yield* Clock.currentTimeMillis
  let upAt: number | undefined

  const unheard = (detail: string) => new SshUnreachable({ target, reason: "silent", detail })

  /** Which Gateway it is, where it can be asked; fails when it is another than the known one. */
  const recognise = Effect.fnUntraced(function* () {
    if (spec.credentials === undefined || spec.credentials.length === 0) return undefined
    const found = yield* parts.probe.identity(endpoint, spec.credentials, ANSWER_WITHIN_MS)
    const expected = yield* parts.known.get(spec)
    if (expected !== undefined && expected !== found) return yield* new WrongGateway({ target, expected, found })
    if (expected === undefined) yield* parts.known.put(spec, found)
    return found
  })

  /** Asks through one forward until it is silent. Its ssh is alive in all of this, or `ended` cuts it short. */
  const watch = Effect.fnUntraced(function* (generation: number): Effect.fn.Return<never, TunnelError> {
    let gateway: string | undefined
    let since: number | undefined
    let misses = 0
    let within = ANSWER_WITHIN_MS
    for (;;) {
      const proof = yield* Effect.gen(function* () {
        const challenge = parts.probe.challenge(endpoint, within)
        const roundTripMs = yield* Effect.raceFirst(challenge, Effect.as(parts.awakened, undefined))
        if (roundTripMs === undefined) return undefined
        if (since === undefined) gateway = yield* recognise()
        return roundTripMs
      }).pipe(
        Effect.catchTags({
          ProbeFailed: (failure) => Effect.succeed(failure),
          ProbeRefused: ({ detail }) => Effect.fail(new GatewayRefused({ target, detail }))
        })
      )
      within = ANSWER_WITHIN_MS
      if (proof === undefined) {
        within = ANSWER_AWAKE_MS
        continue
      }
      if (typeof proof !== "number") {
        if (proof.silent) return yield* unheard(proof.detail)
        // ssh is well: whoever answers next has to be recognised anew.
        since = undefined
        upAt = undefined
        const delayMs = (proof.retryAfterMs ?? 0) + (yield* jitter(misses++, SHORT_WAIT_MS))
        const notThere = new GatewayNotAnswering({ target, remotePort: spec.remotePort, detail: proof.detail })
        yield* set({ _tag: "Waiting", generation, delayMs, error: notThere })
        yield* wokeWithin(delayMs)
        continue
      }
      misses = 0
      since ??= yield* Clock.currentTimeMillis
      upAt = since
      yield* set({ _tag: "Up", generation, since, localPort: spec.localPort, roundTripMs: proof, gateway })
      const woke = yield* wokeWithin(PING_EVERY_MS)
      if (woke) within = ANSWER_AWAKE_MS
    }
  })

  const once = Effect.fnUntraced(function* (generation: number) {
    const forward: Forward = yield* parts.open(spec, connectSeconds(attempt))
    const woke = yield* Effect.raceFirst(Effect.as(forward.bound, false), Effect.as(parts.awakened, true)).pipe(
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
