import * as Effect from "effect/Effect"
import { CommandFailed } from "../../errors.ts"
import { ask } from "../../gateway.ts"
import { print } from "../../output.ts"

/** Sends `wake`. */
export const run = Effect.fn("cli.system.event")(function* (flags: {
  readonly text: string | undefined
  readonly mode: "now" | "next-heartbeat" | undefined
  readonly sessionKey: string | undefined
  readonly timeout: number
}) {
  const text = flags.text?.trim() ?? ""
  if (text === "") {
    return yield* new CommandFailed({
      message: '--text is required.\nFix: openclaw system event --text "the deployment is done"'
    })
  }
  const answer = yield* ask({ scopes: ["operator.write"], timeoutMs: flags.timeout }, (client) =>
    client.call.wake({
      mode: flags.mode ?? "next-heartbeat",
      text,
      ...(flags.sessionKey === undefined ? undefined : { sessionKey: flags.sessionKey })
    })
  )
  yield* print(answer, () => "ok")
})
