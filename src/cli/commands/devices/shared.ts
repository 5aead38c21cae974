/**
 * How devices are shown.
 */
import type { PendingDevice } from "../../../protocol/methods/devices.ts"
import { ago, shortName, table } from "../../output.ts"

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
