/**
 * A process of the world, which may be killed and started again as often as one likes. It goes with the scope.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A process did not come up. */
export class DidNotStart extends Schema.TaggedError<DidNotStart>()("DidNotStart", { message: Schema.String }) {}

export interface Spec {
  readonly name: string
  /** Arguments of Node. */
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  /** Everything that it says goes here. */
  readonly log: string
  /** Listens to orders of this process. */
  readonly orders?: boolean
}

/** One life of a process. Times are Unix milliseconds. */
export interface Life {
  readonly pid: number
  readonly spawnedAt: number
  /** When it said its first line, which is that it is ready. Fails when it ended before. */
  readonly ready: Effect.Effect<number, DidNotStart>
  /** The exit code, `null` after a signal. */
  readonly ended: Effect.Effect<number | null>
  readonly isAlive: () => boolean
  readonly signal: (name: NodeJS.Signals) => Effect.Effect<void>
  readonly order: (order: object) => Effect.Effect<void>
}

const isOver = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

/** Starts a life of it. */
export const start = Effect.fnUntraced(function* (spec: Spec) {
  const spawnedAt = yield* Clock.currentTimeMillis
  const path = yield* Effect.orDie(Config.String("PATH"))
  const log = Fs.openSync(spec.log, "a", 0o600)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, spec.args, {
        stdio: ["ignore", "pipe", log, ...(spec.orders === true ? (["ipc"] as const) : [])],
        env: { PATH: path, ...spec.env }
      })
    ),
    (spawned) => Effect.sync(() => void spawned.kill("SIGKILL"))
  )
  Fs.closeSync(log)
  const first = yield* Deferred.make<void>()
  const ended = yield* Deferred.make<number | null>()
  child.stdout!.on("data", (chunk: Buffer) => {
    Fs.appendFileSync(spec.log, chunk)
    Deferred.doneUnsafe(first, Effect.void)
  })
  child.once("exit", (code) => Deferred.doneUnsafe(ended, Effect.succeed(code)))
  // A message to a process that has just died is lost, as it would be in its hands.
  child.on("error", () => undefined)
  const died = Effect.flatMap(Deferred.await(ended), (code) =>
    Effect.fail(new DidNotStart({ message: `${spec.name} ended with ${code} before it was ready; see ${spec.log}` }))
  )
  const life: Life = {
    pid: child.pid ?? 0,
    spawnedAt,
    ready: Effect.raceFirst(Deferred.await(first), died).pipe(
      Effect.timeoutOrElse({
        duration: "60 seconds",
        orElse: () =>
          Effect.fail(new DidNotStart({ message: `${spec.name} said nothing for a minute; see ${spec.log}` }))
      }),
      Effect.andThen(Clock.currentTimeMillis)
    ),
    ended: Deferred.await(ended),
    isAlive: () => !isOver(child),
    signal: (name) => Effect.sync(() => void (isOver(child) || child.kill(name))),
    order: (order) => Effect.sync(() => void (child.connected && child.send(order, () => undefined)))
  }
  return life
})
