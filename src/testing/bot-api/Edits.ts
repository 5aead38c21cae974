/**
 * The methods that change a message of the bot. What they refuse they refuse with the real server's words, for these words
 * are all that a caller can tell the cases apart by.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { bad, checkCaption, checkFile, checkText, find, findChat, messageOf, method, shownOf } from "./Calls.ts"
import * as Params from "./Params.ts"
import type { SentMessage, State } from "./State.ts"
import { topicKey } from "./State.ts"

const notModified =
  "message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message"

/** The message of the bot that is to be changed. */
const editable = Effect.fnUntraced(function* (state: State, params: typeof Params.EditMessageText.Type) {
  const chat = yield* findChat(state, params.chat_id)
  if (state.received.has(topicKey(chat.id, params.message_id))) return yield* bad("message can't be edited")
  return find(state, chat.id, params.message_id) ?? (yield* bad("message to edit not found"))
})

type Changed = Pick<SentMessage, "kind" | "text" | "entities" | "raw" | "fileName" | "fileBytes" | "parseMode">

const isSame = (before: SentMessage, after: Changed): boolean =>
  before.kind === after.kind &&
  before.text === after.text &&
  JSON.stringify(before.entities) === JSON.stringify(after.entities)

const replace = Effect.fnUntraced(function* (state: State, before: SentMessage, changed: Changed) {
  // What the call does not name is gone from the message, as its formatting and its file.
  const { fileBytes: _bytes, fileName: _name, parseMode: _mode, ...kept } = before
  const after: SentMessage = {
    ...kept,
    ...changed,
    edits: before.edits + 1,
    history: [...before.history, shownOf(changed, yield* Clock.currentTimeMillis)]
  }
  state.sent[state.sent.indexOf(before)] = after
  state.notify()
  return messageOf(state, after)
})

const parseModeOf = (mode: string | undefined) => (mode === undefined ? undefined : { parseMode: mode })

const editMessageText = method(
  Params.EditMessageText,
  Effect.fnUntraced(function* (state: State, params: typeof Params.EditMessageText.Type) {
    const before = yield* editable(state, params)
    if (before.kind !== "text") return yield* bad("there is no text in the message to edit")
    const content = yield* checkText(params.text, params.parse_mode)
    const changed = { kind: "text", ...content, ...parseModeOf(params.parse_mode) } as const
    return isSame(before, changed) ? yield* bad(notModified) : yield* replace(state, before, changed)
  })
)

const editMessageCaption = method(
  Params.EditMessageCaption,
  Effect.fnUntraced(function* (state: State, params: typeof Params.EditMessageCaption.Type) {
    const before = yield* editable(state, params)
    if (before.kind === "text") return yield* bad("there is no caption in the message to edit")
    const content = yield* checkCaption(params.caption, params.parse_mode)
    const changed = { kind: before.kind, ...content, ...parseModeOf(params.parse_mode) }
    return isSame(before, changed)
      ? yield* bad(notModified)
      : yield* replace(state, before, {
          ...changed,
          ...(before.fileName === undefined ? undefined : { fileName: before.fileName }),
          ...(before.fileBytes === undefined ? undefined : { fileBytes: before.fileBytes })
        })
  })
)

/** Any message becomes one with this file, a text message as well. */
const editMessageMedia = method(
  Params.EditMessageMedia,
  Effect.fnUntraced(function* (state: State, params: typeof Params.EditMessageMedia.Type, uploads) {
    const before = yield* editable(state, params)
    const { media } = params
    const field = /^attach:\/\/(.+)$/.exec(media.media)?.[1]
    const upload = uploads.find((candidate) => candidate.field === field)
    if (upload === undefined && !state.files.has(media.media)) {
      return yield* bad("wrong file identifier/HTTP URL specified")
    }
    if (upload !== undefined) yield* checkFile(media.type, upload)
    const content = yield* checkCaption(media.caption, media.parse_mode)
    // A file that is sent anew is another file, whatever is in it.
    return yield* replace(state, before, {
      kind: media.type,
      ...content,
      ...parseModeOf(media.parse_mode),
      ...(upload === undefined ? undefined : { fileName: upload.name, fileBytes: upload.bytes.length })
    })
  })
)

const deleteMessage = method(
  Params.DeleteMessage,
  Effect.fnUntraced(function* (state: State, params: typeof Params.DeleteMessage.Type) {
    const chat = yield* findChat(state, params.chat_id)
    const before = find(state, chat.id, params.message_id) ?? (yield* bad("message to delete not found"))
    state.sent[state.sent.indexOf(before)] = { ...before, deleted: true }
    state.notify()
    return true
  })
)

export const edits = {
  deletemessage: deleteMessage,
  editmessagetext: editMessageText,
  editmessagecaption: editMessageCaption,
  editmessagemedia: editMessageMedia
} as const
