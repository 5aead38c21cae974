/**
 * Text made safe for a terminal, and JSON as it is printed. Needs nothing: the door answers with it before Effect loads.
 */

const escape = (char: string): string => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`

/** The same as JSON writes it: one escape per UTF-16 unit, so that it still reads back as the character. */
const escapeUnits = (char: string): string => char.split("").map(escape).join("")

// Control and format characters (bidirectional marks among them): a name must not move the cursor or reorder a line.
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu
// A text keeps its lines, its tabs, and the joiners that emoji and many scripts are written with.
const unsafeInText = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** A name or another short text from outside: one line, control characters shown as escapes. */
export const plain = (text: string): string => text.replace(unsafe, escape)

/** A longer text from outside, such as a reply: its lines stay, its control characters are shown as escapes. */
export const lines = (text: string): string => text.replaceAll("\r\n", "\n").replace(unsafeInText, escape)

/** One JSON document. JSON itself lets the upper control characters and bidirectional marks through. */
export const document = (value: unknown, form: "block" | "line" = "block"): string => {
  const text = JSON.stringify(value, null, form === "block" ? 2 : 0) ?? "null"
  return text.replace(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escapeUnits)
}
