/**
 * `--force`: ends the Gateway that owns the state directory, and waits until it is gone.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { GatewayAlreadyRunning, StateDir } from "../../../services/StateDir.ts"
import { CommandFailed } from "../../errors.ts"
import { waiting } from "../../progress.ts"
import { signal } from "../../signal.ts"
import * as State from "../../state.ts"

/** A Gateway drains its turns before it ends; one that takes longer than this is stuck. */
const PATIENCE = "30 seconds"

const isOwned = (error: unknown): error is GatewayAlreadyRunning => error instanceof GatewayAlreadyRunning

const refused = (pid: number) => (code: string) =>
  `the Gateway with pid ${pid} could not be told to stop (${code}).\nFix: stop it as the user who started it, or use another --profile.`

/** Does nothing when nobody owns the directory. Which process owns it is known by pid and start time, not by port. */
export const endOwner = Effect.gen(function* () {
  const state = yield* StateDir
  const free = Effect.scoped(state.own)
  yield* free.pipe(
    Effect.catchIf(isOwned, ({ pid }) =>
      Effect.gen(function* () {
        yield* Console.error(`Stopping the Gateway with pid ${pid}.`)
        yield* signal(pid, "SIGTERM", refused(pid))
        yield* free.pipe(
          Effect.retry({ while: isOwned, schedule: Schedule.spaced("100 millis") }),
          Effect.timeoutOrElse({
            duration: PATIENCE,
            orElse: () =>
              Effect.fail(
                new CommandFailed({
                  message: `the Gateway with pid ${pid} did not stop within ${PATIENCE}.\nFix: end it with \`kill -9 ${pid}\`, then start again.`
                })
              )
          }),
          waiting(`Waiting for pid ${pid} to end`)
        )
      })
    )
  )
}).pipe(Effect.provide(State.stateDir))
