/**
 * `device.*`: pairing, names and tokens of devices, and codes that let a new one in.
 *
 * Who connected with a device's own token and is no admin reaches that device only, as in OpenClaw.
 */
import * as Effect from "effect/Effect"
import * as Qr from "../../../domain/Qr.ts"
import { type GatewayError, invalidRequest } from "../../../protocol/GatewayError.ts"
import { DeviceMethods, type PendingDevice, type SetupAccess } from "../../../protocol/methods/devices.ts"
import { covers } from "../../../protocol/Role.ts"
import { Config } from "../../../services/Config.ts"
import { type DeviceNotFound, DeviceRegistry } from "../../../services/DeviceRegistry.ts"
import { NodeRegistry, type RegistryStorageFailed } from "../../../services/NodeRegistry.ts"
import { qrDataUrl } from "../../devices/qrPng.ts"
import { Access } from "../Access.ts"
import { type Connection, Connections, CurrentConnection } from "../Connections.ts"
import type { GatewayOptions } from "../options.ts"
import { accessOver, resolvePin, resolveSetupUrl } from "../setupUrl.ts"
import { Exposed } from "../Exposed.ts"
import { Snapshots } from "../Snapshots.ts"
import { storageFailed, unknownRequest } from "./errors.ts"

/** OpenClaw's CLI asks again with more scopes when it reads exactly this. */
const APPROVAL_DENIED = "device pairing approval denied"
const REJECTION_DENIED = "device pairing rejection denied"
const ROTATION_DENIED = "device token rotation denied"
const REVOCATION_DENIED = "device token revocation denied"

const isAdmin = ({ scopes }: Connection): boolean => scopes.includes("operator.admin")

/** Whether it may do something to this device at all. */
const mayReach = (caller: Connection, deviceId: string): boolean =>
  isAdmin(caller) || caller.method !== "device-token" || caller.deviceId === deviceId

interface TokenOf {
  readonly deviceId: string
  readonly role: string
}

