/**
 * Tailscale by the system's own program.
 */
import * as Cache from "effect/Cache"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Ip from "../../domain/IpAddress.ts"
import { type Claim, Tailscale, TailscaleUnavailable } from "../../services/Tailscale.ts"
import {
  notReady,
  oneLine,
  refusal,
  routes as readRoutes,
  status as readStatus,
  whois as readWhois
} from "./answers.ts"
import * as Program from "./program.ts"

const STATUS_MS = 5000
/** A handshake waits for it, and the answer is local: the daemon knows its peers. */
const WHOIS_MS = 3000
/** For how long an answer holds: a machine that changes hands is noticed soon. A refusal is asked again sooner. */
const WHOIS_GOOD = "30 seconds"
const WHOIS_BAD = "3 seconds"
/** Programs that run at a time for strangers' sake. */
const WHOIS_AT_ONCE = 4

/** From the program's start until the daemon says that the route is there; certificates may be on their way. */
const CLAIM_MS = 15_000
const LOOK_EVERY = "250 millis"
const everyLook = Schedule.spaced(LOOK_EVERY)
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000
/** A daemon that starts with the machine is asked often. */
const STARTING_WAIT_MS = 2000
/** A claim that stood this long was a good one: the waits start over. */
const HEALTHY_MS = 60_000
/** A claim that stands is looked at this often: another program may have replaced its route. */
const CHECK_EVERY = "60 seconds"

export interface TailscaleOptions {
  /** The program's name or path, instead of the usual ones. */
  readonly program?: string
}

const make = Effect.fnUntraced(function* (options: TailscaleOptions) {
  const program = yield* Program.make(options.program === undefined ? undefined : [options.program])

  const status = program.ask(["status", "--json", "--peers=false"], STATUS_MS).pipe(Effect.flatMap(readStatus))
  const routes = program.ask(["serve", "status", "--json"], STATUS_MS).pipe(Effect.flatMap(readRoutes))

  const scope = yield* Effect.scope
  const few = yield* Semaphore.make(WHOIS_AT_ONCE)
  const known = yield* Cache.makeWith(
    (address: string) =>
      few.withPermit(program.ask(["whois", "--json", address], WHOIS_MS)).pipe(
        Effect.flatMap(readWhois),
        Effect.timeoutOrElse({
          duration: 2 * WHOIS_MS,
          orElse: () =>
            new TailscaleUnavailable({ reason: "no-answer", detail: "too many ask whose address theirs is" })
        })
      ),
    { capacity: 1000, timeToLive: (exit) => (Exit.isSuccess(exit) ? WHOIS_GOOD : WHOIS_BAD) }
  )
  const whois = Effect.fn("Tailscale.whois")(function* (address: string) {
    const ip = Ip.parse(address)
    // It becomes an argument of a program.
    if (ip === undefined) return yield* new TailscaleUnavailable({ reason: "unknown", detail: "that is no address" })
    // Many wait for one answer, and the first of them may go: its question goes on.
    return yield* Fiber.join(yield* Effect.forkIn(Cache.get(known, Ip.format(ip)), scope))
  })

  /** The route of a claim, once the daemon has it. */
  const routeOf = ({ mode, port }: Claim) =>
    Effect.map(routes, (all) =>
      all.find(
        ({ foreground, funnel, target }) =>
          foreground && funnel === (mode === "funnel") && target.replace(/\/$/, "") === `http://127.0.0.1:${port}`
      )
    )

  /** Claims, says so, and returns when the claim is gone. */
  const claimOnce = Effect.fnUntraced(function* (claim: Claim) {
    const now = yield* status
    const refused = notReady(now)
    if (refused !== undefined) return yield* refused
    const { name } = now
    if (name === undefined) {
      return yield* new TailscaleUnavailable({ reason: "https-off", detail: "this machine has no name in the tailnet" })
    }
    const held = yield* program.hold([claim.mode, "--yes", "--bg=false", `http://127.0.0.1:${claim.port}`])
    const gone = Effect.flatMap(held.ended, () => Effect.flatMap(held.said, (said) => Effect.fail(refusal(said))))
    const appeared = routeOf(claim).pipe(
      Effect.repeat({ until: (route) => route !== undefined, schedule: everyLook }),
      Effect.timeoutOrElse({
        duration: CLAIM_MS,
        orElse: () =>
          Effect.flatMap(held.said, (said) =>
            Effect.fail(
              said.trim() === ""
                ? new TailscaleUnavailable({ reason: "no-answer", detail: "the route did not appear" })
                : refusal(said)
            )
          )
      })
    )
    const route = yield* Effect.raceFirst(appeared, gone)
    const since = yield* Clock.currentTimeMillis
    const url = oneLine(route?.url ?? "").replace(/\/$/, "")
    yield* claim.changed({ _tag: "Active", name, url, since })
    yield* Effect.logInfo(`tailscale ${claim.mode}: this Gateway is at ${url}`)
    const replaced = Effect.sleep(CHECK_EVERY).pipe(
      Effect.andThen(routeOf(claim)),
      // A daemon that does not answer just now has not let go of it: then the program ends.
      Effect.match({ onFailure: () => true, onSuccess: (found) => found !== undefined }),
      Effect.repeat({ while: (stands) => stands }),
      Effect.andThen(
        Effect.fail(new TailscaleUnavailable({ reason: "failed", detail: "the route was taken away or replaced" }))
      )
    )
    return yield* Effect.raceFirst(replaced, gone)
  }, Effect.scoped)

  const hold = Effect.fn("Tailscale.hold")(function* (claim: Claim) {
    let attempt = 0
    let told = ""
    let since = yield* Clock.currentTimeMillis
    while (true) {
      const begun = yield* Clock.currentTimeMillis
      const error = yield* Effect.flip(claimOnce(claim))
      const now = yield* Clock.currentTimeMillis
      if (now - begun > HEALTHY_MS) [attempt, told] = [0, ""]
      if (told !== error.message) {
        since = now
        told = error.message
        yield* Effect.logWarning(`tailscale ${claim.mode}: not yet; it is tried again. ${error.message}`)
      }
      yield* claim.changed({ _tag: "Waiting", reason: error.detail, fix: error.fix, since })
      const longest = error.reason === "starting" || error.reason === "not-running" ? STARTING_WAIT_MS : LONGEST_WAIT_MS
      yield* Effect.sleep((yield* Random.next) * Math.min(longest, FIRST_WAIT_MS * 2 ** attempt++))
    }
  })

  return Tailscale.of({ status, routes, whois, hold })
})

export const layer = (options: TailscaleOptions = {}): Layer.Layer<Tailscale, never, ChildProcessSpawner> =>
  Layer.effect(Tailscale, make(options))
