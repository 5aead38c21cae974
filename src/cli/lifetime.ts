/**
 * How a command may end when it is told to stop (Ctrl-C, SIGTERM): broken off, exit code 130; or, for a command such as a
 * Gateway that runs until it is stopped, done, exit code 0. Its finalizers have run in both cases.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"

export class Lifetime extends Context.Service<Lifetime, { endsByStopping: boolean }>()("openclaw/cli/Lifetime") {}

/** The lifetime of one run of the program. */
export const make = (): Lifetime["Service"] => ({ endsByStopping: false })

/** Says that the running command is meant to end by being stopped. */
export const endsByStopping: Effect.Effect<void, never, Lifetime> = Effect.map(Lifetime, (lifetime) => {
  lifetime.endsByStopping = true
})

/** The program's exit code. An interrupted fiber cannot end in success, so this is decided after it ended. */
export const teardown =
  (lifetime: Lifetime["Service"]): Runtime.Teardown =>
  (exit, onExit) =>
    Runtime.defaultTeardown(exit, (code) => onExit(code === 130 && lifetime.endsByStopping ? 0 : code))
