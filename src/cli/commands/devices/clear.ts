import * as Effect from "effect/Effect"
import { CommandFailed } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { print } from "../../output.ts"

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`

/** Forgets every device, one after the other: what is done stays done when a later one fails. */
export const run = Effect.fn("cli.devices.clear")(function* (flags: {
  readonly yes: boolean
  readonly pending: boolean
  readonly timeout: number
}) {
  if (!flags.yes) {
    return yield* new CommandFailed({
      message:
        "this would remove every paired device, and nothing was removed.\nFix: look at `openclaw devices list`, then say --yes."
    })
  }
  const done = yield* ask(
    { scopes: ["operator.pairing", "operator.admin"], timeoutMs: flags.timeout },
    Effect.fnUntraced(function* (client) {
      const { paired, pending } = yield* client.call["device.pair.list"]({})
      for (const { deviceId } of paired) yield* client.call["device.pair.remove"]({ deviceId })
      // A device's own request is swept with it.
      const gone = new Set(paired.map(({ deviceId }) => deviceId))
      const rejected = flags.pending ? pending.filter(({ deviceId }) => !gone.has(deviceId)) : []
      for (const { requestId } of rejected) yield* client.call["device.pair.reject"]({ requestId })
      return {
        removedDevices: paired.map(({ deviceId }) => deviceId),
        rejectedPending: rejected.map(({ requestId }) => requestId)
      }
    })
  )
  return yield* print(done, () =>
    [
      `Cleared ${counted(done.removedDevices.length, "paired device")}`,
      ...(flags.pending ? [`Rejected ${counted(done.rejectedPending.length, "pending request")}`] : [])
    ].join("\n")
  )
})
