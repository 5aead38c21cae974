/**
 * One run of a program that manages services: its exit code and what it said.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { ServiceCommandFailed } from "../../services/ServiceManager.ts"

/** Stopping a service waits for the service's own end. */
const PATIENCE = "2 minutes"
const MAX_CHARACTERS = 100_000

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export type Run = (program: string, args: ReadonlyArray<string>) => Effect.Effect<Ran | "missing", ServiceCommandFailed>

const text = <E>(bytes: Stream.Stream<Uint8Array, E>) =>
  bytes.pipe(
    Stream.decodeText,
    Stream.runFold(
      () => "",
      (before, chunk) => (before.length > MAX_CHARACTERS ? before : before + chunk)
    )
  )

/** Runs programs with these variables; their answers are read by their English text. */
export const make = (spawner: ChildProcessSpawner["Service"], env: Readonly<Record<string, string | undefined>>): Run =>
  Effect.fnUntraced(function* (program, args) {
    const failed = (said: string) => new ServiceCommandFailed({ command: [program, ...args].join(" "), said })
    const command = ChildProcess.make(program, args, {
      env: { ...env, LC_ALL: "C" },
      extendEnv: false,
      stdin: "ignore",
      forceKillAfter: "2 seconds"
    })
    const ran = Effect.gen(function* () {
      const child = yield* spawner.spawn(command)
      const [stdout, stderr, code] = yield* Effect.all([text(child.stdout), text(child.stderr), child.exitCode], {
        concurrency: "unbounded"
      })
      return { code, stdout, stderr: stderr.trim() }
    })
    return yield* Effect.scoped(ran).pipe(
      Effect.timeoutOrElse({
        duration: PATIENCE,
        orElse: () => Effect.fail(failed("it did not end within two minutes"))
      }),
      Effect.catchTag("PlatformError", (error) =>
        error.reason._tag === "NotFound" ? Effect.succeed("missing" as const) : Effect.fail(failed(error.message))
      )
    )
  })
