import * as Effect from "effect/Effect"
import { ask } from "../../gateway.ts"
import { plain, print } from "../../output.ts"
import { tokenDenied } from "./shared.ts"

export const run = Effect.fn("cli.devices.revoke")(function* (flags: {
  readonly device: string
  readonly role: string
  readonly timeout: number
}) {
  const answer = yield* ask({ scopes: ["operator.pairing", "operator.admin"], timeoutMs: flags.timeout }, (client) =>
    client.call["device.token.revoke"]({ deviceId: flags.device, role: flags.role })
  ).pipe(tokenDenied(flags.device, flags.role))
  yield* print(answer, () => `Revoked the ${plain(answer.role)} token of ${plain(answer.deviceId)}`)
})
