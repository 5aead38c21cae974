/**
 * Receiving by long polling. An update is confirmed by the next poll's `offset`, and the next poll is made only after
 * `commit` succeeded: what was not stored comes again.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type { Commit, UnreadMessage } from "../../services/Channel.ts"
import { ChannelInterrupted, ChannelUnauthorized, type InboxFailed } from "../../services/Channel.ts"
import { chatCommands } from "../channels/chatCommands.ts"
import type { AccountState } from "./Account.ts"
import { type Api, isTokenRefused, type TelegramError } from "./Api.ts"
import { Bot, Updates } from "./Types.ts"
import { allowedUpdates, nextOffset, read } from "./Updates.ts"

/** Seconds that a poll waits for an update. */
const pollSeconds = 30
/** Milliseconds to wait after a poll that should have waited and did not. */
const pauseMs = 500

/** Milliseconds without a conflict after which nobody else polls any more. */
const peaceMs = 120_000
/** A wait that is asked for is kept to this. */
const longestWaitMs = 3_600_000

const explain = (error: TelegramError): string =>
  error.retryAfterMs === undefined
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
        ...(error.retryAfterMs === undefined
          ? undefined
          : { retryAfterMs: Math.min(error.retryAfterMs, longestWaitMs) })
      })

export interface PollingOptions {
  readonly api: Api
  readonly accountId: string
  /** What the messages name as their source; the bot's id when left out. */
  readonly source?: string | undefined
  readonly state: AccountState
  /** Told who the bot is. */
  readonly identified?: (bot: Bot) => void
}

const isConflict = (error: TelegramError): boolean => error.genuine && error.code === 409

export const receive = ({ accountId, api, identified, source, state }: PollingOptions) => {
  const classified = Effect.mapError(classify(accountId))
  /** The inbox could not store what came: until it does, reaching Telegram is no good news. */
  let isFull = false
  /** Conflicts in a row, and the time of the last one; `undefined` while there are none. */
  let conflict: { readonly count: number; readonly at: bigint; readonly message: string } | undefined

  const reached = Effect.suspend(() =>
    isFull ? Effect.void : conflict === undefined ? state.connected : state.contested(conflict.message, true)
  )

  const prepare = Effect.gen(function* () {
    const bot = yield* classified(api.call("getMe", {}, Bot))
    identified?.(bot)
    yield* classified(api.call("deleteWebhook", { drop_pending_updates: false }, Schema.Unknown))
    // The menu of commands is a nicety: a bot that cannot set it still works.
    yield* api
      .call("setMyCommands", { commands: chatCommands }, Schema.Unknown)
      .pipe(Effect.catch((error) => Effect.logDebug(`the bot's command menu was not set: ${error.message}`)))
    yield* reached
    yield* Effect.logInfo(`receiving as @${bot.username ?? bot.id}`)
    return bot
  })

  /** What is to be stored of an answer. What is for nobody is told to the log. */
  const sort = Effect.fnUntraced(function* (raw: ReadonlyArray<unknown>, bot: Bot) {
    const own = source ?? String(bot.id)
    const received = raw.map((update) => read(update, bot, accountId))
    const unread: Array<UnreadMessage> = []
    for (const [index, entry] of received.entries()) {
      if ("message" in entry) continue
      const { ignored, lost, updateId } = entry
      const which = updateId === undefined ? "an update" : `update ${updateId}`
      if (!lost) {
        yield* Effect.logDebug(`${which} was passed over: ${ignored}`)
        continue
      }
      yield* Effect.logWarning(`${which} is set aside: ${ignored}`)
      unread.push({
        source: own,
        raw: JSON.stringify(raw[index]),
        reason: ignored,
        ...(updateId === undefined ? undefined : { updateId: String(updateId) })
      })
    }
    return {
      messages: received.flatMap((entry) => ("message" in entry ? [{ ...entry.message, source: own }] : [])),
      unread,
      presses: received.flatMap((entry) => ("press" in entry && entry.press !== undefined ? [entry.press] : [])),
      ids: received.flatMap((entry) => (entry.updateId === undefined ? [] : [entry.updateId]))
    }
  })

  /**
   * Another program polls with this token, so that each ends the other's polls. Whoever it is may stop, so this goes on, a
   * little slower each time.
   */
  const yieldToOther = Effect.fnUntraced(function* (error: TelegramError) {
    const isWebhook = /webhook/i.test(error.message)
    const advice = isWebhook
      ? "Another program sets a webhook for this bot"
      : "Another program receives with this bot token"
    const message = `${error.message}. ${advice}: stop it, or give this one a bot of its own.`
    if (conflict === undefined) yield* Effect.logWarning(message)
    const count = (conflict?.count ?? 0) + 1
    conflict = { count, at: yield* Clock.monotonicTimeNanos, message }
    yield* state.contested(message, false)
    const longest = Math.min(30_000, 1_000 * 2 ** Math.min(count, 10))
    yield* Effect.sleep(Math.max(error.retryAfterMs ?? 0, pauseMs + longest * (yield* Random.next)))
    if (isWebhook) {
      yield* classified(api.call("deleteWebhook", { drop_pending_updates: false }, Schema.Unknown))
    }
  })

  const peace = Effect.fnUntraced(function* () {
    if (conflict === undefined) return
    if ((yield* Clock.monotonicTimeNanos) - conflict.at < BigInt(peaceMs) * 1_000_000n) {
      conflict = { ...conflict, count: 0 }
      return
    }
    conflict = undefined
    yield* Effect.logInfo("nobody else receives with this bot token any more")
  })

  /** Ends the little clock on the button; what the press meant is answered in the chat. */
  const acknowledge = (press: string) =>
    api
      .call("answerCallbackQuery", { callback_query_id: press }, Schema.Unknown)
      .pipe(Effect.catchCause((cause) => Effect.logDebug("a press was not acknowledged", cause)))

  /** One poll; returns the next offset. */
  const poll = Effect.fnUntraced(function* (bot: Bot, offset: number | undefined, commit: Commit) {
    const started = yield* Clock.currentTimeMillis
    const answer = yield* Effect.result(
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
    if (answer._tag === "Failure") {
      if (!isConflict(answer.failure)) return yield* classify(accountId)(answer.failure)
      yield* yieldToOther(answer.failure)
      return offset
    }
    const raw = answer.success
    yield* peace()
    const { ids, messages, presses, unread } = yield* sort(raw, bot)
    // Also when there is nothing to store: only who may store may confirm.
    if (raw.length > 0) yield* commit(messages, unread)
    isFull = false
    yield* reached
    if (messages.length > 0) yield* state.received
    for (const press of presses) yield* Effect.forkChild(acknowledge(press))
    if (ids.length === 0 && raw.length > 0) {
      const message = "getUpdates answered with updates that have no id, so they cannot be confirmed"
      return yield* new ChannelInterrupted({ channel: "telegram", accountId, message })
    }
    // After a quiet week ids may start anywhere, so an offset that has nothing left to confirm is not kept.
    const next = nextOffset(ids)
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
    Effect.tapError((error) => {
      if (error._tag === "InboxFailed") isFull = true
      return state.failed(error.message, error._tag === "ChannelUnauthorized")
    }),
    Effect.ensuring(state.stopped)
  )
}
