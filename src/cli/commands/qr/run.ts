import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Qr from "../../../domain/Qr.ts"
import { CommandFailed } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { Json } from "../../globals.ts"
import { document, fields, plain } from "../../output.ts"

interface Flags {
  readonly publicUrl: string | undefined
  readonly remote: boolean
  readonly limited: boolean
  readonly node: boolean
  readonly setupCodeOnly: boolean
  readonly noAscii: boolean
  readonly timeout: number
}

const MINUTE_MS = 60_000

/** The code is a secret: it is printed, because that is what was asked for, and nowhere else. */
export const run = Effect.fn("cli.qr")(function* (flags: Flags) {
  if (flags.limited && flags.node) {
    return yield* new CommandFailed({ message: "--limited and --node exclude each other.\nFix: give one of them." })
  }
  const profile = flags.node ? "node" : flags.limited ? "limited" : undefined
  const answer = yield* ask({ scopes: ["operator.admin"], timeoutMs: flags.timeout }, (client) =>
    client.call["device.pair.setupCode"]({
      includeQr: false,
      ...(flags.publicUrl === undefined ? undefined : { publicUrl: flags.publicUrl }),
      ...(flags.remote ? { preferRemoteUrl: true } : undefined),
      ...(profile === undefined ? undefined : { bootstrapProfile: profile })
    })
  )
  if (yield* Json) return yield* Console.log(document(answer))
  if (flags.setupCodeOnly) return yield* Console.log(plain(answer.setupCode))
  const modules = flags.noAscii ? undefined : Qr.encode(answer.setupCode)
  const left = (answer.expiresAtMs ?? 0) - (yield* Clock.currentTimeMillis)
  return yield* Console.log(
    [
      ...(modules === undefined ? [] : [Qr.toText(modules), ""]),
      fields([
        ["Setup code", answer.setupCode],
        ["Gateway", answer.gatewayUrl],
        [
          "Access",
          answer.accessDowngraded === true ? `${answer.access} (the address is not encrypted)` : answer.access
        ],
        ["Address from", answer.urlSource],
        ["Good for", left > 0 ? `${Math.ceil(left / MINUTE_MS)} minutes, one device` : "one device"]
      ]),
      "",
      flags.node
        ? "On the device: openclaw node run --pair <setup code>"
        : "Scan it with the app. A device that is not let in at once waits in `openclaw devices list`."
    ].join("\n")
  )
})
