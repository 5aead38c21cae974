/**
 * Whether a bot token works, and what Telegram says of the bot. Nothing is received and nothing is changed.
 */
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Api from "../telegram/Api.ts"
import { Bot } from "../telegram/Types.ts"
import { hostOf } from "./reach.ts"

/** The token does not work, or Telegram cannot be asked. No part of it holds the token. */
export class BotCheckFailed extends Schema.TaggedError<BotCheckFailed>()("BotCheckFailed", {
  kind: Schema.Literals(["token", "unreachable", "refused"]),
  detail: Schema.String,
  fix: Schema.String
}) {
  override get message() {
    return `${this.detail}.\nFix: ${this.fix}.`
  }
}

export interface BotSeen {
  readonly id: number
  readonly username: string | undefined
  readonly name: string | undefined
  /** Whether it sees all messages of groups, and not only those to itself. */
  readonly readsGroups: boolean | undefined
  /** The host that messages are sent to instead of being fetched. A Gateway takes that back when it starts. */
  readonly webhookHost: string | undefined
  /** Messages that wait to be fetched. */
  readonly waiting: number
}

const Webhook = Schema.Struct({
  url: Schema.optional(Schema.String),
  pending_update_count: Schema.optional(Schema.Int)
})

/** What a token looks like: the bot's number, a colon, a secret. */
const TOKEN = /^\d{5,20}:[A-Za-z0-9_-]{20,}$/

/** Why a text is no bot token; `undefined` when it looks like one. */
export const tokenProblem = (text: string): string | undefined =>
  TOKEN.test(text)
    ? undefined
    : "this does not look like a bot token; @BotFather shows one such as 123456789:AAF… after /newbot"

const explain = (error: Api.TelegramError, apiRoot: string): BotCheckFailed => {
  if (Api.isTokenRefused(error)) {
    return new BotCheckFailed({
      kind: "token",
      detail: `Telegram does not know this bot token (${error.code ?? 401})`,
      fix: "copy the token again from @BotFather (/mybots, the bot, API Token); one that was revoked never works again"
    })
  }
  if (error.genuine) {
    return new BotCheckFailed({ kind: "refused", detail: error.message, fix: "try again in a moment" })
  }
  return new BotCheckFailed({
    kind: "unreachable",
    detail: `${error.message} at ${hostOf(apiRoot)}`,
    fix: "check that this machine reaches the internet, and channels.telegram.apiRoot where it is set"
  })
}

export interface BotOptions {
  readonly apiRoot?: string | undefined
  readonly token: Redacted.Redacted
  /** Milliseconds for each of its two requests; 10,000 when left out. */
  readonly timeoutMs?: number | undefined
}

export const checkBot = Effect.fn("Checks.checkBot")(function* (
  options: BotOptions
): Effect.fn.Return<BotSeen, BotCheckFailed, HttpClient.HttpClient> {
  const apiRoot = options.apiRoot ?? Api.defaultApiRoot
  const api = yield* Api.make({ apiRoot, token: options.token, timeoutMs: options.timeoutMs ?? 10_000 })
  const bot = yield* Effect.mapError(api.call("getMe", {}, Bot), (error) => explain(error, apiRoot))
  const webhook = yield* Effect.orElseSucceed(api.call("getWebhookInfo", {}, Webhook), (): typeof Webhook.Type => ({
    url: undefined
  }))
  return {
    id: bot.id,
    username: bot.username,
    name: bot.first_name,
    readsGroups: bot.can_read_all_group_messages,
    webhookHost: (webhook.url ?? "") === "" ? undefined : hostOf(webhook.url ?? ""),
    waiting: webhook.pending_update_count ?? 0
  }
})
