/**
 * Telegram as a `Channel`, over any `HttpClient`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Channel, Peer } from "../../services/Channel.ts"
import { ChannelUnauthorized, DeliveryFailed } from "../../services/Channel.ts"
import { AccountState, type TelegramAccount } from "./Account.ts"
import * as Api from "./Api.ts"
import { mediaMaxBytes } from "./mediaPart.ts"
import * as Polling from "./Polling.ts"
import * as Sending from "./Sending.ts"
import { Bot } from "./Types.ts"
import { read } from "./Updates.ts"

const channel = "telegram"
const label = "Telegram"
const callTimeoutMs = 30_000

const destination =
  /^(?:(?:telegram|tg):)?(?:(?:group|direct):)?(-?\d{1,16}|@[A-Za-z][A-Za-z0-9_]{3,31})(?::(?:topic:)?(\d{1,10}))?$/i

/** Reads `123`, `telegram:123`, `-100…`, `-100…:topic:7`, `-100…:7` and `@channelname`. */
export const parsePeer =
  (accountId: string) =>
  (to: string, threadId?: string): Peer | undefined => {
    const match = destination.exec(to.trim())
    const chatId = match?.[1]
    if (match === null || chatId === undefined || Number(chatId) === 0) return undefined
    const thread = threadId ?? match[2]
    if (thread !== undefined && !/^\d{1,10}$/.test(thread)) return undefined
    return {
      channel,
      accountId,
      chatId,
      chatType: chatId.startsWith("@") ? "channel" : chatId.startsWith("-") ? "group" : "direct",
      ...(thread === undefined ? undefined : { threadId: thread })
    }
  }

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

/** A bot token begins with the bot's id. */
const botIdOf = (token: Redacted.Redacted): string | undefined => /^(\d{1,20}):/.exec(Redacted.value(token))?.[1]

/** An account without a token: it is shown, everything else says what is missing, and messages may wait for one. */
const withoutToken = (account: TelegramAccount, state: AccountState): Channel => {
  const message = account.tokenProblem ?? `account ${account.accountId} has no bot token`
  return {
    id: channel,
    label,
    accountId: account.accountId,
    // Until there is a token nobody knows whose messages it could answer.
    source: "nobody",
    resumes: true,
    receive: () =>
      Effect.andThen(
        state.failed(message, true),
        Effect.fail(new ChannelUnauthorized({ channel, accountId: account.accountId, message }))
      ),
    send: ({ peer }) => Effect.fail(new DeliveryFailed({ channel, to: peer.chatId, message, outcome: "never-sent" })),
    typing: () => Effect.never,
    parsePeer: parsePeer(account.accountId),
    status: state.status,
    probe: Effect.succeed({ ok: false, error: message })
  }
}

const probe = (api: Api.Api) =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    const answer = yield* Effect.result(api.call("getMe", {}, Bot))
    const elapsedMs = Math.max(0, (yield* Clock.currentTimeMillis) - started)
    if (answer._tag === "Failure") {
      return { ok: false, status: answer.failure.code ?? null, error: answer.failure.message, elapsedMs }
    }
    const bot = answer.success
    return {
      ok: true,
      status: null,
      error: null,
      elapsedMs,
      bot: {
        id: bot.id,
        username: bot.username ?? null,
        firstName: bot.first_name ?? null,
        canJoinGroups: bot.can_join_groups ?? null,
        canReadAllGroupMessages: bot.can_read_all_group_messages ?? null
      }
    }
  })

/** The channel of one account. It keeps no connection: nothing has to be released. */
export const make = Effect.fn("TelegramChannel.make")(function* (
  account: TelegramAccount
): Effect.fn.Return<Channel, never, HttpClient.HttpClient> {
  const { accountId, apiRoot, token } = account
  const state = new AccountState(account)
  if (token === undefined) return withoutToken(account, state)
  const api = yield* Api.make({ apiRoot, token, timeoutMs: account.timeoutMs ?? callTimeoutMs })
  const source = botIdOf(token)
  let known: Bot | undefined
  const moved = new Map<string, string>()
  const reread = Effect.fn("TelegramChannel.reread")(function* (raw: string) {
    const bot = known ?? (yield* Effect.option(api.call("getMe", {}, Bot)).pipe(Effect.map(Option.getOrUndefined)))
    const update = decodeJson(raw)
    if (bot === undefined || Option.isNone(update)) return undefined
    const entry = read(update.value, bot, accountId)
    return "message" in entry ? { ...entry.message, source: source ?? entry.message.source } : undefined
  })
  return {
    id: channel,
    label,
    accountId,
    ...(source === undefined ? undefined : { source }),
    receive: Polling.receive({ api, accountId, source, state, identified: (bot) => (known = bot) }),
    standby: (why) => state.standby(why),
    reread,
    resumes: true,
    mediaMaxBytes,
    send: Sending.send({ api, state, moved }),
    typing: Sending.typing({ api, state, moved }),
    parsePeer: parsePeer(accountId),
    status: state.status,
    probe: probe(api)
  }
})
