/**
 * Receiving by long polling. An update is confirmed by the next poll's `offset`, and the next poll is made only after
 * `commit` succeeded: what was not stored comes again.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { InboundMessage } from "../../services/Channel.ts"
import { ChannelInterrupted, ChannelUnauthorized, type InboxFailed } from "../../services/Channel.ts"
import { chatCommands } from "../channels/chatCommands.ts"
import type { AccountState } from "./Account.ts"
import { type Api, isTokenRefused, type TelegramError } from "./Api.ts"
import { Bot, Updates } from "./Types.ts"
import { allowedUpdates, read } from "./Updates.ts"

/** Seconds that a poll waits for an update. */
const pollSeconds = 30
/** Milliseconds to wait after a poll that should have waited and did not. */
const pauseMs = 500

type Commit = (messages: ReadonlyArray<InboundMessage>) => Effect.Effect<void, InboxFailed>

const explain = (error: TelegramError): string =>
  error.code === 409
    ? `${error.message}. Another program receives with this bot token: stop it, or give this one a bot of its own.`
    : error.retryAfterMs === undefined
      ? error.message
      : `${error.message}. It asks to be left alone for ${Duration.format(Duration.millis(error.retryAfterMs))}.`

/** What a failed call means for receiving. */
export const classify = (accountId: string) => (error: TelegramError) =>
  isTokenRefused(error)
    ? new ChannelUnauthorized({
        channel: "telegram",
        accountId,
        message: `Telegram does not accept the bot token of account ${accountId} (${error.code}). Get the token from @BotFather and set channels.telegram.botToken, tokenFile or TELEGRAM_BOT_TOKEN.`
      })
    : new ChannelInterrupted({
        channel: "telegram",
        accountId,
        message: explain(error),
        ...(error.retryAfterMs === undefined ? undefined : { retryAfterMs: error.retryAfterMs })
      })

export interface PollingOptions {
  readonly api: Api
  readonly accountId: string
  /** What the messages name as their source; the bot's id when left out. */
  readonly source?: string | undefined
  readonly state: AccountState
}

export const receive = ({ accountId, api, source, state }: PollingOptions) => {
  const classified = Effect.mapError(classify(accountId))

  const prepare = Effect.gen(function* () {
    const bot = yield* classified(api.call("getMe", {}, Bot))
    yield* classified(api.call("deleteWebhook", { drop_pending_updates: false }, Schema.Unknown))
    // The menu of commands is a nicety: a bot that cannot set it still works.
    yield* api
      .call("setMyCommands", { commands: chatCommands }, Schema.Unknown)
      .pipe(Effect.catch((error) => Effect.logDebug(`the bot's command menu was not set: ${error.message}`)))
    yield* state.connected
    yield* Effect.logInfo(`receiving as @${bot.username ?? bot.id}`)
    return bot
  })

  const logIgnored = Effect.fnUntraced(function* (received: ReadonlyArray<ReturnType<typeof read>>) {
    for (const entry of received) {
      if (entry.updateId === undefined) yield* Effect.logWarning("an update without an id was passed over")
      else if ("ignored" in entry) {
        const line = `update ${entry.updateId} was passed over: ${entry.ignored}`
        yield* entry.lost ? Effect.logWarning(line) : Effect.logDebug(line)
      }
    }
  })

  /** One poll; returns the next offset. */
  const poll = Effect.fnUntraced(function* (bot: Bot, offset: number | undefined, commit: Commit) {
    const started = yield* Clock.currentTimeMillis
    const raw = yield* classified(
      api.call(
        "getUpdates",
        {
          timeout: pollSeconds,
          limit: 100,
          allowed_updates: allowedUpdates,
          ...(offset === undefined ? undefined : { offset })
        },
        Updates,
        pollSeconds * 1_000
      )
    )
    yield* state.connected
    const received = raw.map((update) => read(update, bot, accountId))
    yield* logIgnored(received)
    const messages = received.flatMap((entry) =>
      "message" in entry ? [{ ...entry.message, source: source ?? entry.message.source }] : []
    )
    if (messages.length > 0) {
      yield* state.received
      yield* commit(messages)
    }
    const ids = received.flatMap((entry) => (entry.updateId === undefined ? [] : [entry.updateId]))
    if (ids.length === 0 && raw.length > 0) {
      const message = "getUpdates answered with updates that have no id, so they cannot be confirmed"
      return yield* new ChannelInterrupted({ channel: "telegram", accountId, message })
    }
    // After a quiet week ids may start anywhere, so an offset that has nothing left to confirm is not kept.
    const next = ids.length === 0 ? undefined : Math.max(...ids) + 1
    const isStuck = next === undefined ? offset === undefined : offset !== undefined && next <= offset
    const now = yield* Clock.currentTimeMillis
    // A server that does not wait, or repeats what was confirmed, must not be asked in a loop.
    if (isStuck && now - started < pauseMs) yield* Effect.sleep(pauseMs)
    return next
  })

  return Effect.fn("Telegram.receive")(
    function* (commit: Commit): Effect.fn.Return<never, ChannelUnauthorized | ChannelInterrupted | InboxFailed> {
      yield* state.started
      const bot = yield* prepare
      let offset: number | undefined
      while (true) offset = yield* poll(bot, offset, commit)
    },
    Effect.tapError((error) => state.failed(error.message, error._tag === "ChannelUnauthorized")),
    Effect.ensuring(state.stopped)
  )
}
