/**
 * Markdown as models write it, read into a text with marks: headings, lists, quotes, code blocks, tables, rules, and
 * paragraphs with inline formatting. What is not understood stays as it was written.
 */
import { isBlank } from "../../../domain/blank.ts"
import type { Formatted } from "./Formatted.ts"
import { Builder } from "./Formatted.ts"
import { parseInline } from "./Inline.ts"
import { isTableStart, renderTable, splitRow } from "./Table.ts"

const fenceStart = /^([ \t]*)(`{3,}|~{3,})/
const heading = /^ {0,3}#{1,6}[ \t]/
const rule = /^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$/
const quote = /^ {0,3}>/
const quotePrefix = /^(?: {0,3}>)+ ?/
const listItem = /^([ \t]{0,40})([-*+]|\d{1,9}[.)])[ \t]{1,4}(?=\S)/
const task = /^\[([ xX])\][ \t]/

/** Tabs, line ends and text are kept; other control characters mean nothing in a chat and some are refused there. */
const clean = (source: string): string =>
  source
    .toWellFormed()
    .replace(/\r\n?/g, "\n")
    // oxlint-disable-next-line no-control-regex
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, "")

interface Fence {
  readonly indent: string
  readonly fence: string
  readonly info: string
}

/** The line that begins a code block. After backticks there is none with further backticks: that is code in a line. */
const fenceOf = (line: string): Fence | undefined => {
  const match = fenceStart.exec(line)
  if (match === null) return undefined
  const info = line.slice(match[0].length)
  if (match[2]!.startsWith("`") && info.includes("`")) return undefined
  return { indent: match[1]!, fence: match[2]!, info: info.trim() }
}

class BlockReader {
  private readonly lines: ReadonlyArray<string>
  private readonly builder = new Builder()
  private readonly quoted: boolean
  private at = 0
  private gap = false

  constructor(lines: ReadonlyArray<string>, quoted: boolean) {
    this.lines = lines
    this.quoted = quoted
  }

  read(): Formatted {
    while (this.at < this.lines.length) {
      const line = this.lines[this.at]!
      if (line.trim() === "") {
        this.gap = true
        this.at += 1
      } else this.block(line)
    }
    return this.builder.build()
  }

  private block(line: string): void {
    const fence = fenceOf(line)
    if (fence !== undefined) return this.code(fence)
    if (heading.test(line)) return this.heading(line)
    if (rule.test(line)) return this.single(() => this.builder.append("———"))
    if (!this.quoted && quote.test(line)) return this.quote()
    if (isTableStart(line, this.lines[this.at + 1])) return this.table()
    return this.paragraph(line)
  }

  /** A new line before a block, and an empty one when the source had one. */
  private begin(): number {
    if (this.builder.length > 0) this.builder.append(this.gap ? "\n\n" : "\n")
    this.gap = false
    return this.builder.length
  }

  private single(emit: () => void): void {
    this.begin()
    emit()
    this.at += 1
  }

  private code({ fence, indent, info }: Fence): void {
    const body: Array<string> = []
    this.at += 1
    for (; this.at < this.lines.length; this.at++) {
      const line = this.lines[this.at]!
      const end = line.trim()
      if (end.length >= fence.length && end === fence[0]!.repeat(end.length)) {
        this.at += 1
        break
      }
      body.push(line.startsWith(indent) ? line.slice(indent.length) : line)
    }
    const text = body.join("\n")
    if (text.trim() === "") return
    const language = /^[\w+#.-]{1,32}/.exec(info)?.[0]
    const start = this.begin()
    this.builder.append(text)
    this.builder.mark("pre", start, language)
  }

  private heading(line: string): void {
    const text = line.trim().replace(/^#+/, "").trim()
    this.single(() => {
      const start = this.builder.length
      this.builder.appendFormatted(parseInline(closingHashes(text)))
      this.builder.mark("bold", start)
    })
  }

  private quote(): void {
    const inner: Array<string> = []
    for (; this.at < this.lines.length && quote.test(this.lines[this.at]!); this.at++) {
      inner.push(this.lines[this.at]!.replace(quotePrefix, ""))
    }
    const content = new BlockReader(inner, true).read()
    if (content.text.trim() === "") return
    const start = this.begin()
    this.builder.appendFormatted(content)
    this.builder.mark("quote", start)
  }

  private table(): void {
    const rows = [splitRow(this.lines[this.at]!)]
    this.at += 2
    for (; this.at < this.lines.length; this.at++) {
      const line = this.lines[this.at]!
      if (line.trim() === "" || !line.includes("|")) break
      rows.push(splitRow(line))
    }
    const start = this.begin()
    this.builder.append(renderTable(rows))
    this.builder.mark("pre", start)
  }

  private paragraph(first: string): void {
    const item = listItem.exec(first)
    let prefix = ""
    let line = first
    if (item !== null) {
      const bullet = /\d/.test(item[2]!) ? item[2]! : "•"
      line = first.slice(item[0].length)
      const box = task.exec(line)
      if (box !== null) line = line.slice(box[0].length)
      prefix = `${item[1]!.replaceAll("\t", "  ")}${box === null ? bullet : box[1] === " " ? "☐" : "☑"} `
    }
    const source = [line]
    this.at += 1
    while (this.at < this.lines.length && this.continues(this.lines[this.at]!)) {
      source.push(this.lines[this.at]!)
      this.at += 1
    }
    this.begin()
    this.builder.append(prefix)
    this.builder.appendFormatted(parseInline(source.join("\n")))
  }

  private continues(line: string): boolean {
    return !(
      line.trim() === "" ||
      fenceOf(line) !== undefined ||
      heading.test(line) ||
      rule.test(line) ||
      listItem.test(line) ||
      (!this.quoted && quote.test(line)) ||
      isTableStart(line, this.lines[this.at + 1])
    )
  }
}

/** `Title ##` is written `Title`. */
const closingHashes = (text: string): string => {
  let end = text.length
  while (text[end - 1] === "#") end -= 1
  return end < text.length && (end === 0 || text[end - 1] === " ") ? text.slice(0, end).trimEnd() : text
}

/** Reads Markdown. A text in which nothing would be visible is kept as it was written. */
export const parseMarkdown = (source: string): Formatted => {
  const text = clean(source)
  const formatted = new BlockReader(text.split("\n"), false).read()
  return isBlank(formatted.text) ? { text: text.trim(), marks: [] } : formatted
}
