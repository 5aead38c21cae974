import * as Effect from "effect/Effect"
import { CommandFailed } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { plain, print } from "../../output.ts"
import { knownDevice } from "./shared.ts"

const LONGEST = 64

export const run = Effect.fn("cli.devices.rename")(function* (flags: {
  readonly device: string
  readonly name: string
  readonly timeout: number
}) {
  const label = flags.name.trim()
  if (label === "" || label.length > LONGEST) {
    return yield* new CommandFailed({
      message: `the name is empty or too long.\nFix: give --name 1 to ${LONGEST} characters.`
    })
  }
  const answer = yield* ask({ scopes: ["operator.pairing", "operator.admin"], timeoutMs: flags.timeout }, (client) =>
    client.call["device.pair.rename"]({ deviceId: flags.device, label })
  ).pipe(knownDevice(flags.device))
  return yield* print(answer, () => `Renamed ${plain(answer.deviceId)} → ${plain(answer.label)}`)
})
