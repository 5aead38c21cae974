import * as Effect from "effect/Effect"
import { CommandFailed } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { plain, print } from "../../output.ts"
import { tokenDenied } from "./shared.ts"

/** Replaces a token. The new one is shown only to the device that it is for, so never here. */
export const run = Effect.fn("cli.devices.rotate")(function* (flags: {
  readonly device: string
  readonly role: string
  readonly scope: ReadonlyArray<string>
  readonly noScopes: boolean
  readonly timeout: number
}) {
  if (flags.noScopes && flags.scope.length > 0) {
    return yield* new CommandFailed({ message: "--scope and --no-scopes exclude each other.\nFix: give one of them." })
  }
  const scopes = flags.noScopes || flags.scope.length > 0 ? { scopes: flags.scope } : undefined
  const answer = yield* ask({ scopes: ["operator.pairing", "operator.admin"], timeoutMs: flags.timeout }, (client) =>
    client.call["device.token.rotate"]({ deviceId: flags.device, role: flags.role, ...scopes })
  ).pipe(tokenDenied(flags.device, flags.role))
  const { token: _token, ...shown } = answer
  return yield* print(
    shown,
    () =>
      `Rotated the ${plain(answer.role)} token of ${plain(answer.deviceId)}. It carries: ${answer.scopes.map(plain).join(", ") || "no scopes"}`
  )
})
