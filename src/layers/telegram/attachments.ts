/**
 * What was attached to a message, in plain words: the files themselves are not fetched.
 */
import type { File, Message } from "./Types.ts"

/** Names are chosen by whoever sent them: on one line, without brackets, and not long. */
const quiet = (text: string, limit = 120): string => {
  const line = text
    .toWellFormed()
    .replace(/[\p{C}\p{Zl}\p{Zp}[\]"]/gu, " ")
    .replace(/\s+/g, " ")
    .trim()
  return line.length > limit ? `${line.slice(0, limit).toWellFormed()}…` : line
}

const size = (bytes: number): string =>
  bytes < 1_024
    ? `${bytes} bytes`
    : bytes < 1_048_576
      ? `${Math.round(bytes / 1_024)} KB`
      : `${(bytes / 1_048_576).toFixed(1)} MB`

const file = (kind: string, details: File): string =>
  [
    details.file_name === undefined ? kind : `${kind} "${quiet(details.file_name)}"`,
    details.mime_type === undefined ? undefined : quiet(details.mime_type, 60),
    details.duration === undefined ? undefined : `${details.duration} s`,
    details.file_size === undefined ? undefined : size(details.file_size)
  ]
    .filter((part) => part !== undefined)
    .join(", ")

const named = (kind: string, ...texts: ReadonlyArray<string | undefined>): string =>
  [kind, ...texts.flatMap((text) => (text === undefined || text === "" ? [] : [quiet(text)]))].join(" ")

const titled = (kind: string, title: string | undefined): string =>
  title === undefined ? kind : `${kind} "${quiet(title)}"`

const describe = (message: Message): string | undefined => {
  if (message.photo !== undefined) return "photo"
  // Telegram repeats an animation as a document.
  if (message.animation !== undefined) return file("animation", message.animation)
  if (message.document !== undefined) return file("document", message.document)
  if (message.audio !== undefined) return file("audio", message.audio)
  if (message.video !== undefined) return file("video", message.video)
  if (message.voice !== undefined) return file("voice message", message.voice)
  if (message.video_note !== undefined) return file("video message", message.video_note)
  if (message.sticker !== undefined) return named("sticker", message.sticker.emoji)
  if (message.venue !== undefined) {
    const { address, title } = message.venue
    return [titled("venue", title), ...(address === undefined ? [] : [quiet(address)])].join(", ")
  }
  if (message.location !== undefined) return `location ${message.location.latitude}, ${message.location.longitude}`
  if (message.contact !== undefined) {
    const { first_name, phone_number } = message.contact
    const parts = [first_name, phone_number].flatMap((part) => (part === undefined ? [] : [quiet(part, 60)]))
    return `contact ${parts.join(", ")}`.trim()
  }
  if (message.poll !== undefined) return titled("poll", message.poll.question)
  if (message.dice !== undefined) return named("dice", message.dice.emoji, message.dice.value?.toString())
  if (message.paid_media !== undefined) return "paid media"
  if (message.story !== undefined) return "story"
  if (message.checklist !== undefined) return titled("checklist", message.checklist.title)
  if (message.game !== undefined) return titled("game", message.game.title)
  return undefined
}

/** A line such as `[attached: photo]`; `undefined` when nothing is attached. */
export const attachmentNote = (message: Message): string | undefined => {
  const what = describe(message)
  return what === undefined ? undefined : `[attached: ${what}]`
}
