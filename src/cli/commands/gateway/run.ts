import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import { VERSION } from "../../../domain/Version.ts"
import { Gateway, type GatewayNodeOptions, layerNode } from "../../../layers/Gateway.ts"
import { Json } from "../../globals.ts"
import { endsByStopping } from "../../lifetime.ts"
import * as Log from "../../logger.ts"

/**
 * Runs a Gateway until it is stopped. One line on stdout says where it listens once it does; with `--json` that line is
 * an object, so that whoever asked for port 0 can read the port. The log is on stderr.
 */
export const serve = Effect.fn("cli.gateway.serve")(
  function* (options: { readonly gateway: GatewayNodeOptions; readonly verbose: boolean }) {
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
  (effect, { verbose }) =>
    Effect.gen(function* () {
      const asked = yield* GlobalFlag.LogLevel
      const level = Option.getOrElse(asked, () => (verbose ? ("Debug" as const) : ("Info" as const)))
      return yield* Effect.provideService(effect, References.MinimumLogLevel, level)
    }),
  Effect.provide(Log.layerDated)
)
