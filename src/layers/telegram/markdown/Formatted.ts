/**
 * A text and what of it is formatted. Marks may overlap; rendering opens and closes tags so that they nest.
 */
export type MarkKind = "bold" | "italic" | "strike" | "code" | "pre" | "link" | "quote"

/** `start` and `end` are UTF-16 offsets, `end` exclusive. `value` is a link's address or a code block's language. */
export interface Mark {
  readonly kind: MarkKind
  readonly start: number
  readonly end: number
  readonly value?: string
}

export interface Formatted {
  readonly text: string
  readonly marks: ReadonlyArray<Mark>
}

const references: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }

export const escapeHtml = (text: string): string => text.replace(/[&<>]/g, (char) => references[char]!)
export const escapeAttribute = (text: string): string => text.replace(/[&<>"]/g, (char) => references[char]!)

const tagsOf = (mark: Mark): readonly [open: string, close: string] => {
  switch (mark.kind) {
    case "bold":
      return ["<b>", "</b>"]
    case "italic":
      return ["<i>", "</i>"]
    case "strike":
      return ["<s>", "</s>"]
    case "code":
      return ["<code>", "</code>"]
    case "quote":
      return ["<blockquote>", "</blockquote>"]
    case "link":
      return [`<a href="${escapeAttribute(mark.value ?? "")}">`, "</a>"]
    case "pre":
      return mark.value === undefined
        ? ["<pre>", "</pre>"]
        : [`<pre><code class="language-${escapeAttribute(mark.value)}">`, "</code></pre>"]
  }
}

/** Nothing may be formatted inside code, and nothing twice. */
const admits = (open: ReadonlyArray<Mark>, mark: Mark): boolean =>
  !open.some((outer) => outer.kind === mark.kind || outer.kind === "pre" || outer.kind === "code")

/** The marks that touch a range, cut to it, outer ones first. */
export const clip = (marks: ReadonlyArray<Mark>, from: number, to: number): ReadonlyArray<Mark> =>
  marks
    .filter((mark) => mark.start < to && mark.end > from)
    .map((mark) => ({ ...mark, start: Math.max(from, mark.start), end: Math.min(to, mark.end) }))
    .sort((a, b) => a.start - b.start || b.end - a.end)

/** A range as Telegram's HTML: escaped, and every tag closed. */
export const toHtml = (formatted: Formatted, from = 0, to = formatted.text.length): string => {
  const marks = clip(formatted.marks, from, to)
  const open: Array<Mark> = []
  let html = ""
  let position = from
  let next = 0
  while (true) {
    if (open.some((mark) => mark.end <= position)) {
      const reopened: Array<Mark> = []
      while (open.some((mark) => mark.end <= position)) {
        const mark = open.pop()!
        html += tagsOf(mark)[1]
        if (mark.end > position) reopened.unshift(mark)
      }
      for (const mark of reopened) {
        html += tagsOf(mark)[0]
        open.push(mark)
      }
    }
    for (; next < marks.length && marks[next]!.start <= position; next++) {
      const mark = marks[next]!
      if (mark.end <= position || !admits(open, mark)) continue
      html += tagsOf(mark)[0]
      open.push(mark)
    }
    if (position >= to) return html
    const boundary = open.reduce((least, mark) => Math.min(least, mark.end), marks[next]?.start ?? to)
    html += escapeHtml(formatted.text.slice(position, boundary))
    position = boundary
  }
}

/** A range without formatting; a link's address follows its text. */
export const toPlain = (formatted: Formatted, from = 0, to = formatted.text.length): string => {
  let plain = ""
  let position = from
  for (const link of clip(formatted.marks, from, to)) {
    if (link.kind !== "link" || link.end <= position) continue
    const text = formatted.text.slice(position, link.end)
    plain += text
    if (formatted.text.slice(link.start, link.end) !== link.value) plain += ` (${link.value})`
    position = link.end
  }
  return plain + formatted.text.slice(position, to)
}

/** Collects a text with its marks. */
export class Builder {
  private readonly parts: Array<string> = []
  private readonly marks: Array<Mark> = []
  length = 0

  append(text: string): void {
    this.parts.push(text)
    this.length += text.length
  }

  mark(kind: MarkKind, start: number, value?: string): void {
    if (this.length <= start) return
    this.marks.push({ kind, start, end: this.length, ...(value === undefined ? undefined : { value }) })
  }

  appendFormatted(formatted: Formatted): void {
    const offset = this.length
    this.append(formatted.text)
    for (const mark of formatted.marks) {
      this.marks.push({ ...mark, start: mark.start + offset, end: mark.end + offset })
    }
  }

  build(): Formatted {
    return { text: this.parts.join(""), marks: this.marks }
  }
}
