/**
 * One child process, over `node:child_process`: a program may be started under another name than its file's, which the
 * spawner of `effect/process` cannot say.
 *
 * The child leads a process group of its own. When the scope closes, the group is told to end (SIGTERM) and half a second
 * later made to (SIGKILL). A program that leaves the group by making a session of its own (`setsid`, a daemon) is not
 * ended: the system keeps no trace of where it came from that every Unix would let us follow.
 */
import * as ChildProcess from "node:child_process"
import * as Process from "node:process"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/** Between being told to end and being made to. */
export const KILL_GRACE = Duration.millis(500)
/** A process that was killed is gone at once, unless the kernel holds it. */
const GONE_GRACE = Duration.seconds(1)

export interface ChildOptions {
  /** Absolute path of the file that is started. */
  readonly file: string
  /** What the program sees as its own name; programs that are several in one choose by it. */
  readonly name: string
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly onStdout: (chunk: Uint8Array) => void
  readonly onStderr: (chunk: Uint8Array) => void
}

/** The system did not start the program. `message` is its reason. */
export class NotStarted extends Schema.TaggedError<NotStarted>()("NotStarted", { message: Schema.String }) {}

export interface Ended {
  /** Missing when a signal ended it. */
  readonly exitCode: number | undefined
  readonly signal: string | undefined
}

export interface Child {
  readonly ended: Effect.Effect<Ended>
  /** Ended, and everything that it wrote was handed over. Waits for descendants that hold its pipes. */
  readonly drained: Effect.Effect<void>
  /** Stops listening. Who still writes finds the pipe broken. */
  readonly hangUp: Effect.Effect<void>
}

const isWindows = Process.platform === "win32"

/** `false`: there is no such group any more. Signal 0 only asks. */
const signal = (group: number, name: NodeJS.Signals | 0): boolean =>
  Result.match(
    Result.try(() => Process.kill(-group, name)),
    {
      onSuccess: () => true,
      // Somebody is there who may not be signalled: a program that runs as another user, or a dead one nobody waited for.
      onFailure: (error) => error instanceof Error && "code" in error && error.code === "EPERM"
    }
  )

const endGroup = Effect.fnUntraced(function* (group: number) {
  const gone = (within: Duration.Duration) =>
    Effect.sync(() => signal(group, 0)).pipe(
      Effect.repeat({ while: (alive) => alive, schedule: Schedule.spaced("10 millis") }),
      Effect.timeoutOption(within),
      Effect.map(Option.isSome)
    )
  if (!signal(group, "SIGTERM") || (yield* gone(KILL_GRACE))) return
  signal(group, "SIGKILL")
  yield* gone(GONE_GRACE)
})

/** Windows has no groups to signal; its own tool ends a tree while its root runs. */
const endTree = (child: ChildProcess.ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    ChildProcess.execFile("taskkill", ["/pid", String(child.pid), "/T", "/F"], { windowsHide: true }, () =>
      resume(Effect.void)
    )
  })

/** Starts a program without a shell; its group ends with the scope. */
export const start = Effect.fnUntraced(function* (
  options: ChildOptions
): Effect.fn.Return<Child, NotStarted, Scope.Scope> {
  const ended = Deferred.makeUnsafe<Ended>()
  const drained = Deferred.makeUnsafe<void>()
  const begin = Effect.callback<ChildProcess.ChildProcess, NotStarted>((resume) => {
    const failed = (error: unknown) =>
      resume(Effect.fail(new NotStarted({ message: error instanceof Error ? error.message : String(error) })))
    // Some of the system's refusals are thrown (too many arguments), others are events (no such file).
    const spawned = Result.try(() =>
      ChildProcess.spawn(options.file, options.args, {
        argv0: options.name,
        cwd: options.cwd,
        env: options.env,
        stdio: ["ignore", "pipe", "pipe"],
        detached: !isWindows,
        windowsHide: true
      })
    )
    if (Result.isFailure(spawned)) return failed(spawned.failure)
    const child = spawned.success
    child.on("error", failed)
    child.once("spawn", () => resume(Effect.succeed(child)))
    child.once("exit", (code, name) =>
      Deferred.doneUnsafe(ended, Exit.succeed({ exitCode: code ?? undefined, signal: name ?? undefined }))
    )
    child.once("close", () => Deferred.doneUnsafe(drained, Exit.void))
    child.stdout.on("data", options.onStdout)
    child.stderr.on("data", options.onStderr)
    // A pipe that breaks ends like one that was closed.
    for (const pipe of [child.stdout, child.stderr]) pipe.on("error", () => pipe.destroy())
  })
  const child = yield* Effect.acquireRelease(begin, (child) =>
    child.pid === undefined ? Effect.void : isWindows ? endTree(child) : endGroup(child.pid)
  )
  const hangUp = Effect.sync(() => {
    child.stdout?.destroy()
    child.stderr?.destroy()
  })
  return { ended: Deferred.await(ended), drained: Deferred.await(drained), hangUp }
})
