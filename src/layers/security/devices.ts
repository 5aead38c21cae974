/**
 * Who was let in already, as a running Gateway lists them.
 */
import type { PairedDevice, PendingDevice } from "../../protocol/methods/devices.ts"
import { type Finding, finding, when } from "./Finding.ts"

/** Milliseconds after which a device that was not seen is probably not used. */
const STALE_MS = 90 * 24 * 60 * 60_000

export interface Devices {
  readonly pending: ReadonlyArray<PendingDevice>
  readonly paired: ReadonlyArray<PairedDevice>
}

const nameOf = ({ deviceId, displayName, operatorLabel }: PairedDevice): string =>
  JSON.stringify(operatorLabel ?? displayName ?? deviceId.slice(0, 12))

const some = (devices: ReadonlyArray<PairedDevice>): string => {
  const shown = devices.slice(0, 5).map(nameOf).join(", ")
  return devices.length > 5 ? `${shown} and ${devices.length - 5} more` : shown
}

/** `now`: Unix milliseconds. */
export const devices = ({ paired, pending }: Devices, now: number): ReadonlyArray<Finding> => {
  const admins = paired.filter(({ tokens }) =>
    (tokens ?? []).some(({ revokedAtMs, scopes }) => revokedAtMs === undefined && scopes.includes("operator.admin"))
  )
  const stale = paired.filter(({ approvedAtMs, connected, createdAtMs, lastSeenAtMs }) => {
    const last = Math.max(lastSeenAtMs ?? 0, approvedAtMs ?? 0, createdAtMs ?? 0)
    return connected !== true && last > 0 && last < now - STALE_MS
  })
  return [
    ...when(
      admins.length > 0,
      finding(
        "devices.admin_tokens",
        "info",
        "Devices may do everything",
        `operator.admin is held by ${some(admins)}.`,
        "revoke what is not needed: `openclaw devices list`, then `openclaw devices revoke`"
      )
    ),
    ...when(
      stale.length > 0,
      finding(
        "devices.stale_pairing",
        "warn",
        "Devices that nobody uses may still come in",
        `not seen for 90 days: ${some(stale)}.`,
        "remove them: `openclaw devices list`, then `openclaw devices remove`"
      )
    ),
    ...when(
      pending.length > 0,
      finding(
        "devices.pending_requests",
        "info",
        "Devices wait to be let in",
        `${pending.length} ${pending.length === 1 ? "request is" : "requests are"} open.`,
        "approve what you know and reject the rest: `openclaw devices list`"
      )
    )
  ]
}
