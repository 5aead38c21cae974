/**
 * The Gateway's server as the configuration and the app's options want it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { VERSION } from "../domain/Version.ts"
import { SettingInvalid } from "../services/Config.ts"
import { Gateway } from "../services/Gateway.ts"
import { StateDir } from "../services/StateDir.ts"
import { keepGenerated } from "./config/gatewayAuth.ts"
import * as GatewayServer from "./gateway/GatewayServer.ts"
import type { GatewayOptions } from "./gateway/options.ts"
import { type GatewaySettings, settings } from "./gateway/settings.ts"
import { tlsSettings } from "./gateway/tls/settings.ts"

/** A Gateway that has no listener has nothing that these could be about. */
const checkUnlistened = (found: Effect.Success<ReturnType<typeof settings>>, tls: boolean) => {
  const refuse = (source: string, value: string, expected: string) =>
    new SettingInvalid({ source, value, expected: `${expected}, because the app has the HTTP server` })
  if (tls) return refuse("gateway.tls.enabled", "true", "false")
  return found.tailscale === undefined ? Effect.void : refuse("gateway.tailscale.mode", found.tailscale, '"off"')
}

type ServingOptions = GatewaySettings & Pick<GatewayOptions, "limits" | "listen" | "portPatienceMs" | "restart">

/** Reads the configuration as it is at the start. */
export const server = (options: ServingOptions) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const state = yield* StateDir
      const found = yield* settings(options)
      const tls = yield* tlsSettings(state.path)
      if (options.listen !== undefined) yield* checkUnlistened(found, tls !== undefined)
      return GatewayServer.layer({
        ...found,
        ...(options.listen === undefined ? undefined : { listen: options.listen }),
        ...(tls === undefined ? undefined : { tls }),
        version: VERSION,
        stateDir: state.root,
        ...(options.portPatienceMs === undefined ? undefined : { portPatienceMs: options.portPatienceMs }),
        ...(options.limits === undefined ? undefined : { limits: options.limits }),
        ...(options.restart === undefined ? undefined : { restart: options.restart })
      }).pipe(
        Layer.tap(() => keepGenerated(found.auth)),
        Layer.tap((context) => {
          const { url } = Context.get(context, Gateway)
          return url === "" ? Effect.void : state.announce(url)
        })
      )
    })
  )
