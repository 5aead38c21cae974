/**
 * One program from start to end: bounded output, one deadline, and nothing of its process group left behind, whether it
 * ended, was too slow, or nobody waits for it any longer.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Child from "./child.ts"

/** Bytes kept of each stream; the rest is read and thrown away. */
export const OUTPUT_CAP = 200_000
const NOTICE = "\n... (truncated)"

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

export interface RunOptions extends Omit<Child.ChildOptions, "onStdout" | "onStderr"> {
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
    take: (chunk: Uint8Array) => {
      const part = chunk.subarray(0, left)
      left -= part.length
      truncated ||= part.length < chunk.length
      if (part.length > 0) kept.push(part)
    },
    read: () => {
      const decoder = new TextDecoder()
      const start = kept.map((chunk) => decoder.decode(chunk, { stream: true })).join("")
      // A character cut in two by the cap is left out rather than shown as a wrong one.
      return truncated ? start + NOTICE : start + decoder.decode()
    }
  }
}

/** Runs a program without a shell. Fails only when it could not be started. */
export const run = Effect.fn("process.run")(function* (options: RunOptions) {
  const stdout = capture()
  const stderr = capture()
  const { timeoutMs, ...program } = options
  const scope = yield* Scope.fork(yield* Effect.scope)
  const child = yield* Effect.acquireRelease(
    Child.start({ ...program, onStdout: stdout.take, onStderr: stderr.take }).pipe(Scope.provide(scope)),
    ({ hangUp }) => hangUp
  )
  const ended = yield* Effect.timeoutOption(child.ended, timeoutMs)
  // Ends whatever is left of the group, which also closes its ends of the pipes.
  yield* Scope.close(scope, Exit.void)
  yield* Effect.timeoutOption(child.drained, DRAIN_GRACE)
  const timedOut = Option.isNone(ended)
  const { exitCode, signal } = timedOut ? { exitCode: TIMED_OUT_CODE, signal: undefined } : ended.value
  const result: RunResult = {
    ...(exitCode === undefined ? undefined : { exitCode }),
    timedOut,
    success: exitCode === 0,
    stdout: stdout.read(),
    stderr: stderr.read(),
    error: signal === undefined ? null : `ended by ${signal}`
  }
  return result
}, Effect.scoped)
