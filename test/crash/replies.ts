/**
 * What a chat showed, read as replies: which message has its complete reply, which has it twice, in which order they came,
 * and what stayed half said.
 */
import type { SentMessage } from "../../src/testing/BotApi.ts"
import { type Kind, lengthOf, type Piece, readPiece } from "./script.ts"

/** A message of the play that the Bot API took in. */
export interface Asked {
  readonly id: number
  readonly kind: Kind
  readonly chatId: number
  readonly messageId: number
  /** Unix milliseconds. */
  readonly at: number
}

/** How a message was answered. */
export interface Reply {
  /** `answer` is what the script says, `notice` a text of the Gateway's own in its place. */
  readonly as: "answer" | "notice"
  readonly messageIds: ReadonlyArray<number>
  readonly told: Piece["told"]
  readonly notice?: string
  /** Unix milliseconds when its last part was shown. */
  readonly at: number
}

/** A complete text that was shown more than once, or that belongs to no message. */
export interface Surplus {
  readonly id: number | undefined
  readonly messageId: number
  readonly text: string
  /** Unix milliseconds. */
  readonly at: number
}

export interface ChatReading {
  readonly replies: ReadonlyMap<number, Reply>
  readonly doubled: ReadonlyArray<Surplus>
  /** Ids whose reply came before that of an earlier message, or whose parts are not in order. */
  readonly disordered: ReadonlyArray<number>
  /** Messages that still show a preview. */
  readonly orphans: ReadonlyArray<Surplus>
}

const previewMark = "…"
const isPreview = (text: string) => text.trimEnd().endsWith(previewMark)

interface Shown {
  readonly messageId: number
  readonly piece: Piece
  readonly at: number
}

/** Complete pieces that a message ever showed; each counts once. */
const piecesOf = (message: SentMessage, kindOf: (id: number) => Kind | undefined): ReadonlyArray<Shown> => {
  const seen = new Map<string, Shown>()
  for (const { at, text } of message.history) {
    if (isPreview(text)) continue
    const piece = readPiece(text, kindOf)
    if (piece !== undefined) {
      const key = `${piece.id}:${piece.from}:${piece.to}`
      if (!seen.has(key)) seen.set(key, { messageId: message.messageId, piece, at })
    }
  }
  return [...seen.values()]
}

/** Pieces in the order of their messages make up the whole, each begins where the last ended. */
const covers = (pieces: ReadonlyArray<Shown>, length: number): boolean => {
  let next = 0
  for (const { piece } of pieces) if (piece.from === next) next = piece.to
  return next === length
}

/**
 * Reads one chat. `asked` in the order of arrival, `sent` the bot's messages in it, which may answer others as well:
 * `kindOf` knows them all.
 */
export const readChat = (
  asked: ReadonlyArray<Asked>,
  sent: ReadonlyArray<SentMessage>,
  kindOf: (id: number) => Kind | undefined
): ChatReading => {
  const pieces = new Map<number, Array<Shown>>()
  const notices: Array<Surplus> = []
  const orphans: Array<Surplus> = []
  const doubled: Array<Surplus> = []
  for (const message of [...sent].sort((a, b) => a.messageId - b.messageId)) {
    const last = message.history.at(-1)
    const surplus = { messageId: message.messageId, text: message.text, at: last?.at ?? message.at }
    const shown = piecesOf(message, kindOf)
    for (const each of shown) {
      const { piece } = each
      const known = pieces.get(piece.id) ?? []
      pieces.set(piece.id, known)
      const again = known.some((other) => other.piece.from < piece.to && piece.from < other.piece.to)
      if (again) doubled.push({ ...surplus, id: piece.id })
      else known.push(each)
    }
    if (isPreview(message.text)) {
      orphans.push({ ...surplus, id: readPiece(message.text.replace(/\s*…\s*$/, ""), kindOf)?.id })
    } else if (shown.length === 0) notices.push({ ...surplus, id: undefined })
  }

  const replies = new Map<number, Reply>()
  for (const { id, kind } of asked) {
    const own = pieces.get(id)
    if (own === undefined || !covers(own, lengthOf(id, kind))) continue
    replies.set(id, {
      as: "answer",
      messageIds: own.map(({ messageId }) => messageId),
      told: own.flatMap(({ piece }) => piece.told),
      at: Math.max(...own.map(({ at }) => at))
    })
  }
  // A notice stands for the first message before it that has nothing else.
  for (const notice of notices) {
    const owner = asked.find(({ id, messageId }) => messageId < notice.messageId && !pieces.has(id) && !replies.has(id))
    if (owner === undefined) doubled.push(notice)
    else {
      const { at, messageId, text } = notice
      replies.set(owner.id, { as: "notice", messageIds: [messageId], told: [], notice: text, at })
    }
  }

  const disordered: Array<number> = []
  let latest = 0
  for (const { id } of asked) {
    const reply = replies.get(id)
    if (reply === undefined) continue
    const first = Math.min(...reply.messageIds)
    if (first < latest || reply.messageIds.some((each, index) => index > 0 && each < reply.messageIds[index - 1]!)) {
      disordered.push(id)
    }
    latest = Math.max(latest, ...reply.messageIds)
  }
  return { replies, doubled, disordered, orphans }
}
