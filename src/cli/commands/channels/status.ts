import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { ChannelAccountStatus } from "../../../protocol/methods/system.ts"
import { ask } from "../../gateway.ts"
import { ago, lines, plain, print } from "../../output.ts"

const either = (value: boolean | undefined, good: string, bad: string): ReadonlyArray<string> =>
  value === undefined ? [] : [value ? good : bad]

const seen = (name: string, now: number, at: number | null | undefined): ReadonlyArray<string> =>
  at === null || at === undefined ? [] : [`${name}: ${ago(now, at)}`]

/** What asking the channel itself brought: `works (@name)`, or why not. */
const probed = (probe: unknown): ReadonlyArray<string> => {
  if (!Predicate.hasProperty(probe, "ok") || !Predicate.isBoolean(probe.ok)) return []
  if (!probe.ok) {
    return [
      Predicate.hasProperty(probe, "error") && Predicate.isString(probe.error)
        ? `probe failed: ${probe.error}`
        : "probe failed"
    ]
  }
  const bot = Predicate.hasProperty(probe, "bot") ? probe.bot : undefined
  return [
    Predicate.hasProperty(bot, "username") && Predicate.isString(bot.username) ? `works (@${bot.username})` : "works"
  ]
}

const describeAccount = (account: ChannelAccountStatus, now: number): string =>
  [
    ...either(account.enabled, "enabled", "disabled"),
    ...either(account.configured, "configured", "not configured"),
    ...either(account.running, "running", "stopped"),
    ...either(account.connected, "connected", "not connected"),
    ...seen("in", now, account.lastInboundAt),
    ...seen("out", now, account.lastOutboundAt),
    ...(account.mode === undefined ? [] : [`mode: ${account.mode}`]),
    ...(account.dmPolicy === undefined ? [] : [`direct messages: ${account.dmPolicy}`]),
    ...(account.tokenSource === undefined ? [] : [`token: ${account.tokenSource}`]),
    ...probed(account.probe),
    ...(account.lastError === undefined || account.lastError === null ? [] : [`error: ${account.lastError}`])
  ]
    .map(plain)
    .join(", ")

/** Prints `channels.status`. */
export const run = Effect.fn("cli.channels.status")(function* (flags: {
  readonly probe: boolean
  readonly channel: string | undefined
  readonly timeout: number
}) {
  const answer = yield* ask(
    { scopes: ["operator.read"], timeoutMs: flags.timeout, waitingFor: "Asking the channels" },
    (client) =>
      client.call["channels.status"]({
        ...(flags.probe ? { probe: true, timeoutMs: flags.timeout } : undefined),
        ...(flags.channel === undefined ? undefined : { channel: flags.channel })
      })
  )
  const now = yield* Clock.currentTimeMillis
  yield* print(answer, () => {
    const rows = answer.channelOrder.flatMap((id) =>
      (answer.channelAccounts[id] ?? []).map(
        (account) =>
          `- ${plain(answer.channelLabels[id] ?? id)} ${plain(account.accountId)}: ${describeAccount(account, now)}`
      )
    )
    return [
      "Gateway reachable.",
      ...(rows.length === 0
        ? [
            "No channel is configured. For Telegram: `openclaw onboard`, or `openclaw config set channels.telegram.botToken -`."
          ]
        : rows),
      ...(answer.warnings ?? []).map((warning) => `Warning: ${lines(warning)}`)
    ].join("\n")
  })
})
