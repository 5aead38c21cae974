/**
 * One world: a state directory, a Gateway, a Bot API, a model and two nodes, each a process of its own under steady load.
 */
import * as Fs from "node:fs"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { UserText } from "../../src/testing/BotApi.ts"
import * as Child from "./Child.ts"
import type { Victim } from "./faults.ts"
import type { Dice } from "./random.ts"
import * as Record from "./Record.ts"
import { type Kind, textOf } from "./script.ts"
import { type Api, folders, type Ports, type Specs, specs, takePorts, settle } from "./setting.ts"

/** A start of the Gateway after it had died. Unix milliseconds. */
export interface Restart {
  readonly spawnedAt: number
  readonly readyAt: number
  /** There was something to take up again. */
  readonly hadWork: boolean
}

export interface World {
  readonly dir: string
  readonly ports: Ports
  readonly dice: Dice
  readonly record: Record.Record
  readonly restarts: ReadonlyArray<Restart>
  /** How many deaths of the Gateway each open message has seen. */
  readonly survived: ReadonlyMap<number, number>
  /** Messages that were waited for in vain. */
  readonly overdue: Set<number>
  readonly life: (victim: Victim) => Child.Life
  /** Starts a process anew and waits until it is ready. */
  readonly restart: (victim: Victim) => Effect.Effect<void, Child.DidNotStart>
  /** Starts the Gateway without waiting; `restart` waits for one that is coming up. */
  readonly spawnGateway: Effect.Effect<Child.Life>
  /** Kills a process and waits until it is gone. */
  readonly kill: (victim: Victim) => Effect.Effect<void>
  /** Notes that the Gateway died, however it came. */
  readonly gatewayDied: Effect.Effect<void>
  /** The point at which a process dies; `undefined` for none. */
  readonly arm: (victim: "gateway" | "desk", point: { readonly name: string; readonly nth: number } | undefined) => void
  /** A person writes; the message gets the next id. */
  readonly write: (kind: Kind, chatId: number) => Effect.Effect<void>
  /** Whose Bot API it is. */
  readonly api: Api
  /** Nobody writes while it is quiet. */
  readonly hush: (quiet: boolean) => void
  readonly isQuiet: () => boolean
  /** Messages written so far. */
  readonly written: () => number
}

export interface WorldOptions {
  readonly pkg: string
  readonly prepared: string
  readonly dir: string
  readonly dice: Dice
  /** The Gateway and the node write down each named point that they pass. */
  readonly listing?: boolean
  /** Whose Bot API; the test kit's when left out. */
  readonly api?: Api
}

const specOf = (programs: Specs, victim: Victim, listing: boolean): Child.Spec =>
  victim === "gateway" || victim === "desk" ? programs[victim](listing) : programs[victim]()

/** Everything runs when it returns, and ends with the scope. */
export const make = Effect.fnUntraced(function* (options: WorldOptions) {
  const { api = "kit", dice, dir, listing = false, pkg, prepared } = options
  const ports = yield* takePorts
  yield* Effect.sync(() => settle(prepared, dir, ports))
  const at = folders(dir)
  const programs = specs(pkg, dir, ports, api)
  const record = yield* Record.make(at.journal)
  const scope = yield* Effect.scope
  const lives = new Map<Victim, Child.Life>()
  const restarts: Array<Restart> = []
  const survived = new Map<number, number>()
  const unseen = new Map<number, { readonly text: UserText; readonly to: Child.Life }>()
  let nextId = 1
  let quiet = false

  yield* record.follow.pipe(Effect.repeat(Schedule.spaced("20 millis")), Effect.forkScoped)

  const life = (victim: Victim): Child.Life => lives.get(victim)!
  const spawn = Effect.fnUntraced(function* (victim: Victim) {
    const started = yield* Scope.provide(Child.start(specOf(programs, victim, listing)), scope)
    lives.set(victim, started)
    return started
  })

  const kill = Effect.fnUntraced(function* (victim: Victim) {
    yield* life(victim).signal("SIGKILL")
    yield* life(victim).ended
  })

  const gatewayDied = Effect.gen(function* () {
    yield* record.follow
    for (const id of record.open) survived.set(id, (survived.get(id) ?? 0) + 1)
  })

  const handOver = (id: number, text: UserText) =>
    Effect.suspend(() => {
      const to = life("botApi")
      unseen.set(id, { text, to })
      return to.order({ text })
    })

  /** What was handed to a Bot API that died before it took it in. One that just begins keeps what it is handed. */
  const writeAgain = Effect.gen(function* () {
    yield* record.follow
    for (const { id } of record.asked) unseen.delete(id)
    for (const [id, { text, to }] of unseen) if (to !== life("botApi")) yield* handOver(id, text)
  })

  const restart = Effect.fnUntraced(function* (victim: Victim) {
    const hadWork = record.open.size > 0
    const started = life(victim).isAlive() ? life(victim) : yield* spawn(victim)
    const readyAt = yield* started.ready
    if (victim === "gateway") restarts.push({ spawnedAt: started.spawnedAt, readyAt, hadWork })
    if (victim === "botApi") yield* writeAgain
  })

  const world: World = {
    dir,
    ports,
    dice,
    record,
    restarts,
    survived,
    overdue: new Set(),
    life,
    restart,
    spawnGateway: spawn("gateway"),
    kill,
    gatewayDied,
    arm: (victim, point) => {
      const file = `${victim === "gateway" ? at.gatewayPoints : at.deskPoints}/arm`
      if (point === undefined) Fs.rmSync(file, { force: true })
      else Fs.writeFileSync(file, JSON.stringify(point))
    },
    write: Effect.fnUntraced(function* (kind, chatId) {
      const id = nextId++
      const text: UserText = { from: { id: chatId, firstName: `Chat ${chatId}` }, text: textOf(id, kind) }
      yield* handOver(id, text)
    }),
    api,
    hush: (next) => void (quiet = next),
    isQuiet: () => quiet,
    written: () => nextId - 1
  }
  const first = yield* Effect.forEach(["botApi", "model"] as const, spawn)
  yield* Effect.forEach(first, ({ ready }) => ready)
  const rest = yield* Effect.forEach(["gateway", "desk", "attic"] as const, spawn)
  yield* Effect.forEach(rest, ({ ready }) => ready)
  return world
})

/** Waits until `condition` holds; `false` when it did not within the time. */
export const until = (condition: () => boolean, withinMs: number): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const end = (yield* Clock.currentTimeMillis) + withinMs
    while (!condition()) {
      if ((yield* Clock.currentTimeMillis) >= end) return false
      yield* Effect.sleep("10 millis")
    }
    return true
  })
