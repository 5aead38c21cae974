/**
 * Which process a pid is: a pid alone may be given to another program, a pid with its start time may not.
 */
import * as Process from "node:process"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"

/** The identity of a running process; `None` when no process has this pid. */
export type Identify = (pid: number) => Effect.Effect<Option.Option<string>>

/**
 * The start time in a `/proc/<pid>/stat` line (clock ticks since boot); `undefined` for a process that has ended and only
 * waits for its parent to notice. The command name stands in parentheses and may contain any character, also `)`.
 */
export const startTicks = (stat: string): string | undefined => {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const [state] = fields
  return state === "Z" || state === "X" ? undefined : fields[19]
}

/** What stands for an identity that this machine does not tell: whoever has the pid then counts as the holder. */
export const UNKNOWN = "unknown"

const isGone = (error: PlatformError): boolean =>
  error.reason._tag === "NotFound" || (error.reason.cause as { readonly code?: unknown } | undefined)?.code === "ESRCH"

/** Linux: the kernel's own table. The boot id tells equal ticks of two boots apart. */
const fromProc =
  (fs: FileSystem.FileSystem): Identify =>
  (pid) =>
    Effect.gen(function* () {
      const boot = yield* Effect.orElseSucceed(fs.readFileString("/proc/sys/kernel/random/boot_id"), () => "")
      const ticks = startTicks(yield* fs.readFileString(`/proc/${pid}/stat`))
      return ticks === undefined ? Option.none() : Option.some(`${boot.trim()}/${ticks}`)
    }).pipe(Effect.catch((error) => Effect.succeed(isGone(error) ? Option.none() : Option.some(UNKNOWN))))

/** Elsewhere: `ps`, which prints nothing for an unknown pid. Fixed zone and language, so that two starters read alike. */
const fromPs =
  (spawner: ChildProcessSpawner["Service"]): Identify =>
  (pid) =>
    spawner
      .string(
        ChildProcess.make("ps", ["-o", "lstart=", "-p", String(pid)], {
          env: { TZ: "UTC", LC_ALL: "C" },
          extendEnv: true
        })
      )
      .pipe(
        Effect.map((output) => (output.trim() === "" ? Option.none() : Option.some(output.trim()))),
        Effect.catch(() => existence(pid))
      )

/** The last resort without `ps`: whether a signal could be sent. EPERM means that the process is there, but not ours. */
const existence = (pid: number): Effect.Effect<Option.Option<string>> =>
  Effect.try({
    try: () => Process.kill(pid, 0),
    catch: (error) => error instanceof Error && "code" in error && error.code === "EPERM"
  }).pipe(
    Effect.match({ onSuccess: () => true, onFailure: (notOurs) => notOurs }),
    Effect.map((exists) => (exists ? Option.some(UNKNOWN) : Option.none()))
  )

/** Chooses once, by what this machine has. */
export const makeIdentify = (
  fs: FileSystem.FileSystem,
  spawner: ChildProcessSpawner["Service"]
): Effect.Effect<Identify> =>
  Effect.map(
    Effect.orElseSucceed(fs.exists("/proc/self/stat"), () => false),
    (hasProc) => (hasProc ? fromProc(fs) : fromPs(spawner))
  )
