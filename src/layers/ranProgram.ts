/**
 * One run of a program to its end: its exit code and what it said.
 */
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import type * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"

/** A large tailnet's status is far below it. What is said beyond this is read and dropped, so that it never waits for a reader. */
const MAX_CHARACTERS = 400_000

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const text = <E>(bytes: Stream.Stream<Uint8Array, E>) =>
  bytes.pipe(
    Stream.decodeText,
    Stream.runFold(
      () => "",
      (before, chunk) => (before.length > MAX_CHARACTERS ? before : before + chunk)
    )
  )

/** Whatever its exit code is. Interrupted, it is ended as the command says. */
export const ran = (
  spawner: ChildProcessSpawner["Service"],
  command: ChildProcess.Command
): Effect.Effect<Ran, PlatformError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const child = yield* spawner.spawn(command)
      const [stdout, stderr, code] = yield* Effect.all([text(child.stdout), text(child.stderr), child.exitCode], {
        concurrency: "unbounded"
      })
      return { code, stdout, stderr }
    })
  )
