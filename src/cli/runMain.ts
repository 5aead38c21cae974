/**
 * Runs the program on this process until it ends or is told to stop: by SIGINT, SIGTERM or SIGHUP, or because whoever read
 * its output is gone. Its finalizers run in each case.
 */
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { EXIT } from "./exitCodes.ts"
import { type Lifetime, teardown } from "./lifetime.ts"

export interface Signals {
  readonly on: (name: NodeJS.Signals, listener: () => void) => unknown
  readonly exit: (code: number) => void
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number
  readonly outputs: ReadonlyArray<{ readonly on: (event: "error", listener: (error: unknown) => void) => unknown }>
  /** A closed terminal shall not end the program. */
  readonly survivesHangup: boolean
}

/**
 * Milliseconds within which a second signal counts as the first: a terminal and `npm` both pass Ctrl-C on, and service managers
 * send SIGHUP with SIGTERM.
 */
const againAfterMs = 300

const isClosedPipe = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "EPIPE"

/** Decides the exit code by the lifetime. Reports nothing: the program has. */
export const runMain = <A, E>(
  program: Effect.Effect<A, E>,
  options: { readonly lifetime: Lifetime["Service"]; readonly process: Signals }
): void => {
  const { lifetime, process } = options
  const run = Runtime.makeRunMain(({ fiber, teardown }) => {
    const stop = () => fiber.interruptUnsafe(fiber.id)
    let told = false
    let toldAt = 0
    /** All is done, and perhaps not yet written. */
    let hasEnded = false
    const onSignal = () => {
      told = true
      toldAt = process.now()
      stop()
    }
    /** Told again, it ends on the spot; all that matters is stored at any time. */
    const onStop = (code: number) => () => {
      if (told && process.now() - toldAt >= againAfterMs) return process.exit(code)
      if (!told) onSignal()
    }
    process.on("SIGINT", onStop(EXIT.interrupted))
    process.on("SIGTERM", onStop(EXIT.terminated))
    process.on("SIGHUP", process.survivesHangup ? () => {} : onStop(EXIT.hungUp))
    for (const output of process.outputs) {
      // Without a listener the process would end on the spot, its finalizers not run.
      output.on("error", (error) => {
        if (isClosedPipe(error)) {
          lifetime.unread = true
          onSignal()
        } else {
          lifetime.unwritten = true
          if (hasEnded) process.exit(EXIT.failed)
        }
      })
    }
    fiber.addObserver((exit) => {
      teardown(exit, (code) => {
        if (told || code !== EXIT.done) return process.exit(code)
        hasEnded = !lifetime.endsByStopping
      })
    })
  })
  run(Effect.withTracerEnabled(program, false), { disableErrorReporting: true, teardown: teardown(lifetime) })
}

/**
 * Whether the program was started to outlive its terminal. Node takes the default action for SIGHUP back, also where
 * `nohup` had it ignored, so this is told by what else `nohup` leaves: its name in `_`, as shells write it, and a standard
 * input that can only be written (`flags` is that line of `/proc/self/fdinfo/0`, an octal number).
 */
export const survivesHangup = (given: { readonly command: string | undefined; readonly flags: string | undefined }) =>
  /(?:^|\/)nohup$/.test(given.command ?? "") || Number.parseInt(given.flags ?? "0", 8) % 4 === 1
