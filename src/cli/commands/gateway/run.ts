import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import { Scheduler } from "effect/Scheduler"
import { display } from "../../../domain/TlsFingerprint.ts"
import { VERSION } from "../../../domain/Version.ts"
import { checkRestart, Gateway, type GatewayNodeOptions, layerNode } from "../../../layers/Gateway.ts"
import { defaultLimits } from "../../../layers/gateway/options.ts"
import * as Logging from "../../../layers/Logging.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import type { Restart, RestartRequest } from "../../../services/Gateway.ts"
import { Supervisor } from "../../../services/Supervisor.ts"
import { Turns } from "../../../services/Turns.ts"
import { Json } from "../../globals.ts"
import * as Log from "../../logger.ts"
import * as Polite from "../../politeScheduler.ts"
import * as Memory from "./memory.ts"

/** Milliseconds from the answer to a request for a restart to its beginning. */
const answerMs = 50

/** Milliseconds between two looks whether a turn runs. */
const quietMs = 50

/** Milliseconds for which a restart waits for its port. A first start does not: there it is somebody else's. */
const portPatienceMs = 10_000

/** Of a turn's work: several of its steps, and a quarter of what anybody may be made to wait. */
const pace: Polite.Pace = { now: () => performance.now(), defer: (resume) => void setImmediate(resume), budgetMs: 5 }

interface ServeOptions {
  readonly gateway: GatewayNodeOptions
  /** For the log: what the file says when the Gateway starts. */
  readonly config: OpenClawConfig
  /** The log on stderr has everything from `debug` on. */
  readonly verbose: boolean
}

const log = (options: ServeOptions) =>
  Layer.unwrap(
    Effect.map(Path.Path, (path) => {
      const { consoleLevel, level, style } = Logging.fromConfig(options.config)
      const file = path.join(options.gateway.stateDir, ...Logging.LOG_FILE)
      return Log.layerService({ file, level, style, consoleLevel: options.verbose ? "debug" : consoleLevel })
    })
  )

/** SIGUSR2 asks for a restart, as it does of OpenClaw; while one goes on it changes nothing. */
const onSignal = (ask: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime<never>()
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const listener = () => void run(ask)
        process.on("SIGUSR2", listener)
        return listener
      }),
      (listener) => Effect.sync(() => process.off("SIGUSR2", listener))
    )
  })

const announce = Effect.fnUntraced(function* ({ host, port, tlsFingerprint, url }: Gateway["Service"]) {
  const fingerprint = yield* tlsFingerprint
  yield* Console.log(
    (yield* Json)
      ? JSON.stringify({
          ready: true,
          url,
          host,
          port,
          tlsFingerprint: fingerprint,
          pid: process.pid,
          version: VERSION
        })
      : `OpenClaw Gateway ${VERSION} listens on ${host.includes(":") ? `[${host}]` : host}:${port} (pid ${process.pid}). Clients connect to ${url}.${fingerprint === undefined ? "" : ` Its certificate: SHA-256 ${display(fingerprint)}.`}`
  )
})

/** One round of `serve`: who asked for the next one, and the Gateway once it listens. */
interface Round {
  readonly asked: Deferred.Deferred<RestartRequest>
  readonly running: Deferred.Deferred<Gateway["Service"]>
}

const makeRound: Effect.Effect<Round> = Effect.all({
  asked: Deferred.make<RestartRequest>(),
  running: Deferred.make<Gateway["Service"]>()
})

/** Decides on a request for a restart. One that comes before the Gateway listens is kept until it does. */
const decide = (options: ServeOptions, round: Round, request: RestartRequest) =>
  Effect.flatMap(Deferred.await(round.running), (gateway) => checkRestart(options.gateway, gateway)).pipe(
    Effect.andThen(Deferred.succeed(round.asked, request)),
    Effect.asVoid
  )

