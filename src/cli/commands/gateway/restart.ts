import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { amountOf, DURATIONS } from "../../../layers/sessions/amount.ts"
import { ConnectionClosed, GatewayUnreachable, HandshakeRejected } from "../../../client/errors.ts"
import { GatewayError } from "../../../protocol/GatewayError.ts"
import { RestartRefused } from "../../../services/Gateway.ts"
import { CommandFailed, describe } from "../../errors.ts"
import { ask, isOwn, open, ownerOf, runningTarget } from "../../gateway.ts"
import { fields, print } from "../../output.ts"
import { waiting } from "../../progress.ts"
import { restart as restartService } from "../../service/lifecycle.ts"
import { managed } from "../../service/managed.ts"
import { serviceManager } from "../../service/manager.ts"

const SCOPES = ["operator.admin"] as const

/**
 * Milliseconds for one try to reach the next Gateway. Another program may have its port for a moment, and one that takes a
 * connection and says nothing shall not use up the whole time.
 */
const tryMs = 2_000

const isRefusal = (error: unknown): error is GatewayError =>
  error instanceof GatewayError &&
  Predicate.hasProperty(error.details, "code") &&
  error.details.code === "RESTART_REFUSED"

const waitMsOf = Effect.fnUntraced(function* (wait: string | undefined) {
  if (wait === undefined) return undefined
  const amount = amountOf(wait, DURATIONS, 1)
  if (amount !== undefined) return Math.round(amount)
  return yield* new CommandFailed({
    message: `--wait ${wait} is no duration.\nFix: write milliseconds, or an amount with a unit such as 30s or 5m.`
  })
})

/** Whether it still tries or has ended is told where it is this machine's own. */
const notBack = Effect.fnUntraced(function* (patienceMs: number, last: string) {
  const to = yield* runningTarget
  const pid = Option.getOrUndefined(yield* ownerOf(to))?.pid
  const fix =
    pid === undefined
      ? "look at what it printed last, and start it again with `openclaw gateway run` unless it still runs."
      : `look at what pid ${pid} printed last; it still runs and may come back.`
  return new CommandFailed({
    message: `the Gateway did not come back within ${Duration.format(Duration.millis(patienceMs))}: ${last}\nFix: ${fix}`
  })
})

/** Whether this machine's own Gateway is meant, and runs. */
const runs = Effect.map(Effect.flatMap(runningTarget, ownerOf), Option.isSome)

/**
 * Whether asking failed as it does while a restart for another reason goes on, such as a change of the configuration: the
 * Gateway ends its connections, takes nothing new, or does not listen yet.
 */
const isBetween = (error: unknown): boolean =>
  error instanceof ConnectionClosed ||
  error instanceof GatewayUnreachable ||
  ((error instanceof GatewayError || error instanceof HandshakeRejected) &&
    error.code === "UNAVAILABLE" &&
    error.retryable === true &&
    !isRefusal(error))

interface RestartFlags {
  readonly wait: string | undefined
  readonly timeout: number
}

/**
 * Whether the service of this profile is what runs, or would. A Gateway that somebody else started is restarted in its place,
 * and so is one that is to wait for its turns: a service manager does not wait.
 */
const isManaged = Effect.fnUntraced(
  function* ({ wait }: RestartFlags) {
    if (wait !== undefined) return false
    if (!isOwn(yield* runningTarget)) return false
    return yield* managed("gateway").pipe(Effect.provide(serviceManager))
  },
  Effect.catchTag("ServiceManagerUnavailable", () => Effect.succeed(false))
)

/** By its service where it has one: that starts the program anew, also a newer version of it. */
export const run = Effect.fn("cli.gateway.restart")(function* (flags: RestartFlags) {
  yield* (yield* isManaged(flags))
    ? Effect.provide(restartService("gateway", flags.timeout), serviceManager)
    : restartInPlace(flags)
})

/** Asks, then connects until another Gateway greets than the one that was asked. */
const restartInPlace = Effect.fnUntraced(function* (flags: RestartFlags) {
  const waitMs = yield* waitMsOf(flags.wait)
  const started = yield* Clock.currentTimeMillis
  // Between one Gateway and the next nobody owns the state directory for a moment.
  const ran = yield* runs
  const isWorthIt = Effect.fnUntraced(function* (error: unknown) {
    if (!isBetween(error) || (yield* Clock.currentTimeMillis) - started >= flags.timeout) return false
    return ran || (yield* runs)
  })
  const before = yield* ask(
    { scopes: SCOPES, timeoutMs: flags.timeout, running: true, waitingFor: "Asking the Gateway to restart" },
    (client) =>
      client.call["gateway.restart.request"]({
        reason: "openclaw gateway restart",
        ...(waitMs === undefined ? undefined : { restartIntent: { waitMs } })
      })
  ).pipe(
    Effect.retry({ while: isWorthIt, schedule: Schedule.spaced("100 millis") }),
    Effect.catchIf(isRefusal, ({ message }) => Effect.fail(new RestartRefused({ message })))
  )
  const look = Effect.scoped(
    Effect.flatMap(
      open({ scopes: SCOPES, timeoutMs: Math.min(tryMs, flags.timeout), running: true }),
      ({ client, target }) =>
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
      orElse: () => Effect.flatMap(notBack(patience, last), Effect.fail)
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
