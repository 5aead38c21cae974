/**
 * One world from its making to its verdict.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { carryOut, type Happened } from "./carryOut.ts"
import { classOf, describe } from "./faults.ts"
import { judge, type Problem, type Verdict } from "./judge.ts"
import type { WorldPlan } from "./plan.ts"
import { dice } from "./random.ts"
import { type Spread, spreadOf } from "./spread.ts"
import { type Api, connect, folders } from "./setting.ts"
import * as Traffic from "./traffic.ts"
import * as World from "./World.ts"

/** Milliseconds from a start of the Gateway after a death. */
export interface Recovery {
  readonly class: string
  /** Until it says that it is ready. */
  readonly readyMs: number
  /** Until the Bot API heard of it. */
  readonly backMs: number | undefined
  /** Until it went on with something that had been left open. */
  readonly resumedMs: number | undefined
}

export interface WorldResult {
  readonly plan: WorldPlan
  readonly dir: string
  /** Unix milliseconds. */
  readonly startedAt: number
  readonly happened: ReadonlyArray<Happened>
  readonly recoveries: ReadonlyArray<Recovery>
  readonly verdict: Verdict
  /** From a message to the end of its reply. */
  readonly latency: Spread
}

/** All messages must be answered within this once nothing disturbs any more. */
const drainPatienceMs = 90_000
const stopPatienceMs = 20_000

const askedTimes = (file: string): ReadonlyArray<number> =>
  Fs.existsSync(file)
    ? Fs.readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line.endsWith("}"))
        .map((line) => (JSON.parse(line) as { readonly at: number }).at)
    : []

const isWork = (method: string): boolean => method.startsWith("send") || method.startsWith("edit")

const recoveriesOf = (world: World.World, happened: ReadonlyArray<Happened>): ReadonlyArray<Recovery> => {
  const asked = askedTimes(folders(world.dir).asked)
  return world.restarts.map(({ hadWork, readyAt, spawnedAt }, index) => {
    const end = world.restarts[index + 1]?.spawnedAt ?? Infinity
    const within = (at: number) => at >= spawnedAt && at < end
    const call = world.record.calls.find(({ at }) => within(at))
    const work = [
      world.record.calls.find(({ at, method }) => within(at) && isWork(method))?.at,
      asked.find(within)
    ].filter((at) => at !== undefined)
    const fault = happened.filter(({ at }) => at <= spawnedAt).at(-1)
    return {
      class: fault === undefined ? "none" : classOf(fault.fault),
      readyMs: readyAt - spawnedAt,
      backMs: call === undefined ? undefined : call.at - spawnedAt,
      resumedMs: hadWork && work.length > 0 ? Math.min(...work) - spawnedAt : undefined
    }
  })
}

/** Asks the Gateway itself whether it is done; `undefined` when it is. */
const stillRunning = (world: World.World) =>
  Effect.gen(function* () {
    const operator = yield* connect(world.ports)
    const { supervisor } = yield* operator.call.status({})
    return supervisor?.some(({ name, state }) => name.startsWith("sessions/agent:") && state === "running") === true
  }).pipe(Effect.scoped)

/** Lets everything come to its end, and ends the processes in order. What does not end is a problem. */
const drain = Effect.fnUntraced(function* (world: World.World) {
  const problems: Array<Problem> = []
  const inside = (detail: string) => problems.push({ kind: "inside", id: undefined, detail, blamed: "the end" })
  const done = () => world.record.open.size === 0 && world.record.asked.length === world.written()
  yield* World.until(done, drainPatienceMs)
  const idle = yield* stillRunning(world).pipe(
    Effect.repeat({ until: (running) => !running, schedule: Schedule.spaced("50 millis") }),
    Effect.timeoutOption("10 seconds"),
    Effect.exit
  )
  if (Exit.isFailure(idle)) inside(`the Gateway does not answer: ${Cause.pretty(idle.cause).slice(0, 300)}`)
  else if (idle.value._tag === "None") inside("turns still run though all messages are answered")
  yield* world.life("gateway").signal("SIGTERM")
  if (!(yield* World.until(() => !world.life("gateway").isAlive(), stopPatienceMs))) {
    inside("SIGTERM did not end the Gateway")
    yield* world.kill("gateway")
  }
  const code = yield* world.life("gateway").ended
  if (code !== 0) inside(`the Gateway ended with ${code}`)
  yield* Effect.forEach(["desk", "attic", "model", "botApi"] as const, world.kill)
  yield* world.record.follow
  return problems
})

const latencyOf = ({ record }: World.World): Spread =>
  spreadOf(
    record.chats().flatMap((chatId) => {
      const { replies } = record.chat(chatId)
      return record.asked.flatMap(({ at, chatId: of, id }) => {
        const reply = of === chatId ? replies.get(id) : undefined
        return reply === undefined ? [] : [reply.at - at]
      })
    })
  ) ?? { p50: NaN, p99: NaN, max: NaN }

const perform = Effect.fnUntraced(function* (
  world: World.World,
  plan: WorldPlan,
  options: Traffic.TrafficOptions | undefined
) {
  const traffic = yield* Effect.forkChild(Traffic.steady(world, options), { startImmediately: true })
  yield* World.until(() => world.record.asked.length > 5, 5_000)
  const happened: Array<Happened> = []
  for (const [index, fault] of plan.faults.entries()) {
    if (index === plan.rushBefore) yield* Traffic.rush(world)
    happened.push(yield* carryOut(world, fault))
  }
  yield* Fiber.interrupt(traffic)
  return happened
})

const tell = (plan: WorldPlan, result: Pick<WorldResult, "happened" | "startedAt" | "verdict">): string =>
  [
    `seed ${plan.seed}`,
    ...result.happened.map(
      ({ at, end, fault, missed }) =>
        `after ${((at - result.startedAt) / 1_000).toFixed(3)} s ${describe(fault)}${missed ? " (missed)" : ""}; back after ${end - at} ms`
    ),
    ...result.verdict.problems.map(({ blamed, detail, id, kind }) => `${kind}: #${id ?? "-"} ${detail} [${blamed}]`),
    ...result.verdict.remarks.map(({ blamed, detail, kind }) => `${kind}: ${detail} [${blamed}]`)
  ].join("\n")

/** Plays a world. Its folder stays when something is wrong in it. */
export const runWorld = Effect.fnUntraced(function* (
  options: {
    readonly pkg: string
    readonly prepared: string
    readonly dir: string
    readonly keep: boolean
    readonly traffic?: Traffic.TrafficOptions
    readonly api?: Api
  },
  plan: WorldPlan
) {
  const dir = Path.join(options.dir, `world-${plan.index}`)
  const result = yield* Effect.gen(function* () {
    const world = yield* World.make({ ...options, dir, dice: dice(plan.seed) })
    const startedAt = yield* Clock.currentTimeMillis
    const happened = yield* perform(world, plan, options.traffic)
    const left = yield* drain(world)
    const verdict = judge(dir, world.record, happened)
    const all = { ...verdict, problems: [...left, ...verdict.problems] }
    const played: WorldResult = {
      plan,
      dir,
      startedAt,
      happened,
      recoveries: recoveriesOf(world, happened),
      verdict: all,
      latency: latencyOf(world)
    }
    return played
  }).pipe(Effect.scoped)
  if (result.verdict.problems.length > 0 || options.keep) {
    Fs.writeFileSync(Path.join(dir, "story.txt"), tell(plan, result))
    Fs.writeFileSync(Path.join(dir, "plan.json"), JSON.stringify(plan, undefined, 2))
  } else Fs.rmSync(dir, { recursive: true, force: true })
  return result
})
