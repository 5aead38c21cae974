/**
 * Messages of at most 4,096 UTF-16 units, tags included, from a text of any length.
 */
import { isBlank } from "../../../domain/blank.ts"
import { parseMarkdown } from "./Blocks.ts"
import type { Formatted, Mark } from "./Formatted.ts"
import { toHtml, toPlain } from "./Formatted.ts"

/** Telegram's limit for one message. It counts the text only; counting the tags as well is on the safe side. */
export const messageLimit = 4_096

/** One message: as Telegram's HTML, and as text, which is never longer, for when that is refused. */
export interface Chunk {
  readonly html: string
  readonly plain: string
}

const isHigh = (code: number) => code >= 0xd800 && code <= 0xdbff
const isLow = (code: number) => code >= 0xdc00 && code <= 0xdfff

/** Moves an offset off the middle of a surrogate pair. */
const whole = (text: string, at: number): number =>
  at > 0 && at < text.length && isHigh(text.charCodeAt(at - 1)) && isLow(text.charCodeAt(at)) ? at - 1 : at

/** The last place of a separator within `[from, to]`. */
const lastBefore = (text: string, separator: string, from: number, to: number): number | undefined => {
  const at = text.slice(from, to + 1).lastIndexOf(separator)
  return at < 0 ? undefined : from + at
}

class Splitter {
  private readonly all: Formatted
  private readonly limit: number
  /** The text with those marks only that touch the message being cut. */
  private formatted: Formatted

  constructor(formatted: Formatted, limit: number) {
    this.all = formatted
    this.formatted = formatted
    this.limit = limit
  }

  split(): ReadonlyArray<Chunk> {
    const { text } = this.all
    const chunks: Array<Chunk> = []
    let from = this.skipBlank(0)
    while (from < text.length) {
      const farthest = from + this.limit
      this.formatted = { text, marks: this.all.marks.filter((mark) => mark.start <= farthest && mark.end > from) }
      const to = this.breakPoint(from, this.fit(from))
      if (!isBlank(text.slice(from, to))) {
        chunks.push({ html: toHtml(this.formatted, from, to), plain: toPlain(this.formatted, from, to) })
      }
      from = this.skipBlank(to)
    }
    return chunks
  }

  private fits(from: number, to: number): boolean {
    return toHtml(this.formatted, from, to).length <= this.limit
  }

  /** The farthest end whose message is not too long. */
  private fit(from: number): number {
    const { text } = this.formatted
    const farthest = Math.min(text.length, from + this.limit)
    if (this.fits(from, farthest)) return whole(text, farthest)
    let low = from + 1
    let high = farthest
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.fits(from, middle)) low = middle
      else high = middle - 1
    }
    const end = whole(text, low)
    // A message that can hold nothing else still holds one character, both halves of it.
    return end > from ? end : low + 1
  }

  private around(at: number, kinds: ReadonlyArray<Mark["kind"]>): Mark | undefined {
    return this.formatted.marks.find((mark) => kinds.includes(mark.kind) && mark.start < at && mark.end > at)
  }

  /** Where to end a message that may reach to `end`: between blocks, lines or words rather than inside them. */
  private breakPoint(from: number, end: number): number {
    const { text } = this.formatted
    if (end >= text.length) return end
    const block = this.around(end, ["pre"])
    if (block !== undefined) {
      if (block.start > from && this.fits(block.start, block.end)) return block.start
      const line = lastBefore(text, "\n", Math.max(from, block.start) + 1, end)
      return line ?? end
    }
    const earliest = from + ((end - from) >> 1) + 1
    for (const separator of ["\n\n", "\n", " "]) {
      const at = lastBefore(text, separator, earliest, end)
      if (at !== undefined) return this.outside(from, at, end)
    }
    return this.outside(from, end, end)
  }

  /** Moves a break out of code and links, where that is possible. */
  private outside(from: number, at: number, end: number): number {
    const mark = this.around(at, ["pre", "code", "link"])
    if (mark === undefined) return at
    if (mark.end <= end) return mark.end
    return mark.start > from ? mark.start : at
  }

  /** Between messages white space goes; inside a code block only the line end that was broken at. */
  private skipBlank(at: number): number {
    const { text } = this.formatted
    if (this.around(at, ["pre"]) !== undefined) return text[at] === "\n" ? at + 1 : at
    const starts = new Set(this.all.marks.filter((mark) => mark.kind === "pre").map((mark) => mark.start))
    let next = at
    while (next < text.length && !starts.has(next) && /\s/.test(text[next]!)) next += 1
    return next
  }
}

/** Cuts a formatted text into messages. No message is empty; white space between them is dropped. */
export const split = (formatted: Formatted, limit = messageLimit): ReadonlyArray<Chunk> =>
  new Splitter(formatted, limit).split()

/** Markdown as the messages to send; none when there is nothing to see. */
export const renderMarkdown = (markdown: string, limit = messageLimit): ReadonlyArray<Chunk> =>
  split(parseMarkdown(markdown), limit)
