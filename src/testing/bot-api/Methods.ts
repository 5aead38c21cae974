/**
 * The methods of the Bot API, as far as this server knows them. Each answers its result, or the error that the real one
 * answers with the same text.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Html from "./Html.ts"
import * as Params from "./Params.ts"
import type { Entity, Json, Poller, SentMessage, State } from "./State.ts"
import { topicKey } from "./State.ts"

/** An answer with `ok: false`. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  code: Schema.Int,
  message: Schema.String
}) {}

const bad = (message: string) => new Refused({ code: 400, message: `Bad Request: ${message}` })

/** A file that came with the call. */
export interface Upload {
  readonly field: string
  readonly name: string
  readonly bytes: Uint8Array
}

type Method = (state: State, params: Json, uploads: ReadonlyArray<Upload>) => Effect.Effect<unknown, Refused>

const method = <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S,
  handle: (state: State, params: S["Type"], uploads: ReadonlyArray<Upload>) => Effect.Effect<unknown, Refused>
): Method => {
  const decode = Schema.decodeUnknownEffect(schema)
  return (state, params, uploads) =>
    decode(params).pipe(
      Effect.mapError((error) => bad(error.message.replace(/\s*\n\s*/g, " "))),
      Effect.flatMap((decoded) => handle(state, decoded, uploads))
    )
}

const captionLimit = 1_024
const textLimit = 4_096
const downloadLimit = 20 * 1024 * 1024

const findChat = Effect.fnUntraced(function* (state: State, id: number | string) {
  const chat = state.chats.get(Number(id))
  if (chat === undefined) return yield* bad("chat not found")
  if (state.blocked.has(chat.id)) {
    return yield* new Refused({ code: 403, message: "Forbidden: bot was blocked by the user" })
  }
  return chat
})

type Content = { readonly text: string; readonly entities: ReadonlyArray<Entity> }

const formatted = (text: string, parseMode: string | undefined): Effect.Effect<Content, Refused> => {
  if (parseMode === undefined || parseMode === "") return Effect.succeed({ text: text.trim(), entities: [] })
  if (parseMode.toLowerCase() !== "html") return Effect.fail(bad("unsupported parse_mode"))
  const parsed = Html.parse(text)
  return parsed.ok ? Effect.succeed(parsed) : Effect.fail(new Refused({ code: 400, message: parsed.description }))
}

const messageOf = (state: State, sent: SentMessage): Json => ({
  message_id: sent.messageId,
  from: state.bot,
  chat: state.chats.get(sent.chatId),
  date: Math.floor(sent.at / 1_000),
  ...(sent.threadId === undefined ? undefined : { message_thread_id: sent.threadId, is_topic_message: true }),
  ...(sent.kind === "text"
    ? { text: sent.text, entities: sent.entities }
    : { caption: sent.text, caption_entities: sent.entities })
})

type Destination = Omit<Params.SendMessage, "text">

const checkDestination = Effect.fnUntraced(function* (state: State, params: Destination) {
  const chat = yield* findChat(state, params.chat_id)
  const thread = params.message_thread_id
  if (thread !== undefined && !state.topics.has(topicKey(chat.id, thread)))
    return yield* bad("message thread not found")
  const reply = params.reply_parameters
  const known =
    reply !== undefined &&
    (state.received.has(topicKey(chat.id, reply.message_id)) ||
      state.sent.some((message) => message.chatId === chat.id && message.messageId === reply.message_id))
  if (reply !== undefined && !known && reply.allow_sending_without_reply !== true) {
    return yield* bad("message to be replied not found")
  }
  return { chat, thread, replyTo: known ? reply.message_id : undefined }
})

const record = Effect.fnUntraced(function* (
  state: State,
  params: Destination,
  content: Pick<SentMessage, "text" | "raw" | "entities" | "kind"> & { readonly fileName?: string }
) {
  const { chat, replyTo, thread } = yield* checkDestination(state, params)
  const sent: SentMessage = {
    ...content,
    messageId: state.takeMessageId(),
    chatId: chat.id,
    ...(thread === undefined ? undefined : { threadId: thread }),
    ...(replyTo === undefined ? undefined : { replyTo }),
    ...(params.parse_mode === undefined ? undefined : { parseMode: params.parse_mode }),
    silent: params.disable_notification === true,
    edits: 0,
    at: yield* Clock.currentTimeMillis
  }
  state.sent.push(sent)
  state.notify()
  return messageOf(state, sent)
})

const checkText = Effect.fnUntraced(function* (raw: string | undefined, parseMode: string | undefined) {
  if (raw === undefined) return yield* bad("message text is empty")
  const content = yield* formatted(raw, parseMode)
  if (content.text === "") return yield* bad("message text is empty")
  if (content.text.length > textLimit) return yield* bad("message is too long")
  return { text: content.text, entities: content.entities, raw }
})

const sendMessage = method(
  Params.SendMessage,
  Effect.fnUntraced(function* (state: State, params: Params.SendMessage) {
    yield* findChat(state, params.chat_id)
    const content = yield* checkText(params.text, params.parse_mode)
    return yield* record(state, params, { ...content, kind: "text" })
  })
)

