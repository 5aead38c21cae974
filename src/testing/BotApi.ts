/**
 * A Bot API server on loopback with the real one's semantics, for tests and for the demo: updates wait until an offset
 * confirms them, a second poller ends the first with 409, wrong HTML is refused, a wrong token is 401.
 *
 * What it does not have: webhooks are remembered but not called, `parse_mode` is HTML or none, there are no rate limits
 * other than the ones that `fault` asks for.
 */
import * as Http from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import type { ServeError } from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import { type Fault, socket } from "./bot-api/Faults.ts"
import { app } from "./bot-api/Http.ts"
import * as Journal from "./bot-api/Journal.ts"
import * as Memory from "./bot-api/memory.ts"
import { stillWaiting } from "./stillWaiting.ts"
import type { UserText } from "./bot-api/People.ts"
import * as People from "./bot-api/People.ts"
import type { BotChat, BotUser, Call, ChatAction, Json, SentMessage } from "./bot-api/State.ts"
import { State, topicKey } from "./bot-api/State.ts"

export type {
  BotChat,
  BotUser,
  Call,
  ChatAction,
  Entity,
  Json,
  MediaKind,
  SentMessage,
  Shown
} from "./bot-api/State.ts"
export type { Person, UserText } from "./bot-api/People.ts"
export type { Fault } from "./bot-api/Faults.ts"

/** A running server. Ids are Telegram's, times Unix milliseconds. */
export interface BotApiServer {
  /** Goes into `channels.telegram.apiRoot`. */
  readonly url: string
  readonly token: string
  readonly bot: BotUser
  /** A person writes to the bot. */
  readonly sendText: (message: UserText) => Effect.Effect<{
    readonly updateId: number
    readonly messageId: number
    readonly chatId: number
  }>
  /** Queues any update; `update_id` is added when missing. Returns it. */
  readonly sendUpdate: (update: Json) => Effect.Effect<number>
  /** What people see of the bot, in its present state. */
  readonly sent: Effect.Effect<ReadonlyArray<SentMessage>>
  /** Everything the bot sent so far, with what was taken away since; the history of each tells what it showed when. */
  readonly record: Effect.Effect<ReadonlyArray<SentMessage>>
  /** Waits for a message of the bot, to its end unless `previews`. `after` is a message id. */
  readonly awaitReply: (options?: {
    readonly chatId?: number
    readonly after?: number
    readonly matching?: (message: SentMessage) => boolean
    /** A message that is only announced yet counts as well. */
    readonly previews?: boolean
  }) => Effect.Effect<SentMessage>
  /** A person takes a message of the bot away. */
  readonly deleteMessage: (chatId: number, messageId: number) => Effect.Effect<void>
  readonly actions: Effect.Effect<ReadonlyArray<ChatAction>>
  /** Waits until so many chat actions were shown. */
  readonly awaitActions: (count: number) => Effect.Effect<ReadonlyArray<ChatAction>>
  /** Every call with a valid token so far. */
  readonly calls: Effect.Effect<ReadonlyArray<Call>>
  /** Waits until a call was made that `matching` accepts. */
  readonly awaitCall: (matching: (call: Call) => boolean, count?: number) => Effect.Effect<void>
  /** Updates that no offset has confirmed yet. */
  readonly pendingCount: Effect.Effect<number>
  /** Waits until every update is confirmed. */
  readonly awaitConfirmed: Effect.Effect<void>
  /** Waits until the bot waits in `getUpdates`. */
  readonly awaitPolling: Effect.Effect<void>
  /** What happens to the next calls, instead of an answer. */
  readonly fault: (fault: Fault) => Effect.Effect<void>
  readonly clearFaults: Effect.Effect<void>
  /** From now on this token is the right one. */
  readonly setToken: (token: string) => Effect.Effect<void>
  /** The id that the next update gets. */
  readonly setNextUpdateId: (id: number) => Effect.Effect<void>
  /** Makes a chat known, as if somebody had written in it. */
  readonly addChat: (chat: BotChat, topics?: ReadonlyArray<number>) => Effect.Effect<void>
  /** A group becomes a supergroup: from now on the old id is refused, and the refusal names the new one. */
  readonly migrate: (from: number, to: number) => Effect.Effect<void>
  /** The person blocks the bot: 403. */
  readonly block: (chatId: number) => Effect.Effect<void>
  /** Stores a file for `getFile`; returns its `file_id`. */
  readonly addFile: (bytes: Uint8Array, path?: string) => Effect.Effect<string>
  readonly commands: Effect.Effect<ReadonlyArray<unknown>>
  readonly setWebhook: (url: string) => Effect.Effect<void>
}

