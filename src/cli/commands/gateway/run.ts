import * as Console from "effect/Console"
import type { NodeServices } from "@effect/platform-node/NodeServices"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import { VERSION } from "../../../domain/Version.ts"
import { Gateway, type GatewayNodeOptions, layerNode } from "../../../layers/Gateway.ts"
import * as ConfigLayer from "../../../layers/config/Config.ts"
import * as Logging from "../../../layers/Logging.ts"
import { Config } from "../../../services/Config.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { type Restart, RestartRefused, type RestartRequest } from "../../../services/Gateway.ts"
import { Json } from "../../globals.ts"
import { endsByStopping } from "../../lifetime.ts"
import * as Log from "../../logger.ts"

/** Milliseconds from the answer to a request for a restart to its beginning. */
const answerMs = 50

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

/** A configuration that would not come up is found out while the Gateway still runs. */
const checkConfig = ({ configFile, env, stateDir }: GatewayNodeOptions) =>
  Effect.flatMap(Config, (config) => config.get).pipe(
    Effect.provide(ConfigLayer.layer({ file: configFile ?? `${stateDir}/openclaw.json`, env: env ?? {} })),
    Effect.scoped,
    Effect.mapError(
      (error) =>
        new RestartRefused({ message: `the Gateway is not restarted, because it would not come up: ${error.message}` })
    )
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

const announce = Effect.fnUntraced(function* ({ host, port, url }: Gateway["Service"]) {
  yield* Console.log(
    (yield* Json)
      ? JSON.stringify({ ready: true, url, host, port, pid: process.pid, version: VERSION })
      : `OpenClaw Gateway ${VERSION} listens on ${host}:${port} (pid ${process.pid}). Clients connect to ${url}.`
  )
})

/** One Gateway, until somebody asks for the next; then it is drained and closed, and the port it had is returned. */
const serveOnce = Effect.fnUntraced(function* (
  options: ServeOptions,
  port: number | undefined,
  asked: Deferred.Deferred<RestartRequest>
) {
  const platform = yield* Effect.context<NodeServices>()
  const restart: Restart = (request) =>
    Effect.asVoid(Effect.andThen(checkConfig(options.gateway), Deferred.succeed(asked, request))).pipe(
      Effect.provideContext(platform)
    )
  const flags = { ...options.gateway.flags, ...(port === undefined ? undefined : { port }) }
  const gateway = Context.get(yield* Layer.build(layerNode({ ...options.gateway, flags, restart })), Gateway)
  yield* announce(gateway)
  const { reason, waitMs } = yield* Deferred.await(asked)
  yield* Effect.logInfo(`restarting: ${reason}`)
  // Whoever asked is to have the answer first.
  yield* Effect.sleep(answerMs)
  yield* gateway.drain(waitMs)
  return gateway.port
}, Effect.scoped)

/**
 * Runs a Gateway until it is stopped, and a new one in its place with the configuration as it is then whenever it is asked to
 * restart. A line on stdout says where it listens each time it does; with `--json` that line is an object, so that whoever
 * asked for port 0 can read the port, which a restart keeps. The log is on stderr and in the state directory.
 */
export const serve = Effect.fn("cli.gateway.serve")(
  function* (options: ServeOptions) {
    yield* endsByStopping
    let asked = yield* Deferred.make<RestartRequest>()
    yield* onSignal(
      Effect.andThen(checkConfig(options.gateway), () => Deferred.succeed(asked, { reason: "SIGUSR2" })).pipe(
        Effect.catch(({ message }) => Effect.logWarning(message)),
        Effect.provideContext(yield* Effect.context<NodeServices>())
      )
    )
    let port: number | undefined
    while (true) {
      const last: number = yield* serveOnce(options, port, asked)
      // A port of the configuration may be another one now.
      port = options.gateway.flags?.port === 0 ? last : undefined
      asked = yield* Deferred.make<RestartRequest>()
    }
  },
  Effect.scoped,
  (effect, options) => Effect.provide(effect, log(options))
)
