/**
 * Telegram: every account's token, and who else receives with it.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { checkBot } from "../../../layers/checks/telegram.ts"
import type { TelegramAccount } from "../../../layers/telegram/Account.ts"
import { readAccounts } from "../../../layers/telegram/fromConfig.ts"
import type { ChannelAccountStatus } from "../../../protocol/methods/system.ts"
import { Environment } from "../../Environment.ts"
import { count, plain } from "../../output.ts"
import { caught, type Check, error, info, ok, warn } from "./Check.ts"
import type { Subject } from "./Subject.ts"

/** Milliseconds for one request to Telegram. */
const CALL_MS = 6_000

/** What the running Gateway says of an account. */
const received = (
  { program }: Subject,
  account: string,
  row: ChannelAccountStatus | undefined
): ReadonlyArray<Check> => {
  if (row === undefined) return []
  if (row.healthState === "conflict") {
    return [
      error(
        "telegram",
        "conflict",
        `${account}: another program receives with the same token, so that messages go now here, now there`,
        {
          fix: "stop the other program (another Gateway, a script), or give this one a bot of its own"
        }
      )
    ]
  }
  const said = row.lastError ?? undefined
  return row.connected === false && said !== undefined
    ? [
        warn("telegram", "receiving", `${account}: ${plain(said).replace(/\.$/, "")}`, {
          fix: `\`${program} channels status --probe\` shows more`
        })
      ]
    : []
}

const accountOf = Effect.fnUntraced(function* (
  subject: Subject,
  account: TelegramAccount,
  row: ChannelAccountStatus | undefined,
  runs: boolean
) {
  const { accountId, apiRoot, token, tokenProblem } = account
  const { program } = subject
  if (token === undefined) {
    return [
      error("telegram", "token", `${accountId}: ${plain(tokenProblem ?? "no token")}`, {
        fix: `\`${program} onboard\` asks for it, or \`${program} config set channels.telegram.botToken -\``
      })
    ]
  }
  const seen = yield* Effect.result(checkBot({ apiRoot, token, timeoutMs: CALL_MS }))
  if (Result.isFailure(seen)) {
    const { detail, fix, kind } = seen.failure
    return [error("telegram", kind, `${accountId}: ${plain(detail)}`, { fix }), ...received(subject, accountId, row)]
  }
  const { id, readsGroups, username, waiting, webhookHost } = seen.success
  const name = username === undefined ? String(id) : `@${plain(username)}`
  return [
    ok("telegram", "token", `${accountId}: the token is that of ${name}`),
    ...(webhookHost === undefined
      ? []
      : [
          warn(
            "telegram",
            "webhook",
            `${accountId}: messages to ${name} are sent to ${plain(webhookHost)} instead of here`,
            {
              fix: runs
                ? "a Gateway takes that back when it starts; whoever set it again must stop"
                : `start the Gateway, which takes that back; or \`${program} doctor --fix\`, which asks first`,
              repair: { kind: "webhook", accountId }
            }
          )
        ]),
    ...(waiting > 0 && !runs
      ? [info("telegram", "waiting", `${accountId}: ${count(waiting, "message")} waiting for a Gateway to run`)]
      : []),
    ...(readsGroups === true
      ? [info("telegram", "groups", `${accountId}: ${name} sees every message of its groups (privacy mode is off)`)]
      : []),
    ...received(subject, accountId, row)
  ]
})

/** The accounts as a Gateway started now would have them. */
export const accounts = ({ config }: Subject) =>
  Effect.flatMap(Environment, ({ variables }) =>
    Effect.provideService(readAccounts(config), ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(variables))
  )

export const telegram = (subject: Subject) =>
  Effect.gen(function* () {
    if (!subject.file.valid) return [info("telegram", "token", "not looked at: the configuration cannot be read")]
    if (subject.remote) return [info("telegram", "token", "not looked at: the Gateway elsewhere has its own")]
    const all = yield* accounts(subject)
    if (all.length === 0) {
      return [info("telegram", "token", "not configured", { fix: `\`${subject.program} onboard\` connects a bot` })]
    }
    const found = subject.owner === undefined ? undefined : yield* subject.ask
    const rows =
      found?.ok === true
        ? Option.match(found.answer.channels, {
            onNone: () => [],
            onSome: ({ channelAccounts }) => channelAccounts["telegram"] ?? []
          })
        : []
    const looked = yield* Effect.forEach(
      all,
      (account) =>
        accountOf(
          subject,
          account,
          rows.find(({ accountId }) => accountId === account.accountId),
          subject.owner !== undefined
        ),
      { concurrency: 4 }
    )
    return looked.flat()
  }).pipe(caught("telegram", "token"))
