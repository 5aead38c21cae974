/**
 * How devices are shown, and what goes wrong with them.
 */
import * as Effect from "effect/Effect"
import { GatewayError } from "../../../protocol/GatewayError.ts"
import { CommandFailed } from "../../errors.ts"
import type { PendingDevice } from "../../../protocol/methods/devices.ts"
import { ago, plain, shortName, table } from "../../output.ts"

/** `roles: operator; scopes: operator.read` */
export const accessOf = (device: {
  readonly role?: string | undefined
  readonly roles?: ReadonlyArray<string> | undefined
  readonly scopes?: ReadonlyArray<string> | undefined
}): string => {
  const roles = device.roles ?? (device.role === undefined ? [] : [device.role])
  return `roles: ${roles.join(", ") || "none"}; scopes: ${device.scopes?.join(", ") || "none"}`
}

/** Requests with the whole id: it is what is approved. */
export const pendingTable = (pending: ReadonlyArray<PendingDevice>, now: number): string =>
  table(
    ["Request", "Device", "Device id", "Address", "Asks for", "Age", "Kind"],
    pending.map((request) => [
      request.requestId,
      shortName(request.displayName ?? request.clientId ?? ""),
      request.deviceId,
      request.remoteIp ?? "",
      accessOf(request),
      ago(now, request.ts),
      request.isRepair === true ? "asks again" : "new"
    ])
  )

const isAnswer = (error: unknown, text: string): boolean =>
  error instanceof GatewayError && error.code === "INVALID_REQUEST" && error.message === text

/** Says what to do where the Gateway has no such device. */
export const knownDevice =
  (deviceId: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.catchIf(
      effect,
      (error) => isAnswer(error, "unknown deviceId"),
      () =>
        Effect.fail(
          new CommandFailed({
            message: `unknown deviceId: ${plain(deviceId)}\nFix: take the whole id from \`openclaw devices list\`.`
          })
        )
    )

/** Says what to do where the Gateway gives or takes no token. It does not tell why. */
export const tokenDenied =
  (deviceId: string, role: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.catchIf(
      effect,
      (error) => isAnswer(error, "device token rotation denied") || isAnswer(error, "device token revocation denied"),
      (error) =>
        Effect.fail(
          new CommandFailed({
            message: `${error instanceof GatewayError ? error.message : ""}: device ${plain(deviceId)} has no token for the role ${plain(role)}, or was not approved for these scopes.\nFix: look at \`openclaw devices list\` for its whole id, its roles and its scopes.`
          })
        )
    )
