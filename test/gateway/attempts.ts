/** One `connect` judged without a socket, with a test clock. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as AuthenticatorLayer from "../../src/layers/gateway/Authenticator.ts"
import type { IdentityOptions } from "../../src/layers/gateway/identity.ts"
import type { GatewayAuth } from "../../src/layers/gateway/options.ts"
import { ConnectParams } from "../../src/protocol/Connect.ts"
import { Authenticator } from "../../src/services/Authenticator.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import type { Ingress, Origin } from "../../src/services/Ingress.ts"
import type { Tailscale } from "../../src/services/Tailscale.ts"
import * as Rig from "./rig.ts"
import { configured, devices, noTailscale } from "./services.ts"

export const decodeParams = Schema.decodeUnknownSync(ConnectParams)
export const layer = (
  auth: GatewayAuth = { mode: "token", token: Redacted.make(Rig.TOKEN) },
  config: OpenClawConfig = {},
  identity?: IdentityOptions,
  tailscale: Layer.Layer<Tailscale> = noTailscale
) => AuthenticatorLayer.layer(auth, identity).pipe(Layer.provideMerge([devices, configured(config), tailscale]))

interface From {
  readonly address?: string
  readonly local?: boolean
  readonly device?: Rig.Device
  readonly browser?: boolean
  readonly ingress?: Ingress
  readonly proxyUser?: Origin["proxyUser"]
  readonly scopeCap?: ReadonlyArray<string>
  readonly role?: "operator" | "node"
}

/** One attempt from afar unless told otherwise; gives the error's tag or `ok`. */
export const attempt = Effect.fnUntraced(function* (extra: Record<string, unknown>, from: From = {}) {
  const authenticator = yield* Authenticator
  const base = Rig.params(extra)
  const params = from.device === undefined ? base : Rig.signed(from.device, { nonce: "n", ts: 0 }, base)
  return yield* authenticator
    .authenticate({
      params: decodeParams(JSON.parse(JSON.stringify(params))),
      role: from.role ?? "operator",
      nonce: "n",
      address: from.address ?? "192.0.2.2",
      local: from.local ?? false,
      browser: from.browser ?? false,
      ingress: from.ingress ?? { _tag: "Direct" },
      ...(from.proxyUser === undefined ? undefined : { proxyUser: from.proxyUser }),
      ...(from.scopeCap === undefined ? undefined : { scopeCap: from.scopeCap })
    })
    .pipe(Effect.result)
})
export const tag = (result: Result.Result<unknown, { readonly _tag: string }>) =>
  Result.isSuccess(result) ? "ok" : result.failure._tag
export const wrong = (token = "wrong") => ({ auth: { token } })
