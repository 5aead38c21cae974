/** One `connect` judged without a socket, with a test clock. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as AuthenticatorLayer from "../../src/layers/gateway/Authenticator.ts"
import type { GatewayAuth } from "../../src/layers/gateway/options.ts"
import { ConnectParams } from "../../src/protocol/Connect.ts"
import { Authenticator } from "../../src/services/Authenticator.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import * as Rig from "./rig.ts"
import { configured, devices } from "./services.ts"

export const decodeParams = Schema.decodeUnknownSync(ConnectParams)
export const layer = (
  auth: GatewayAuth = { mode: "token", token: Redacted.make(Rig.TOKEN) },
  config: OpenClawConfig = {}
) => AuthenticatorLayer.layer(auth).pipe(Layer.provideMerge([devices, configured(config)]))

interface From {
  readonly address?: string
  readonly local?: boolean
  readonly device?: Rig.Device
  readonly browser?: boolean
}

/** One attempt from afar unless told otherwise; gives the error's tag or `ok`. */
export const attempt = Effect.fnUntraced(function* (extra: Record<string, unknown>, from: From = {}) {
  const authenticator = yield* Authenticator
  const base = Rig.params(extra)
  const params = from.device === undefined ? base : Rig.signed(from.device, { nonce: "n", ts: 0 }, base)
  return yield* authenticator
    .authenticate({
      params: decodeParams(JSON.parse(JSON.stringify(params))),
      role: "operator",
      nonce: "n",
      address: from.address ?? "192.0.2.2",
      local: from.local ?? false,
      browser: from.browser ?? false
    })
    .pipe(Effect.result)
})
export const tag = (result: Result.Result<unknown, { readonly _tag: string }>) =>
  Result.isSuccess(result) ? "ok" : result.failure._tag
export const wrong = (token = "wrong") => ({ auth: { token } })
