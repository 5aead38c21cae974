/**
 * How a command may end when it is told to stop (Ctrl-C, SIGTERM, SIGHUP): broken off, exit code 130; or, for a command
 * such as a Gateway that runs until it is stopped, done, exit code 0. Its finalizers have run in both cases.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { EXIT } from "./exitCodes.ts"

export class Lifetime extends Context.Service<
  Lifetime,
  {
    endsByStopping: boolean
    /** Whoever read the output closed it: they have what they wanted. */
    unread: boolean
    /** Some output could not be written, for example to a full disk. */
    unwritten: boolean
  }
>()("openclaw/cli/Lifetime") {}

/** The lifetime of one run of the program. */
export const make = (): Lifetime["Service"] => ({ endsByStopping: false, unread: false, unwritten: false })

/** Says that the running command is meant to end by being stopped. */
export const endsByStopping: Effect.Effect<void, never, Lifetime> = Effect.map(Lifetime, (lifetime) => {
  lifetime.endsByStopping = true
})

/** The program's exit code. An interrupted fiber cannot end in success, so this is decided after it ended. */
export const teardown =
  (lifetime: Lifetime["Service"]): Runtime.Teardown =>
  (exit, onExit) =>
    Runtime.defaultTeardown(exit, (code) => {
      if (code === EXIT.interrupted && (lifetime.endsByStopping || lifetime.unread)) return onExit(EXIT.done)
      onExit(code === EXIT.done && lifetime.unwritten && !lifetime.endsByStopping ? EXIT.failed : code)
    })
