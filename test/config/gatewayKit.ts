/** A Gateway whose configuration is read and written over its socket. */
import { readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import JSON5 from "json5"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import type { Restart } from "../../src/services/Gateway.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"

export const SENTINEL = "__OPENCLAW_REDACTED__"
export const KEY = "sk-canary-0123456789abcdef"

const start: OpenClawConfig = {
  models: { providers: { mock: { baseUrl: "http://127.0.0.1:1/v1", apiKey: KEY, models: [{ id: "m" }] } } },
  session: { maintenance: { maxEntries: 5 } }
}

interface Options {
  readonly config?: OpenClawConfig
  readonly restart?: Restart
}

const rig = Effect.gen(function* () {
  const kit = yield* GatewayTest.GatewayTest
  const file = `${kit.stateDir}/openclaw.json`
  const admin = yield* kit.connect()
  const get = admin.call["config.get"]({})
  return {
    kit,
    file,
    admin,
    get,
    hash: Effect.map(get, ({ hash }) => hash ?? ""),
    /** The error of any call. */
    refused: (method: string, params: object, client = admin) =>
      Effect.map(Effect.flip(client.request(method, params)), (error) => {
        assert(error._tag === "GatewayError")
        return error
      }),
    /** What the file says. */
    read: () => JSON5.parse(readFileSync(file, "utf8")) as Record<string, any>
  }
})
export type Rig = Effect.Success<typeof rig>

export const live = <A, E>(name: string, body: (rig: Rig) => Effect.Effect<A, E, Scope.Scope>, options: Options = {}) =>
  it.live(name, () =>
    Effect.flatMap(rig, body).pipe(
      Effect.scoped,
      Effect.provide(
        GatewayTest.layer({
          config: options.config ?? start,
          ...(options.restart === undefined ? undefined : { restart: options.restart })
        })
      )
    )
  )
