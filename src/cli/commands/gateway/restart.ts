import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { amountOf, DURATIONS } from "../../../layers/sessions/amount.ts"
import { CommandFailed, describe } from "../../errors.ts"
import { ask, open } from "../../gateway.ts"
import { fields, print } from "../../output.ts"
import { waiting } from "../../progress.ts"

const SCOPES = ["operator.admin"] as const

const waitMsOf = Effect.fnUntraced(function* (wait: string | undefined) {
  if (wait === undefined) return undefined
  const amount = amountOf(wait, DURATIONS, 1)
  if (amount !== undefined) return Math.round(amount)
  return yield* new CommandFailed({
    message: `--wait ${wait} is no duration.\nFix: write milliseconds, or an amount with a unit such as 30s or 5m.`
  })
})

/** Asks, then connects until another Gateway greets than the one that was asked. */
export const run = Effect.fn("cli.gateway.restart")(function* (flags: {
  readonly wait: string | undefined
  readonly timeout: number
}) {
  const waitMs = yield* waitMsOf(flags.wait)
  const started = yield* Clock.currentTimeMillis
  const before = yield* ask(
    { scopes: SCOPES, timeoutMs: flags.timeout, waitingFor: "Asking the Gateway to restart" },
    (client) =>
      client.call["gateway.restart.request"]({
        reason: "openclaw gateway restart",
        ...(waitMs === undefined ? undefined : { restartIntent: { waitMs } })
      })
  )
  const look = Effect.scoped(
    Effect.flatMap(open({ scopes: SCOPES, timeoutMs: flags.timeout }), ({ client, target }) =>
      client.hello.server.bootId === before.bootId
        ? Effect.fail(new CommandFailed({ message: "the Gateway that was asked still answers" }))
        : Effect.succeed({ hello: client.hello, endpoint: target.endpoint })
    )
  )
  let last = "nothing answered"
  const patience = flags.timeout + (waitMs ?? 0)
  const { endpoint, hello } = yield* look.pipe(
    Effect.tapError((error) => Effect.sync(() => (last = describe(error).message))),
    Effect.retry(Schedule.spaced("50 millis")),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () =>
        Effect.fail(
          new CommandFailed({
            message: `the Gateway did not come back within ${Duration.format(Duration.millis(patience))}: ${last}\nFix: look at what it printed last, and start it again with \`openclaw gateway run\`.`
          })
        )
    }),
    waiting("Waiting for the Gateway to come back")
  )
  const durationMs = (yield* Clock.currentTimeMillis) - started
  const { bootId, version } = hello.server
  yield* print({ ok: true, result: "restarted", durationMs, url: endpoint, bootId, version }, () =>
    fields([
      ["Gateway", `restarted in ${durationMs} ms`],
      ["URL", endpoint],
      ["Version", version]
    ])
  )
})