export interface BotApiOptions {
  /** TCP port on 127.0.0.1; a free one when left out. */
  readonly port?: number
  readonly token?: string
  readonly bot?: Partial<Omit<BotUser, "is_bot">>
  /** Absolute path of a file that keeps everything, so that a server that is killed goes on where it was; see `Journal`. */
  readonly journal?: string
}

const TOKEN = "424242:AAtesting-token_of_the_bot_api_server"
/** No address of any network: what asks there by another way than `route` gets no further than the name. */
const IN_MEMORY = "http://bot-api.invalid"

export class BotApi extends Context.Service<BotApi, BotApiServer>()("openclaw/testing/BotApi") {}

/** A message that is only announced: its text ends in the mark of what is not complete, and nothing came after it. */
export const isPreview = (message: SentMessage): boolean => message.edits === 0 && message.text.endsWith(" …")

const shown = ({ chatId, text }: SentMessage) => `to ${chatId}: ${JSON.stringify(text.slice(0, 80))}`

const stillWaits = (state: State, forWhat: string): string =>
  [
    `BotApi still waits for ${forWhat}. The bot sent ${state.sent.length === 0 ? "nothing" : state.sent.slice(-5).map(shown).join("; ")}.`,
    `${state.pending.length} updates are not confirmed; ${state.poller === undefined ? "no bot is polling" : "the bot is polling"}.`,
    `Calls: ${
      state.calls
        .map(({ method }) => method)
        .slice(-8)
        .join(", ") || "none"
    }.`
  ].join(" ")

const control = (state: State, url: string): BotApiServer => {
  /** Waits, and after a while says for what. */
  const until = <A>(look: () => A | undefined, forWhat: string) =>
    state.until(look).pipe(stillWaiting(Effect.sync(() => stillWaits(state, forWhat))))
  const change = <A>(f: () => A) =>
    Effect.sync(() => {
      const result = f()
      state.notify()
      return result
    })
  return {
    url,
    token: state.token,
    bot: state.bot,
    sendText: Effect.fn("BotApi.sendText")(function* (text) {
      const at = yield* Clock.currentTimeMillis
      state.journal?.({ at, text })
      return People.write(state, text, at)
    }),
    sendUpdate: Effect.fn("BotApi.sendUpdate")(function* (update) {
      state.journal?.({ at: yield* Clock.currentTimeMillis, update })
      return state.push(update)
    }),
    sent: Effect.sync(() => state.sent.filter((message) => message.deleted !== true)),
    record: Effect.sync(() => [...state.sent]),
    awaitReply: (options) =>
      until(
        () =>
          state.sent.find(
            (message) =>
              (options?.chatId === undefined || message.chatId === options.chatId) &&
              (options?.after === undefined || message.messageId > options.after) &&
              message.deleted !== true &&
              (options?.previews === true || !isPreview(message)) &&
              (options?.matching === undefined || options.matching(message))
          ),
        "a message of the bot"
      ),
    deleteMessage: (chatId, messageId) =>
      change(() => {
        const index = state.sent.findIndex((each) => each.chatId === chatId && each.messageId === messageId)
        const message = state.sent[index]
        if (message !== undefined) state.sent[index] = { ...message, deleted: true }
      }),
    actions: Effect.sync(() => [...state.actions]),
    awaitActions: (count) =>
      until(() => (state.actions.length >= count ? [...state.actions] : undefined), `${count} chat actions`),
    calls: Effect.sync(() => [...state.calls]),
    awaitCall: (matching, count = 1) =>
      Effect.asVoid(
        until(
          () => (state.calls.filter(matching).length >= count ? true : undefined),
          count === 1 ? "a call that fits" : `${count} calls that fit`
        )
      ),
    pendingCount: Effect.sync(() => state.pending.length),
    awaitConfirmed: Effect.asVoid(
      until(() => (state.pending.length === 0 ? true : undefined), "every update to be confirmed")
    ),
    awaitPolling: Effect.asVoid(until(() => (state.poller === undefined ? undefined : true), "the bot to poll")),
    fault: (fault) => change(() => void state.faults.push({ ...fault })),
    clearFaults: change(() => void state.faults.splice(0)),
    setToken: (token) => change(() => void (state.token = token)),
    setNextUpdateId: (id) => change(() => void (state.nextUpdateId = id)),
    addChat: (chat, topics = []) =>
      change(() => {
        state.chats.set(chat.id, chat)
        for (const topic of topics) state.topics.add(topicKey(chat.id, topic))
      }),
    migrate: (from, to) =>
      change(() => {
        const before = state.chats.get(from)
        state.chats.set(to, { ...before, id: to, type: "supergroup" })
        state.migrated.set(from, to)
      }),
    block: (chatId) => change(() => void state.blocked.add(chatId)),
    addFile: (bytes, path) =>
      change(() => {
        const id = `file${state.nextFileId++}`
        state.files.set(id, { path: path ?? `documents/${id}`, bytes })
        return id
      }),
    commands: Effect.sync(() => state.commands),
    setWebhook: (webhook) => change(() => void (state.webhookUrl = webhook))
  }
}

