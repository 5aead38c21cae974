import * as Effect from "effect/Effect"
import { ask } from "../../gateway.ts"
import { plain, print } from "../../output.ts"
import { knownDevice } from "./shared.ts"

export const run = Effect.fn("cli.devices.remove")(function* (flags: {
  readonly deviceId: string
  readonly timeout: number
}) {
  const answer = yield* ask({ scopes: ["operator.pairing", "operator.admin"], timeoutMs: flags.timeout }, (client) =>
    client.call["device.pair.remove"]({ deviceId: flags.deviceId })
  ).pipe(knownDevice(flags.deviceId))
  yield* print(answer, () => `Removed ${plain(answer.deviceId)}`)
})
