/**
 * One run of a program that manages services: its exit code and what it said.
 */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { ServiceCommandFailed } from "../../services/ServiceManager.ts"
import { type Ran, ran } from "../ranProgram.ts"

/** Stopping a service waits for the service's own end. */
const PATIENCE = "2 minutes"

export type Run = (program: string, args: ReadonlyArray<string>) => Effect.Effect<Ran | "missing", ServiceCommandFailed>

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
    return yield* ran(spawner, command).pipe(
      Effect.map((all) => ({ ...all, stderr: all.stderr.trim() })),
      Effect.timeoutOrElse({
        duration: PATIENCE,
        orElse: () => Effect.fail(failed("it did not end within two minutes"))
      }),
      Effect.catchTag("PlatformError", (error) =>
        error.reason._tag === "NotFound" ? Effect.succeed("missing" as const) : Effect.fail(failed(error.message))
      )
    )
  })
