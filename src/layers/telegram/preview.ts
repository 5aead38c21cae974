/**
 * What a message shows before it is complete: the beginning of it, never the whole.
 *
 * A notification shows this text, so it is real words. It goes out before its id is known to be kept; whatever dies in
 * between, what stays in the chat is this and not a complete message.
 */

/** Ends every preview. */
export const previewMark = " …"

/** UTF-16 units of the text itself. */
export const previewLimit = 200

const words = new Intl.Segmenter("und", { granularity: "word" })
const characters = new Intl.Segmenter("und", { granularity: "grapheme" })

/** As many whole characters as fit. */
const upTo = (text: string, limit: number): string => {
  if (text.length <= limit) return text
  let end = 0
  for (const { index, segment } of characters.segment(text.slice(0, 2 * limit))) {
    if (index + segment.length > limit) break
    end = index + segment.length
  }
  // A single character may be longer than all that; then half a one must do, but never half a surrogate pair.
  if (end > 0) return text.slice(0, end)
  const code = text.charCodeAt(limit - 1)
  return text.slice(0, code >= 0xd800 && code <= 0xdbff ? limit - 1 : limit)
}

/** A text without two words, without its end: the last of several pieces, or the last character of what is no single word. */
const heldBack = (text: string, isOneWord: boolean): string => {
  const piece = /\s\S+$/u.exec(text)
  if (piece !== null) return text.slice(0, piece.index)
  const all = isOneWord ? [] : [...characters.segment(text)]
  return all.length < 2 ? text : text.slice(0, all.at(-1)!.index)
}

/** The beginning that ends before the last word that could be shown; all of a single word or character. */
const beginning = (text: string): string => {
  let seen = 0
  let end: number | undefined
  let isOneWord = false
  // What stands behind the limit decides only whether a word that reaches it has ended.
  for (const { index, isWordLike, segment } of words.segment(upTo(text, 2 * previewLimit))) {
    if (index > previewLimit) break
    if (isWordLike !== true) continue
    seen += 1
    if (seen > 1) end = index
    isOneWord = segment.length === text.length
  }
  const shown = upTo(text.slice(0, end), previewLimit)
  return (shown.length === text.length ? heldBack(text, isOneWord) : shown).trimEnd()
}

/** The preview of a text that is shown to people. It is never that text. */
export const previewOf = (text: string): string => {
  const whole = text.trim()
  const preview = beginning(whole) + previewMark
  return preview === whole ? preview + previewMark : preview
}
