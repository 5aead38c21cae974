/**
 * The methods of the Bot API, as far as this server knows them. Each answers its result, or the error that the real one
 * answers with the same text.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import {
  bad,
  checkCaption,
  checkFile,
  checkText,
  find,
  findChat,
  messageOf,
  type Method,
  method,
  Refused,
  shownOf,
  type Upload
} from "./Calls.ts"
import { edits } from "./Edits.ts"
import * as Params from "./Params.ts"
import type { MediaKind, Poller, SentMessage, State } from "./State.ts"
import { topicKey } from "./State.ts"

type Destination = Omit<Params.SendMessage, "text">

const checkDestination = Effect.fnUntraced(function* (state: State, params: Destination) {
  const chat = yield* findChat(state, params.chat_id)
  const thread = params.message_thread_id
  if (thread !== undefined && !state.topics.has(topicKey(chat.id, thread)))
    return yield* bad("message thread not found")
  const reply = params.reply_parameters
  const known =
    reply !== undefined &&
    (state.received.has(topicKey(chat.id, reply.message_id)) || find(state, chat.id, reply.message_id) !== undefined)
  if (reply !== undefined && !known && reply.allow_sending_without_reply !== true) {
    return yield* bad("message to be replied not found")
  }
  return { chat, thread, replyTo: known ? reply.message_id : undefined }
})

const record = Effect.fnUntraced(function* (
  state: State,
  params: Destination,
  content: Pick<SentMessage, "text" | "raw" | "entities" | "kind" | "fileName" | "fileBytes">
) {
  const { chat, replyTo, thread } = yield* checkDestination(state, params)
  const at = yield* Clock.currentTimeMillis
  const sent: SentMessage = {
    ...content,
    messageId: state.takeMessageId(),
    chatId: chat.id,
    ...(thread === undefined ? undefined : { threadId: thread }),
    ...(replyTo === undefined ? undefined : { replyTo }),
    ...(params.parse_mode === undefined ? undefined : { parseMode: params.parse_mode }),
    silent: params.disable_notification === true,
    edits: 0,
    history: [shownOf(content, at)],
    at
  }
  state.sent.push(sent)
  state.notify()
  return messageOf(state, sent)
})

const sendMessage = method(
  Params.SendMessage,
  Effect.fnUntraced(function* (state: State, params: Params.SendMessage) {
    yield* findChat(state, params.chat_id)
    const content = yield* checkText(params.text, params.parse_mode)
    return yield* record(state, params, { ...content, kind: "text" })
  })
)

const sendFile = (kind: MediaKind) =>
  method(
    Params.SendFile,
    Effect.fnUntraced(function* (
      state: State,
      params: typeof Params.SendFile.Type,
      uploads: ReadonlyArray<Upload>
    ): Effect.fn.Return<unknown, Refused> {
      const upload = uploads.find((candidate) => candidate.field === kind)
      const reference = params[kind]
      if (upload !== undefined) yield* checkFile(kind, upload)
      if (upload === undefined && reference === undefined) return yield* bad(`there is no ${kind} in the request`)
      if (upload === undefined && !state.files.has(reference!)) {
        return yield* bad("wrong file identifier/HTTP URL specified")
      }
      const content = yield* checkCaption(params.caption, params.parse_mode)
      return yield* record(state, params, {
        ...content,
        kind,
        ...(upload === undefined ? undefined : { fileName: upload.name, fileBytes: upload.bytes.length })
      })
    })
  )

const downloadLimit = 20 * 1024 * 1024

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
  sendvideo: sendFile("video"),
  sendaudio: sendFile("audio"),
  sendanimation: sendFile("animation"),
  ...edits,
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
