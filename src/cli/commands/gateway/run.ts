import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import { VERSION } from "../../../domain/Version.ts"
import { Gateway, type GatewayNodeOptions, layerNode } from "../../../layers/Gateway.ts"
import * as Logging from "../../../layers/Logging.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { Json } from "../../globals.ts"
import { endsByStopping } from "../../lifetime.ts"
import * as Log from "../../logger.ts"

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

/**
 * Runs a Gateway until it is stopped. One line on stdout says where it listens once it does; with `--json` that line is
 * an object, so that whoever asked for port 0 can read the port. The log is on stderr and in the state directory.
 */
export const serve = Effect.fn("cli.gateway.serve")(
  function* (options: ServeOptions) {
    yield* endsByStopping
    const gateway = Context.get(yield* Layer.build(layerNode(options.gateway)), Gateway)
    const { host, port, url } = gateway
    yield* Console.log(
      (yield* Json)
        ? JSON.stringify({ ready: true, url, host, port, pid: process.pid, version: VERSION })
        : `OpenClaw Gateway ${VERSION} listens on ${host}:${port} (pid ${process.pid}). Clients connect to ${url}.`
    )
    return yield* Effect.never
  },
  Effect.scoped,
  (effect, options) => Effect.provide(effect, log(options))
)
