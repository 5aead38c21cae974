/**
 * The named points of the program, found by looking: a world without faults in which every process writes down what it
 * passes.
 */
import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { dice } from "./random.ts"
import { folders } from "./setting.ts"
import * as Traffic from "./traffic.ts"
import * as World from "./World.ts"

export interface Point {
  readonly victim: "gateway" | "desk"
  readonly name: string
  /** It is passed only when a process starts or takes its work up again. */
  readonly atStart: boolean
  /** How often it is passed within a second or so. */
  readonly often: number
}

/** Seconds of a process's life that count as its start. */
const startSeconds = 1.2
const watchSeconds = 6

interface Passage {
  readonly uptime: number
  readonly name: string
}

const livesIn = (file: string): ReadonlyArray<ReadonlyArray<Passage>> => {
  const lives: Array<Array<Passage>> = []
  for (const line of Fs.readFileSync(file, "utf8").split("\n")) {
    const [uptime, ...name] = line.split(" ")
    if (name.length === 0) continue
    const passage = { uptime: Number(uptime), name: name.join(" ") }
    const last = lives.at(-1)
    if (last === undefined || passage.uptime < last.at(-1)!.uptime) lives.push([passage])
    else last.push(passage)
  }
  return lives
}

const pointsOf = (victim: Point["victim"], file: string): ReadonlyArray<Point> => {
  const lives = livesIn(file)
  const names = [...new Set(lives.flat().map(({ name }) => name))].sort()
  return names.map((name) => {
    const late = lives[0]!.filter((passage) => passage.name === name && passage.uptime > startSeconds)
    const early = lives.map(
      (life) => life.filter((passage) => passage.name === name && passage.uptime <= startSeconds).length
    )
    const atStart = late.length < 2
    const often = atStart ? Math.max(...early, 1) : Math.ceil(late.length / (watchSeconds - startSeconds))
    return { victim, name, atStart, often }
  })
}

/** Looks at a world with steady traffic, one kill of the Gateway, and one of the node. */
export const find = Effect.fnUntraced(function* (options: {
  readonly pkg: string
  readonly prepared: string
  readonly dir: string
}) {
  const world = yield* World.make({ ...options, dice: dice("catalog"), listing: true })
  const traffic = yield* Effect.forkChild(Traffic.steady(world), { startImmediately: true })
  yield* Effect.sleep(watchSeconds * 1000)
  for (const victim of ["gateway", "desk"] as const) {
    yield* world.kill(victim)
    yield* world.restart(victim)
    yield* Effect.sleep("1500 millis")
  }
  yield* Fiber.interrupt(traffic)
  const at = folders(options.dir)
  return [
    ...pointsOf("gateway", `${at.gatewayPoints}/passed`),
    ...pointsOf("desk", `${at.deskPoints}/passed`)
  ] satisfies ReadonlyArray<Point>
}, Effect.scoped)
