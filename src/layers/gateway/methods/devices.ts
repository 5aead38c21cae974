/**
 * `device.pair.*`.
 */
import * as Effect from "effect/Effect"
import { invalidRequest } from "../../../protocol/GatewayError.ts"
import { DeviceMethods } from "../../../protocol/methods/devices.ts"
import { DeviceRegistry } from "../../../services/DeviceRegistry.ts"
import { Access } from "../Access.ts"
import { CurrentConnection } from "../Connections.ts"
import { storageFailed, unknownRequest } from "./errors.ts"

/** OpenClaw's CLI asks again with more scopes when it reads exactly this. */
const APPROVAL_DENIED = "device pairing approval denied"

export const layer = DeviceMethods.middleware(Access).toLayer(
  Effect.gen(function* () {
    const devices = yield* DeviceRegistry

    const approve = Effect.fn("Gateway.device.pair.approve")(function* ({ requestId }: { readonly requestId: string }) {
      const { scopes } = yield* CurrentConnection
      const device = yield* devices.approve(requestId, scopes).pipe(
        Effect.catchTags({
          PairingRequestNotFound: (error) => Effect.fail(unknownRequest(error)),
          RegistryStorageFailed: (error) => Effect.fail(storageFailed(error)),
          ApproverLacksScope: ({ missingScope, requiredScopes }) =>
            Effect.fail(invalidRequest(APPROVAL_DENIED, { details: { missingScope, requiredScopes } }))
        })
      )
      return { requestId, device }
    })

    const reject = Effect.fn("Gateway.device.pair.reject")(function* ({ requestId }: { readonly requestId: string }) {
      const deviceId = yield* devices.reject(requestId).pipe(
        Effect.catchTags({
          PairingRequestNotFound: (error) => Effect.fail(unknownRequest(error)),
          RegistryStorageFailed: (error) => Effect.fail(storageFailed(error))
        })
      )
      return { requestId, deviceId }
    })

    return {
      "device.pair.list": () => Effect.mapError(devices.list, storageFailed),
      "device.pair.approve": approve,
      "device.pair.reject": reject
    }
  })
)
