import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { TelegramAccount } from "../../src/layers/telegram/Account.ts"
import * as TelegramChannel from "../../src/layers/telegram/TelegramChannel.ts"
import {
  InboxFailed,
  type InboundMessage,
  type OutboundMessage,
  type UnreadMessage
} from "../../src/services/Channel.ts"
import * as BotApi from "../../src/testing/BotApi.ts"

export const clients = {
  undici: NodeHttpClient.layerUndici,
  "node:http": NodeHttpClient.layerNodeHttp,
  fetch: NodeHttpClient.layerFetch
} as const

export const accountOf = (
  bot: Pick<BotApi.BotApiServer, "url" | "token">,
  changes: Partial<TelegramAccount> = {}
): TelegramAccount => ({
  accountId: "default",
  apiRoot: bot.url,
  token: Redacted.make(bot.token),
  tokenSource: "config",
  ...changes
})

/** A Bot API server with a channel that talks to it. */
export const connect = Effect.fnUntraced(function* (changes: Partial<TelegramAccount> = {}) {
  const bot = yield* BotApi.serve()
  const channel = yield* TelegramChannel.make(accountOf(bot, changes))
  return { bot, channel }
})

/** A `commit` that remembers each update once; while `broken` it stores nothing and fails. */
export const makeInbox = () => {
  const stored: Array<InboundMessage> = []
  const unread: Array<UnreadMessage> = []
  let arrived = Deferred.makeUnsafe<void>()
  const inbox = {
    stored,
    unread,
    broken: false,
    attempts: 0,
    commit: (messages: ReadonlyArray<InboundMessage>, others: ReadonlyArray<UnreadMessage> = []) =>
      Effect.suspend(() => {
        inbox.attempts += 1
        if (inbox.broken) return Effect.fail(new InboxFailed({ message: "disk full" }))
        stored.push(...messages.filter((message) => !stored.some((each) => each.updateId === message.updateId)))
        unread.push(...others.filter((other) => !unread.some((each) => each.raw === other.raw)))
        const before = arrived
        arrived = Deferred.makeUnsafe<void>()
        Deferred.doneUnsafe(before, Effect.void)
        return Effect.void
      }),
    /** Waits until so many messages are stored. */
    has: (count: number): Effect.Effect<ReadonlyArray<InboundMessage>> =>
      Effect.suspend(() =>
        stored.length >= count
          ? Effect.succeed(stored)
          : Effect.flatMap(Deferred.await(arrived), () => inbox.has(count))
      )
  }
  return inbox
}

export const direct = (
  chatId: number | string,
  text: string,
  more: Partial<OutboundMessage> = {}
): OutboundMessage => ({
  peer: { channel: "telegram", accountId: "default", chatId: String(chatId), chatType: "direct" },
  text,
  ...more
})

export const ada = { id: 1001, firstName: "Ada", username: "ada" }
