/**
 * Commands that read or change what lies on this machine, whichever Gateway is meant.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { configuration } from "./configuration.ts"
import { Environment } from "./Environment.ts"
import { connection } from "./globals.ts"
import { plain } from "./output.ts"

/** Which setting names a Gateway that is another than this state directory's, as far as can be known. */
const elsewhere = Effect.gen(function* () {
  const { variables } = yield* Environment
  const { url } = yield* connection
  if (url !== undefined) return "--url"
  if ((variables["OPENCLAW_GATEWAY_URL"] ?? "").trim() !== "") return "OPENCLAW_GATEWAY_URL"
  const { config } = yield* configuration
  return config.gateway?.mode === "remote" ? "gateway.remote" : undefined
})

/**
 * Says on stderr that `what` is this machine's where a Gateway elsewhere is named, because nobody would notice. With `--json` too:
 * stdout has the answer alone.
 */
export const saysHere = Effect.fnUntraced(function* (what: string, command: string) {
  const setting = yield* elsewhere
  if (setting === undefined) return
  yield* Console.error(
    `Note: this is about ${what} on this machine; the Gateway that ${setting} names may be on another one.\nFor what is there, run \`${plain(command)}\` on its machine.`
  )
})
