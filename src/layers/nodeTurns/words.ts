/**
 * What of a transcript is the user's: cleaned, and without the word that woke the device.
 */

/** Marks that change how a text reads and that nobody speaks; lines and tabs stay. */
const unspoken = /[\p{Cc}\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF]/gu

export const cleaned = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll(/\r\n?|[\u2028\u2029]/g, "\n")
    .replaceAll(unspoken, (mark) => (mark === "\n" || mark === "\t" ? mark : ""))
    .trim()

/** Letters, with the marks that belong to them, and digits are what is heard of a word. */
const heard = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}]+/gu, " ")
    .trim()

/** What sets a call off from what follows it. */
const pause = /^\s*[,.:;!?…–—-]+\s*/u

/** How much of the beginning is this word; 0 when it does not begin so. */
const lengthOf = (text: string, trigger: string): number => {
  const wanted = heard(trigger)
  if (wanted === "") return 0
  const words = [...text.matchAll(/[\p{L}\p{M}\p{N}]+/gu)]
  let said = ""
  for (const word of words) {
    said = said === "" ? heard(word[0]) : `${said} ${heard(word[0])}`
    if (said === wanted) return word.index + word[0].length
    if (!wanted.startsWith(said)) return 0
  }
  return 0
}

/**
 * The text without the wake word at its beginning. OpenClaw's apps take it away themselves; for one that does not it goes where
 * the device says that this word woke it, or where a pause sets it off: "computer science" is about something.
 */
export const withoutTrigger = (text: string, triggers: ReadonlyArray<string>, woke?: string): string => {
  const named = woke === undefined ? 0 : lengthOf(text, woke)
  const longest = Math.max(0, ...triggers.map((trigger) => lengthOf(text, trigger)))
  const length = named > 0 ? named : longest
  if (length === 0) return text
  const rest = text.slice(length)
  if (named === 0 && rest.trim() !== "" && !pause.test(rest)) return text
  return rest.replace(pause, "").trim()
}
