/**
 * A whole Gateway for tests: real sockets on a free port, real SQLite, a state directory that goes away with the scope.
 *
 * When to use: an integration test of a node, a channel, a tool or an agent. Pair it with `BotApi`, `MockNode` and
 * `ScriptedModel`.
 */
import { randomBytes } from "node:crypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { ConnectOptions } from "../client/Connect.ts"
import type { ConnectError } from "../client/errors.ts"
import { GatewayClient } from "../client/GatewayClient.ts"
import { token as tokenCredential } from "../domain/Credential.ts"
import { type Endpoint, loopback } from "../domain/Endpoint.ts"
import { VERSION } from "../domain/Version.ts"
import * as GatewayLayer from "../layers/Gateway.ts"
import type { OpenClawConfig } from "../services/ConfigSchema.ts"

export interface GatewayTestOptions extends Pick<GatewayLayer.GatewayLayerOptions, "models" | "limits" | "restart"> {
  /** The content of `openclaw.json`. Port and token are chosen by the kit. */
  readonly config?: OpenClawConfig
  /** An existing state directory instead of a temporary one: to start again on what an earlier Gateway left. */
  readonly stateDir?: string
}

/** The Gateway of this test, from the outside. */
export class GatewayTest extends Context.Service<
  GatewayTest,
  {
    readonly endpoint: Endpoint
    readonly port: number
    /** The Gateway's shared secret. */
    readonly token: string
    readonly stateDir: string
    /** Connects as the CLI with every operator scope, unless the options say otherwise. */
    readonly connect: (
      options?: Partial<ConnectOptions>
    ) => Effect.Effect<GatewayClient["Service"], ConnectError, Scope.Scope>
  }
>()("openclaw/testing/GatewayTest") {}

const outside = (stateDir: string, secret: string) =>
  Layer.effect(
    GatewayTest,
    Effect.gen(function* () {
      const { port } = yield* GatewayLayer.Gateway
      const endpoint = loopback(port)
      return {
        endpoint,
        port,
        token: secret,
        stateDir,
        connect: (options) =>
          GatewayClient.make({
            endpoint,
            client: { id: "cli", mode: "cli", version: VERSION, platform: "test" },
            scopes: ["operator.admin"],
            credentials: [tokenCredential(secret)],
            ...options
          })
      }
    })
  )

/** Starts it. The services inside the Gateway are given too, so that a test may look at them or attach a mocked node. */
export const layer = (options: GatewayTestOptions = {}) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const stateDir = options.stateDir ?? (yield* fs.makeTempDirectoryScoped({ prefix: "openclaw-test-" }))
      yield* fs.chmod(stateDir, 0o700)
      const secret = randomBytes(24).toString("hex")
      const config: OpenClawConfig = {
        ...options.config,
        gateway: { mode: "local", ...options.config?.gateway, auth: { mode: "token", token: secret } }
      }
      yield* fs.writeFileString(`${stateDir}/openclaw.json`, JSON.stringify(config), { mode: 0o600 })
      return outside(stateDir, secret).pipe(
        Layer.provideMerge(
          GatewayLayer.layerNode({
            stateDir,
            flags: { port: 0 },
            ...(options.restart === undefined ? undefined : { restart: options.restart }),
            ...(options.models === undefined ? undefined : { models: options.models }),
            ...(options.limits === undefined ? undefined : { limits: options.limits })
          })
        )
      )
    })
  ).pipe(Layer.provide(NodeServices.layer))
