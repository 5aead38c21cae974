import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { PairedDevice } from "../../../protocol/methods/devices.ts"
import { ask } from "../../gateway.ts"
import { ago, print, shortName, table } from "../../output.ts"
import { pendingTable } from "./shared.ts"

const tokensOf = (device: PairedDevice): string =>
  (device.tokens ?? [])
    .map((token) => (token.revokedAtMs === undefined ? token.role : `${token.role} (revoked)`))
    .join(", ")

/** Prints `device.pair.list`; tokens come without their secrets. */
export const run = Effect.fn("cli.devices.list")(function* (flags: { readonly timeout: number }) {
  const answer = yield* ask({ scopes: ["operator.pairing"], timeoutMs: flags.timeout }, (client) =>
    client.call["device.pair.list"]({})
  )
  const now = yield* Clock.currentTimeMillis
  const { paired, pending } = answer
  yield* print(answer, () =>
    [
      ...(pending.length === 0
        ? []
        : [
            `Pending (${pending.length})`,
            pendingTable(pending, now),
            "Approve one with `openclaw devices approve <request>`.",
            ""
          ]),
      ...(paired.length === 0
        ? ["No device is paired yet. One asks to be when it connects for the first time."]
        : [
            `Paired (${paired.length})`,
            table(
              ["Device", "Device id", "Roles", "Scopes", "Tokens", "Address", "Approved"],
              paired.map((device) => [
                shortName(device.operatorLabel ?? device.displayName ?? device.clientId ?? ""),
                device.deviceId,
                (device.roles ?? (device.role === undefined ? [] : [device.role])).join(", "),
                (device.scopes ?? []).join(", "),
                tokensOf(device),
                device.remoteIp ?? "",
                ago(now, device.approvedAtMs)
              ])
            )
          ])
    ].join("\n")
  )
})