const stateOf = ({ bot, token = TOKEN }: BotApiOptions): State =>
  new State(token, {
    id: Number(token.split(":", 1)[0]),
    first_name: "Test Bot",
    username: "test_claw_bot",
    ...bot,
    is_bot: true
  })

/** A Bot API of this process, and the way to it. */
export interface InMemoryBotApi extends BotApiServer {
  /** Answers requests to `url` here and now, without a socket; all others go to the given client. */
  readonly route: (otherwise: HttpClient.HttpClient) => HttpClient.HttpClient
}

/**
 * The same without a socket, on the clock of the test: long polls end when `TestClock` says so.
 *
 * **When to use**
 *
 * `GatewayTest.layer` has one already. By itself it is for the test of something else that speaks with Telegram through an
 * `HttpClient`.
 */
export const memory = (options: Omit<BotApiOptions, "journal" | "port"> = {}): Effect.Effect<InMemoryBotApi> =>
  Effect.sync(() => {
    const state = stateOf(options)
    return { ...control(state, IN_MEMORY), route: (otherwise) => Memory.route(state, IN_MEMORY, otherwise) }
  })

/** Serves until the scope closes. A small program that only calls this is a Bot API server of its own. */
export const serve = Effect.fn("BotApi.serve")(function* (
  options: BotApiOptions = {}
): Effect.fn.Return<BotApiServer, ServeError, Scope.Scope> {
  const state = stateOf(options)
  if (options.journal !== undefined) state.journal = yield* Journal.open(options.journal, state)
  const node = Http.createServer()
  const server = yield* NodeHttpServer.make(() => node, {
    host: "127.0.0.1",
    port: options.port ?? 0,
    gracefulShutdownTimeout: 0
  })
  yield* server.serve(app(state, socket)).pipe(Effect.provideService(HttpMiddleware.TracerDisabledWhen, () => true))
  // A long poll whose client went away and idle connections would hold the close back.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      if (state.poller !== undefined) state.poller.terminated = true
      state.notify()
      node.closeAllConnections()
    })
  )
  return control(state, NetAddress.formatUrlUnsafe(server.address))
})

export const layer = (options: BotApiOptions = {}): Layer.Layer<BotApi, ServeError> =>
  Layer.effect(BotApi, serve(options))
