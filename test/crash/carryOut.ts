/**
 * Does to a world what a fault says, and lets it come back.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { DidNotStart } from "./Child.ts"
import { type Fault, deathsBy, type Victim } from "./faults.ts"
import { until, type World } from "./World.ts"

/** A fault as it happened. Unix milliseconds. */
export interface Happened {
  readonly fault: Fault
  readonly at: number
  readonly end: number
  /** A named point that was armed was not passed in time; the process was killed where it stood. */
  readonly missed: boolean
}

/** Milliseconds until a point that was armed counts as missed. */
const pointPatienceMs = 4_000
const startPatienceMs = 1_500
/** A stop must come to its end within this; the test fails otherwise. */
const stopPatienceMs = 30_000
/** A turn is given up after three deaths of the Gateway, so none is exposed to more than two. */
const mostDeaths = 2
/** A message that was written this long ago is in the inbox, if the Gateway lives. */
const arrivalMs = 250
const settlePatienceMs = 45_000

/** Lets messages that have seen as much as a turn is granted come to their end. What has none is not waited for again. */
const spare = Effect.fnUntraced(function* (world: World, deaths: number) {
  const exposed = () =>
    [...world.record.open].filter((id) => !world.overdue.has(id) && (world.survived.get(id) ?? 0) + deaths > mostDeaths)
  if (!(yield* until(() => exposed().length === 0, settlePatienceMs))) exposed().forEach((id) => world.overdue.add(id))
})

const point = Effect.fnUntraced(function* (world: World, fault: Extract<Fault, { kind: "point" }>) {
  const { atStart, victim } = fault
  if (atStart) {
    yield* world.kill(victim)
    if (victim === "gateway") yield* world.gatewayDied
    world.arm(victim, fault)
    const [spawned] = yield* Effect.all([
      victim === "gateway" ? world.spawnGateway : Effect.as(Effect.ignore(world.restart(victim)), world.life(victim))
    ])
    const dead = until(() => !spawned.isAlive(), pointPatienceMs)
    yield* Effect.raceFirst(dead, Effect.andThen(Effect.exit(spawned.ready), Effect.sleep(startPatienceMs)))
  } else {
    world.arm(victim, fault)
    yield* world.life(victim).signal("SIGURG")
    yield* until(() => !world.life(victim).isAlive(), pointPatienceMs)
  }
  const missed = world.life(victim).isAlive()
  world.arm(victim, undefined)
  if (missed) yield* world.kill(victim)
  if (victim === "gateway") yield* world.gatewayDied
  yield* world.restart(victim)
  return missed
})

const killFor = Effect.fnUntraced(function* (world: World, victim: Victim, awayMs: number) {
  yield* world.kill(victim)
  if (victim === "gateway") yield* world.gatewayDied
  yield* Effect.sleep(awayMs)
  yield* world.restart(victim)
})

/** `true` when an armed point was missed. */
const act = Effect.fnUntraced(function* (world: World, fault: Fault): Effect.fn.Return<boolean, DidNotStart> {
  switch (fault.kind) {
    case "point":
      return yield* point(world, fault)
    case "instant":
      yield* Effect.sleep(fault.afterMs)
      yield* killFor(world, fault.victim, fault.awayMs)
      return false
    case "startup":
      yield* world.kill("gateway")
      yield* world.gatewayDied
      yield* world.spawnGateway
      yield* Effect.sleep(fault.afterMs)
      yield* killFor(world, "gateway", 0)
      return false
    case "recovery":
      yield* Effect.sleep(fault.afterMs)
      yield* killFor(world, "gateway", 0)
      return false
    case "pause":
      yield* world.life(fault.victim).signal("SIGSTOP")
      yield* Effect.sleep(fault.forMs)
      yield* world.life(fault.victim).signal("SIGCONT")
      return false
    case "stop": {
      yield* Effect.sleep(fault.afterMs)
      yield* world.life("gateway").signal("SIGTERM")
      const ended = yield* until(() => !world.life("gateway").isAlive(), stopPatienceMs)
      if (!ended) yield* world.kill("gateway")
      yield* world.restart("gateway")
      return !ended
    }
    case "api":
      yield* world.life("botApi").order({ fault: fault.fault })
      yield* Effect.sleep("300 millis")
      return false
    case "answer":
      yield* world.life("model").order({ fault: fault.fault, times: fault.times })
      yield* Effect.sleep("300 millis")
      return false
  }
})

/** Carries a fault out; the world is back when it returns. */
export const carryOut = Effect.fnUntraced(function* (
  world: World,
  fault: Fault
): Effect.fn.Return<Happened, DidNotStart> {
  yield* spare(world, deathsBy(fault))
  // A fault during start-up or recovery follows the one before it at once.
  if (fault.kind !== "startup" && fault.kind !== "recovery") yield* Effect.sleep(world.dice.whole(50, 400))
  const at = yield* Clock.currentTimeMillis
  // The other Bot API gives each message out once; it must be in the inbox before anything ends.
  const hushed = world.api === "other" && (deathsBy(fault) > 0 || fault.kind === "stop")
  if (hushed) {
    world.hush(true)
    yield* Effect.sleep(arrivalMs)
  }
  const missed = yield* act(world, fault)
  world.hush(false)
  return { fault, at, end: yield* Clock.currentTimeMillis, missed }
})