const sendFile = (kind: "photo" | "document") =>
  method(
    Params.SendFile,
    Effect.fnUntraced(function* (
      state: State,
      params: typeof Params.SendFile.Type,
      uploads: ReadonlyArray<Upload>
    ): Effect.fn.Return<unknown, Refused> {
      const upload = uploads.find((candidate) => candidate.field === kind)
      const reference = params[kind]
      if (upload === undefined && reference === undefined) return yield* bad(`there is no ${kind} in the request`)
      if (upload === undefined && !state.files.has(reference!)) {
        return yield* bad("wrong file identifier/HTTP URL specified")
      }
      const raw = params.caption ?? ""
      const content = yield* formatted(raw, params.parse_mode)
      if (content.text.length > captionLimit) return yield* bad("message caption is too long")
      return yield* record(state, params, {
        text: content.text,
        entities: content.entities,
        raw,
        kind,
        ...(upload === undefined ? undefined : { fileName: upload.name })
      })
    })
  )

const editMessageText = method(
  Params.EditMessageText,
  Effect.fnUntraced(function* (state: State, params: typeof Params.EditMessageText.Type) {
    const chat = yield* findChat(state, params.chat_id)
    const index = state.sent.findIndex(
      (message) => message.chatId === chat.id && message.messageId === params.message_id
    )
    const before = state.sent[index]
    if (before === undefined) return yield* bad("message to edit not found")
    const content = yield* checkText(params.text, params.parse_mode)
    if (content.text === before.text && JSON.stringify(content.entities) === JSON.stringify(before.entities)) {
      return yield* bad(
        "message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message"
      )
    }
    const after: SentMessage = { ...before, ...content, edits: before.edits + 1 }
    state.sent[index] = after
    state.notify()
    return messageOf(state, after)
  })
)

const conflict = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
const webhookActive =
  "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"

const getUpdates = method(
  Params.GetUpdates,
  Effect.fnUntraced(function* (state: State, params: typeof Params.GetUpdates.Type) {
    if (state.webhookUrl !== "") return yield* new Refused({ code: 409, message: webhookActive })
    if (params.allowed_updates !== undefined) state.allowedUpdates = params.allowed_updates
    if (state.poller !== undefined) state.poller.terminated = true
    const poller: Poller = { terminated: false }
    state.poller = poller
    state.notify()
    state.confirm(params.offset ?? 0)
    const limit = Math.min(100, Math.max(1, params.limit ?? 100))
    const look = () =>
      poller.terminated ? "terminated" : state.pending.length > 0 ? state.pending.slice(0, limit) : undefined
    const seconds = Math.min(50, Math.max(0, params.timeout ?? 0))
    const found = yield* state.until(look).pipe(
      Effect.timeoutOption(Duration.seconds(seconds)),
      Effect.ensuring(
        Effect.sync(() => {
          if (state.poller === poller) state.poller = undefined
        })
      )
    )
    // A timeout of zero must still see what is there already.
    const answer = Option.isSome(found) ? found.value : (look() ?? [])
    if (answer === "terminated") return yield* new Refused({ code: 409, message: conflict })
    return answer
  })
)

const sendChatAction = method(
  Params.SendChatAction,
  Effect.fnUntraced(function* (state: State, params: typeof Params.SendChatAction.Type) {
    const chat = yield* findChat(state, params.chat_id)
    state.actions.push({
      chatId: chat.id,
      action: params.action,
      ...(params.message_thread_id === undefined ? undefined : { threadId: params.message_thread_id }),
      at: yield* Clock.currentTimeMillis
    })
    state.notify()
    return true
  })
)

const change = (f: () => void) => Effect.as(Effect.sync(f), true)

const getFile = method(
  Params.GetFile,
  Effect.fnUntraced(function* (state: State, params: typeof Params.GetFile.Type) {
    const file = state.files.get(params.file_id)
    if (file === undefined) return yield* bad("wrong file_id or the file is temporarily unavailable")
    if (file.bytes.length > downloadLimit) return yield* bad("file is too big")
    return {
      file_id: params.file_id,
      file_unique_id: `u${params.file_id}`,
      file_size: file.bytes.length,
      file_path: file.path
    }
  })
)

/** By name in lower case: the Bot API does not care about case. */
export const methods: Readonly<Record<string, Method>> = {
  getme: (state) =>
    Effect.succeed({
      ...state.bot,
      can_join_groups: true,
      can_read_all_group_messages: false,
      supports_inline_queries: false
    }),
  getupdates: getUpdates,
  sendmessage: sendMessage,
  sendphoto: sendFile("photo"),
  senddocument: sendFile("document"),
  editmessagetext: editMessageText,
  sendchataction: sendChatAction,
  getfile: getFile,
  answercallbackquery: () => Effect.succeed(true),
  getwebhookinfo: (state) =>
    Effect.succeed({
      url: state.webhookUrl,
      has_custom_certificate: false,
      pending_update_count: state.pending.length
    }),
  setwebhook: method(Params.SetWebhook, (state, params) => change(() => (state.webhookUrl = params.url))),
  deletewebhook: method(Params.DeleteWebhook, (state, params) =>
    change(() => {
      state.webhookUrl = ""
      if (params.drop_pending_updates === true) state.pending = []
    })
  ),
  setmycommands: method(Params.SetMyCommands, (state, params) => change(() => (state.commands = params.commands))),
  deletemycommands: (state) => change(() => (state.commands = []))
}
