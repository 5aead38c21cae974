/**
 * Who wrote a message, as a model reads it: one line in front of the text. The name is quoted, so that it stays on that
 * line and cannot pass for anything else.
 */
export interface Speaker {
  /** The channel's immutable id. */
  readonly id: string
  /** Chosen by the person; proves nothing. */
  readonly displayName?: string | undefined
}

/** One line, whatever is in it. */
export const quoted = (text: string): string =>
  // JSON leaves these two line ends as they are.
  JSON.stringify(text.slice(0, 64)).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029")

const line = ({ displayName, id }: Speaker): string =>
  displayName === undefined ? `[from id ${quoted(id)}]` : `[from ${quoted(displayName)}, id ${quoted(id)}]`

export const withSpeaker = (speaker: Speaker, text: string): string => `${line(speaker)}\n${text}`

/** The text without such a line. */
export const withoutSpeaker = (text: string): string => text.replace(/^\[from [^\n]*\]\n/, "")
