/**
 * One child process from start to end: bounded output, one deadline, and nothing left behind.
 *
 * The child leads a process group of its own. When it ended, was too slow, or nobody waits for it any longer, the group is
 * told to end (SIGTERM) and half a second later made to (SIGKILL).
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** Bytes kept of each stream; the rest is read and thrown away. */
export const OUTPUT_CAP = 200_000
const NOTICE = "\n... (truncated)"

/** Between being told to end and being made to. */
export const KILL_GRACE = Duration.millis(500)
/** A descendant that left the group may hold the pipes open for ever; what it writes after this is not waited for. */
const DRAIN_GRACE = Duration.millis(250)
/** What `timeout(1)` exits with. */
const TIMED_OUT_CODE = 124

/** `system.run`'s payload. `exitCode` is missing when the program never started or was ended by a signal. */
export interface RunResult {
  readonly exitCode?: number
  readonly timedOut: boolean
  readonly success: boolean
  readonly stdout: string
  readonly stderr: string
  readonly error: string | null
}

export interface RunOptions {
  readonly path: string
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

export const notStarted = (error: string): RunResult => ({
  timedOut: false,
  success: false,
  stdout: "",
  stderr: "",
  error
})

/** What is kept of one stream. */
const capture = () => {
  const kept: Array<Uint8Array> = []
  let left = OUTPUT_CAP
  let truncated = false
  return {
    take: (chunk: Uint8Array) =>
      Effect.sync(() => {
        const part = chunk.subarray(0, left)
        left -= part.length
        truncated ||= part.length < chunk.length
        if (part.length > 0) kept.push(part)
      }),
    read: () => {
      const decoder = new TextDecoder()
      const start = kept.map((chunk) => decoder.decode(chunk, { stream: true })).join("")
      // A character cut in two by the cap is left out rather than shown as a wrong one.
      return truncated ? start + NOTICE : start + decoder.decode()
    }
  }
}

const signalOf = (error: PlatformError.PlatformError): string | undefined => {
  const cause = error.reason.cause
  return cause instanceof Error ? /'(SIG[A-Z0-9]+)'/.exec(cause.message)?.[1] : undefined
}

const ended = (exit: Exit.Exit<number, PlatformError.PlatformError>): Pick<RunResult, "exitCode" | "error"> => {
  if (Exit.isSuccess(exit)) return { exitCode: exit.value, error: null }
  const reason = exit.cause.reasons[0]
  const signal = reason?._tag === "Fail" ? signalOf(reason.error) : undefined
  return { error: signal === undefined ? "how the command ended is not known" : `ended by ${signal}` }
}

/** What a child wrote could not be read to the end; its exit code still counts. */
const logReading = (cause: Cause.Cause<unknown>) =>
  Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logWarning("reading a command's output failed", cause)

/** Runs a program without a shell. Fails only when it could not be started. */
export const run = Effect.fn("process.run")(function* (options: RunOptions) {
  const stdout = capture()
  const stderr = capture()
  const child = yield* Scope.fork(yield* Effect.scope)
  const handle = yield* ChildProcess.make(options.path, options.args, {
    cwd: options.cwd,
    env: options.env,
    stdin: "ignore",
    killSignal: "SIGTERM",
    forceKillAfter: KILL_GRACE
  }).pipe(Scope.provide(child))
  const readers = yield* Effect.forkScoped(
    Effect.all([Stream.runForEach(handle.stdout, stdout.take), Stream.runForEach(handle.stderr, stderr.take)], {
      concurrency: 2,
      discard: true
    }).pipe(Effect.tapCause((cause) => logReading(cause))),
    { startImmediately: true }
  )
  const exit = yield* Effect.timeoutOption(Effect.exit(handle.exitCode), options.timeoutMs)
  // Ends whatever is left of the group, which also closes its ends of the pipes.
  yield* Scope.close(child, Exit.void)
  yield* Effect.timeoutOption(Fiber.await(readers), DRAIN_GRACE)
  const timedOut = Option.isNone(exit)
  const end = timedOut ? { exitCode: TIMED_OUT_CODE, error: null } : ended(exit.value)
  const success = !timedOut && end.exitCode === 0
  const result: RunResult = { ...end, timedOut, success, stdout: stdout.read(), stderr: stderr.read() }
  return result
}, Effect.scoped)