export const layer = (options: GatewayOptions) =>
  DeviceMethods.middleware(Access).toLayer(
    Effect.gen(function* () {
      const devices = yield* DeviceRegistry
      const nodes = yield* NodeRegistry
      const config = yield* Config
      const connections = yield* Connections
      const snapshots = yield* Snapshots
      const exposed = yield* Exposed

      const list = Effect.gen(function* () {
        const caller = yield* CurrentConnection
        const { paired, pending } = yield* Effect.mapError(devices.list, storageFailed)
        const here = new Set(Array.from(connections.all(), ({ deviceId }) => deviceId as string | undefined))
        const reached = <A extends { readonly deviceId: string }>(rows: ReadonlyArray<A>) =>
          rows.filter(({ deviceId }) => mayReach(caller, deviceId))
        return {
          pending: reached(pending),
          paired: reached(paired).map((device) => ({ ...device, connected: here.has(device.deviceId) }))
        }
      }).pipe(Effect.withSpan("Gateway.device.pair.list"))

      /** Others than admins answer for operators only, and with a device's token for that device; they are not told of more. */
      const mayAnswer = Effect.fnUntraced(function* (
        caller: Connection,
        requestId: string,
        denied: string,
        fits: (asked: PendingDevice) => boolean = () => true
      ) {
        if (isAdmin(caller)) return
        const { pending } = yield* Effect.mapError(devices.list, storageFailed)
        const asked = pending.find((request) => request.requestId === requestId)
        if (asked !== undefined && mayReach(caller, asked.deviceId) && fits(asked)) return
        yield* Effect.logWarning(`${denied}: the caller may not answer that request`)
        return yield* invalidRequest(denied)
      })

      const approve = Effect.fn("Gateway.device.pair.approve")(function* ({
        requestId
      }: {
        readonly requestId: string
      }) {
        const caller = yield* CurrentConnection
        yield* mayAnswer(caller, requestId, APPROVAL_DENIED, (asked) => asked.role === "operator")
        const device = yield* devices.approve(requestId, caller.scopes).pipe(
          Effect.catchTags({
            PairingRequestNotFound: (error) => Effect.fail(unknownRequest(error)),
            RegistryStorageFailed: (error) => Effect.fail(storageFailed(error)),
            ApproverLacksScope: ({ missingScope, requiredScopes }) =>
              Effect.fail(
                invalidRequest(`missing scope: ${missingScope}`, { details: { missingScope, requiredScopes } })
              )
          })
        )
        return { requestId, device }
      })

      const reject = Effect.fn("Gateway.device.pair.reject")(function* ({ requestId }: { readonly requestId: string }) {
        const caller = yield* CurrentConnection
        if (caller.method === "device-token") yield* mayAnswer(caller, requestId, REJECTION_DENIED)
        const deviceId = yield* devices.reject(requestId).pipe(
          Effect.catchTags({
            PairingRequestNotFound: (error) => Effect.fail(unknownRequest(error)),
            RegistryStorageFailed: (error) => Effect.fail(storageFailed(error))
          })
        )
        return { requestId, deviceId }
      })

      const ofDevice = <A, R>(effect: Effect.Effect<A, DeviceNotFound | RegistryStorageFailed, R>) =>
        Effect.catchTags(effect, {
          DeviceNotFound: () => Effect.fail(invalidRequest("unknown deviceId")),
          RegistryStorageFailed: (error) => Effect.fail(storageFailed(error))
        })

      const remove = Effect.fn("Gateway.device.pair.remove")(function* ({ deviceId }: { readonly deviceId: string }) {
        if (!mayReach(yield* CurrentConnection, deviceId)) return yield* invalidRequest("device pairing removal denied")
        yield* ofDevice(devices.remove(deviceId))
        yield* Effect.mapError(nodes.remove(deviceId), storageFailed)
        return { deviceId }
      })

      const rename = Effect.fn("Gateway.device.pair.rename")(function* (params: {
        readonly deviceId: string
        readonly label: string
      }) {
        const { deviceId } = params
        const label = params.label.trim()
        if (label === "") return yield* invalidRequest("label required")
        if (!mayReach(yield* CurrentConnection, deviceId)) return yield* invalidRequest("device pairing rename denied")
        yield* ofDevice(devices.rename(deviceId, label))
        return { deviceId, label }
      })

      /** Others than admins: their own device where they stand on its token, operators only, and no more than they hold. */
      const checkToken = Effect.fnUntraced(function* (
        { deviceId, role }: TokenOf,
        scopes: ReadonlyArray<string> | undefined,
        denied: GatewayError
      ) {
        const caller = yield* CurrentConnection
        if (isAdmin(caller)) return
        const held = yield* Effect.mapError(devices.tokenScopes(deviceId, role), storageFailed)
        const within = (held ?? []).concat(scopes ?? []).every((scope) => covers(caller.scopes, scope))
        if (!mayReach(caller, deviceId) || role !== "operator" || !within) return yield* denied
      })

      const rotate = Effect.fn("Gateway.device.token.rotate")(function* (
        params: TokenOf & { readonly scopes?: ReadonlyArray<string> | undefined }
      ) {
        const { deviceId, role, scopes } = params
        const denied = invalidRequest(ROTATION_DENIED)
        yield* checkToken(params, scopes, denied)
        const caller = yield* CurrentConnection
        const rotated = yield* devices.rotate(deviceId, role, scopes).pipe(
          Effect.catchTags({
            TokenNotGranted: () => Effect.fail(denied),
            RegistryStorageFailed: (error) => Effect.fail(storageFailed(error))
          })
        )
        const own = caller.method === "device-token" && caller.deviceId === deviceId && caller.role === role
        const { rotatedAtMs, token } = rotated
        return {
          deviceId,
          role,
          scopes: rotated.scopes,
          rotatedAtMs,
          ...(own ? { token, tokenDelivery: "in-band" as const } : { tokenDelivery: "withheld-cross-device" as const })
        }
      })

      const revoke = Effect.fn("Gateway.device.token.revoke")(function* (params: TokenOf) {
        const { deviceId, role } = params
        const denied = invalidRequest(REVOCATION_DENIED)
        yield* checkToken(params, undefined, denied)
        const revokedAtMs = yield* devices.revoke(deviceId, role).pipe(
          Effect.catchTags({
            TokenNotGranted: () => Effect.fail(denied),
            RegistryStorageFailed: (error) => Effect.fail(storageFailed(error))
          })
        )
        return { deviceId, role, revokedAtMs }
      })

      const setupCode = Effect.fn("Gateway.device.pair.setupCode")(function* (params: {
        readonly publicUrl?: string | undefined
        readonly preferRemoteUrl?: boolean | undefined
        readonly includeQr?: boolean | undefined
        readonly bootstrapProfile?: "limited" | "node" | undefined
      }) {
        const auth = options.auth.mode
        if (auth === "none") return yield* invalidRequest("Gateway auth is not configured (no token or password).")
        const { gateway } = yield* Effect.mapError(config.get, storageFailed)
        const { port = options.port } = yield* CurrentConnection
        const found = yield* resolveSetupUrl(params, gateway, {
          host: options.host,
          port,
          secure: options.tls !== undefined,
          opened: exposed.summaryUnsafe()
        })
        const tlsFingerprint = yield* resolvePin(found, gateway, snapshots.tlsFingerprintUnsafe())
        const asked: SetupAccess = params.bootstrapProfile ?? "full"
        const access = accessOver(found.url, asked)
        const { expiresAtMs, setupId, token } = yield* Effect.mapError(devices.setups.issue(access), storageFailed)
        const content = JSON.stringify({ url: found.url, bootstrapToken: token, expiresAtMs, tlsFingerprint })
        const code = Buffer.from(content, "utf8").toString("base64url")
        const modules = params.includeQr === false ? undefined : Qr.encode(code)
        return {
          setupId,
          setupCode: code,
          ...(modules === undefined ? undefined : { qrDataUrl: qrDataUrl(modules) }),
          gatewayUrl: found.url,
          auth: auth === "token" ? ("token" as const) : ("password" as const),
          urlSource: found.source,
          access,
          ...(access === asked ? undefined : { accessDowngraded: true }),
          expiresAtMs
        }
      })

      const requestUpgrade = Effect.fn("Gateway.device.scopes.requestUpgrade")(function* (params: {
        readonly scopes: ReadonlyArray<string>
      }) {
        const { deviceId } = yield* CurrentConnection
        if (deviceId === undefined) return yield* invalidRequest("scope upgrade requires a paired device")
        return { requestId: yield* ofDevice(devices.requestUpgrade(deviceId, params.scopes)) }
      })

      const waitUpgrade = Effect.fn("Gateway.device.scopes.waitUpgrade")(function* ({
        requestId
      }: {
        readonly requestId: string
      }) {
        const { deviceId } = yield* CurrentConnection
        if (deviceId === undefined) return yield* invalidRequest("scope upgrade requires a paired device")
        const outcome = yield* devices.awaitUpgrade(deviceId, requestId).pipe(
          Effect.catchTags({
            PairingRequestNotFound: (error) => Effect.fail(unknownRequest(error)),
            RegistryStorageFailed: (error) => Effect.fail(storageFailed(error))
          })
        )
        return { ...outcome, requestId }
      })

      return {
        "device.pair.list": () => list,
        "device.pair.approve": approve,
        "device.pair.reject": reject,
        "device.pair.remove": remove,
        "device.pair.rename": rename,
        "device.token.rotate": rotate,
        "device.token.revoke": revoke,
        "device.pair.setupCode": setupCode,
        "device.pair.setupStatus": ({ setupId }) => Effect.mapError(devices.setups.status(setupId), storageFailed),
        "device.scopes.requestUpgrade": requestUpgrade,
        "device.scopes.waitUpgrade": waitUpgrade
      }
    })
  )
