import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { CommandFailed } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { plain, print } from "../../output.ts"
import { isUnknownRequest, unknownRequest } from "../../requests.ts"
import { pendingTable } from "./shared.ts"

/** Without an id nothing is approved: the newest request is shown, and the command that approves exactly it. */
const suggest = Effect.fnUntraced(function* (timeoutMs: number) {
  const { pending } = yield* ask({ scopes: ["operator.pairing"], timeoutMs }, (client) =>
    client.call["device.pair.list"]({})
  )
  const newest = pending.toSorted((a, b) => b.ts - a.ts)[0]
  if (newest === undefined) {
    return yield* new CommandFailed({
      message:
        "No device waits for approval.\nFix: connect the device once; it then appears in `openclaw devices list`."
    })
  }
  return yield* new CommandFailed({
    message: `${pendingTable([newest], yield* Clock.currentTimeMillis)}\nFix: approve this exact request with \`openclaw devices approve ${plain(newest.requestId)}\`.`
  })
})

export const run = Effect.fn("cli.devices.approve")(function* (flags: {
  readonly requestId: string | undefined
  readonly latest: boolean
  readonly timeout: number
}) {
  const { requestId } = flags
  if (requestId === undefined || flags.latest) return yield* suggest(flags.timeout)
  const answer = yield* ask({ scopes: ["operator.pairing", "operator.admin"], timeoutMs: flags.timeout }, (client) =>
    client.call["device.pair.approve"]({ requestId })
  ).pipe(Effect.catchIf(isUnknownRequest, () => Effect.fail(unknownRequest(requestId, "openclaw devices list"))))
  yield* print(answer, () => `Approved ${plain(answer.device.deviceId)} (${plain(answer.requestId)})`)
})
