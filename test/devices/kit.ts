/** A whole Gateway, and clients of it that show every frame. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { NodeRegistry } from "../../src/services/NodeRegistry.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import * as Rig from "../gateway/rig.ts"

export const tui = { id: "openclaw-tui", version: "1", platform: "linux", mode: "ui" }
export const phone = {
  id: "openclaw-ios",
  version: "1",
  platform: "iOS 18.0",
  deviceFamily: "iPhone",
  mode: "node",
  displayName: "Phone"
}

/** Starts a Gateway. `connect` needs no device; `device` signs with one. A proxy's header makes a peer a stranger. */
export const start = Effect.fnUntraced(function* (gateway: OpenClawConfig["gateway"] = {}) {
  const services = yield* Layer.build(GatewayTest.layer({ models: ScriptedModel.layer(), config: { gateway } }))
  const kit = Context.get(services, GatewayTest.GatewayTest)
  const url = `ws://127.0.0.1:${kit.port}`
  const shared = { token: kit.token }
  const headersOf = (afar: boolean) => (afar ? { headers: { forwarded: "for=192.0.2.1" } } : {})

  const connect = Effect.fnUntraced(function* (extra: Record<string, unknown> = {}) {
    const raw = yield* Rig.open(url)
    yield* raw.challenge
    const hello = yield* raw.request("connect", Rig.params({ auth: shared, ...extra }))
    return { raw, hello }
  })
  const device = Effect.fnUntraced(function* (
    identity: Rig.Device,
    extra: Record<string, unknown> = {},
    options: { readonly afar?: boolean } = {}
  ) {
    const raw = yield* Rig.open(url, headersOf(options.afar === true))
    const challenge = yield* raw.challenge
    const params = Rig.signed(identity, challenge, Rig.params({ client: tui, auth: shared, ...extra }))
    const hello = yield* raw.request("connect", params)
    return { raw, hello }
  })
  const node = (identity: Rig.Device, extra: Record<string, unknown> = {}, options: { readonly afar?: boolean } = {}) =>
    device(
      identity,
      { client: Rig.nodeClient, role: "node", scopes: [], caps: ["system"], commands: ["system.which"], ...extra },
      options
    )
  /** The first paired row of this device, as an operator sees it. */
  const listed = Effect.fnUntraced(function* (raw: Rig.Raw, deviceId: string) {
    const { paired } = (yield* raw.request("device.pair.list")).payload
    return paired.find((row: { readonly deviceId: string }) => row.deviceId === deviceId)
  })
  return { url, nodes: Context.get(services, NodeRegistry), token: kit.token, connect, device, node, listed }
})

/** The secret inside a setup code. */
export const contentOf = (setupCode: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(setupCode, "base64url").toString("utf8"))
