/**
 * Step 4: the Gateway runs, and says hello.
 */
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { Environment } from "../../Environment.ts"
import { CommandFailed, describe } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { waiting } from "../../progress.ts"
import { install } from "../../service/install.ts"
import { serviceManager } from "../../service/manager.ts"
import * as State from "../../state.ts"
import { withLogLevel } from "../../settings.ts"
import { configuration } from "../../configuration.ts"

/** Milliseconds for one look, and for the Gateway to come up. */
const LOOK_MS = 3_000
const UP_MS = 60_000

/** The Gateway that runs said hello and is healthy; fails when it is not there. */
export const hello = ask({ scopes: ["operator.read"], timeoutMs: LOOK_MS, running: true }, (client) =>
  Effect.as(client.call.health({}), client.hello.server.version)
).pipe(
  Effect.timed,
  Effect.map(([took, version]) => ({ version, latencyMs: Math.round(Duration.toMillis(took)) }))
)

/** The same, waited for: a Gateway that restarts for what was stored is away for a moment. */
export const untilHello = Effect.suspend(() => {
  let said = ""
  return hello.pipe(
    Effect.tapError((error) =>
      Effect.sync(() => {
        said = describe(error).message.split("\n", 1)[0] ?? ""
      })
    ),
    Effect.retry(Schedule.spaced("200 millis")),
    Effect.timeoutOrElse({
      duration: UP_MS,
      orElse: () =>
        Effect.fail(
          new CommandFailed({
            message: `the Gateway did not say hello within ${UP_MS / 1000} s (${said.replace(/\.$/, "")}).\nFix: \`openclaw doctor\` shows what is in its way, \`openclaw logs\` what it said.`
          })
        )
    })
  )
}).pipe(waiting("Waiting for the Gateway to say hello"))

/** What it prints is told as part of the whole; what is to be done about it is not. */
const silent = (console: Console.Console): Console.Console => ({ ...console, log: () => {} })

/** Has the service manager run it from now on, and waits until it serves. A service that is another one is written anew. */
export const asService = Effect.fn("cli.onboard.service")(function* () {
  const console = yield* Console.Console
  const args = ["gateway", "run"]
  yield* install({ kind: "gateway", args, force: false, timeout: UP_MS }, Effect.void).pipe(
    Effect.catchTag("ServiceDiffers", () =>
      install({ kind: "gateway", args, force: true, timeout: UP_MS }, Effect.void)
    ),
    Effect.provideService(Console.Console, silent(console))
  )
}, Effect.provide(serviceManager))

/**
 * Runs it in this process until the scope closes, and waits for its hello. What it logs goes to its file: this terminal is
 * for the conversation.
 */
export const here = Effect.fn("cli.onboard.here")(function* () {
  const { variables } = yield* Environment
  const { configFile, defaultPort, root } = yield* State.plan
  const { config } = yield* configuration
  const { serve } = yield* Effect.promise(() => import("../gateway/run.ts"))
  const running = yield* serve({
    verbose: false,
    config: { ...config, logging: { ...config.logging, consoleLevel: "error" } },
    gateway: { stateDir: root, configFile, env: variables, defaultPort, flags: {} }
  }).pipe(withLogLevel, Effect.forkScoped)
  // It may end before it says hello: a port that is taken, a certificate that is missing.
  const found = yield* Effect.raceFirst(untilHello, Effect.andThen(Fiber.join(running), Effect.never))
  return { running, ...found }
})