/** Waits for a moment without a running turn, at most this long. Everything goes on meanwhile. */
const quiet = (turns: Turns["Service"], waitMs: number) =>
  turns.active.pipe(
    Effect.repeat({ until: (active) => active === 0, schedule: Schedule.spaced(quietMs) }),
    Effect.timeoutOption(waitMs)
  )

/** Waits until a restart is asked for and can be carried out; returns the milliseconds for the drain. */
const untilAsked = Effect.fnUntraced(function* (
  options: ServeOptions,
  { asked }: Round,
  gateway: Gateway["Service"],
  turns: Turns["Service"]
) {
  const { reason, waitMs } = yield* Deferred.await(asked)
  // Whoever asked is to have the answer first.
  yield* Effect.sleep(answerMs)
  if (waitMs !== undefined && waitMs > 0) {
    yield* Effect.logInfo(`restarting once no turn runs, within ${waitMs} ms: ${reason}`)
    yield* quiet(turns, waitMs)
    // Much may have changed in that time, and nothing is lost yet.
    yield* checkRestart(options.gateway, gateway)
  }
  yield* Effect.logInfo(`restarting: ${reason}`)
  return Math.min(waitMs ?? defaultLimits.drainMs, defaultLimits.drainMs)
})

/** One Gateway, until somebody asks for the next; then it is drained and closed, and the port it had is returned. */
const serveOnce = Effect.fnUntraced(function* (options: ServeOptions, again: Again | undefined, rounds: Rounds) {
  const first = rounds.current
  const restart: Restart = (request) => Effect.suspend(() => decide(options, rounds.current, request))
  const gatewayOptions = {
    ...options.gateway,
    flags: { ...options.gateway.flags, ...(again?.port === undefined ? undefined : { port: again.port }) },
    // Somebody who waited for the port may have taken it for a moment.
    ...(again === undefined ? undefined : { portPatienceMs }),
    restart
  }
  const services = yield* Layer.build(layerNode(gatewayOptions))
  const gateway = Context.get(services, Gateway)
  const turns = Context.get(services, Turns)
  yield* Deferred.succeed(first.running, gateway)
  yield* announce(gateway)
  yield* Context.get(services, Supervisor).supervise("process/memory", Memory.watched, { restart: "on-failure" })
  while (true) {
    const decided = yield* Effect.result(untilAsked(options, rounds.current, gateway, turns))
    if (Result.isSuccess(decided)) {
      yield* gateway.drain(decided.success)
      return gateway.port
    }
    yield* Effect.logWarning(decided.failure.message)
    rounds.current = yield* makeRound
    yield* Deferred.succeed(rounds.current.running, gateway)
  }
}, Effect.scoped)

/** The round that goes on. */
interface Rounds {
  current: Round
}

interface Again {
  /** The port of the one before, where any free one was asked for. */
  readonly port: number | undefined
}

/**
 * Runs a Gateway until it is stopped, and a new one in its place with the configuration as it is then whenever it is asked to
 * restart. A line on stdout says where it listens each time it does; with `--json` that line is an object, so that whoever
 * asked for port 0 can read the port, which a restart keeps. The log is on stderr and in the state directory.
 */
export const serve = Effect.fn("cli.gateway.serve")(
  function* (options: ServeOptions) {
    const rounds: Rounds = { current: yield* makeRound }
    yield* onSignal(
      Effect.suspend(() => decide(options, rounds.current, { reason: "SIGUSR2" })).pipe(
        Effect.catch(({ message }) => Effect.logWarning(message))
      )
    )
    let again: Again | undefined
    while (true) {
      const port: number = yield* serveOnce(options, again, rounds)
      // A port of the configuration may be another one now.
      again = { port: options.gateway.flags?.port === 0 ? port : undefined }
      rounds.current = yield* makeRound
    }
  },
  Effect.scoped,
  (effect, options) => Effect.provide(effect, log(options)),
  (effect) => Effect.provideService(effect, Scheduler, Polite.make(pace))
)
