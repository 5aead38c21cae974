import * as Effect from "effect/Effect"
import { ask } from "../../gateway.ts"
import { plain, print } from "../../output.ts"
import { isUnknownRequest, unknownRequest } from "../../requests.ts"

export const run = Effect.fn("cli.devices.reject")(function* (flags: {
  readonly requestId: string
  readonly timeout: number
}) {
  const answer = yield* ask({ scopes: ["operator.pairing"], timeoutMs: flags.timeout }, (client) =>
    client.call["device.pair.reject"]({ requestId: flags.requestId })
  ).pipe(Effect.catchIf(isUnknownRequest, () => Effect.fail(unknownRequest(flags.requestId, "openclaw devices list"))))
  yield* print(answer, () => `Rejected ${plain(answer.deviceId)}`)
})
