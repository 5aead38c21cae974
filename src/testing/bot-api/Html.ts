/**
 * Telegram's HTML, read as the Bot API reads it: a text with entities, or the error that the real one answers.
 */
import type { Entity } from "./State.ts"

export type Parsed =
  | { readonly ok: true; readonly text: string; readonly entities: ReadonlyArray<Entity> }
  | { readonly ok: false; readonly description: string }

const kinds: Readonly<Record<string, string>> = {
  a: "text_link",
  b: "bold",
  strong: "bold",
  i: "italic",
  em: "italic",
  u: "underline",
  ins: "underline",
  s: "strikethrough",
  strike: "strikethrough",
  del: "strikethrough",
  "tg-spoiler": "spoiler",
  span: "spoiler",
  code: "code",
  pre: "pre",
  blockquote: "blockquote"
}

const named: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"' }

const tagPattern =
  /<(\/?)([a-zA-Z][a-zA-Z0-9-]*)?((?:\s+[a-zA-Z][a-zA-Z0-9-]*(?:=(?:"[^"]*"|'[^']*'|[^\s"'>]*))?)*)\s*>/y
const attributePattern = /([a-zA-Z][a-zA-Z0-9-]*)(?:=(?:"([^"]*)"|'([^']*)'|([^\s"'>]*)))?/g
const referencePattern = /&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|([a-z]{1,4}));/y

const codePoint = (value: number): string => (value > 0 && value <= 0x10ffff ? String.fromCodePoint(value) : "")

const unescape = (html: string, at: number): { readonly text: string; readonly next: number } => {
  referencePattern.lastIndex = at
  const match = referencePattern.exec(html)
  if (match === null) return { text: "&", next: at + 1 }
  const [whole, hex, decimal, name] = match
  const text =
    hex !== undefined
      ? codePoint(Number.parseInt(hex, 16))
      : decimal !== undefined
        ? codePoint(Number(decimal))
        : (named[name ?? ""] ?? whole)
  return { text, next: at + whole.length }
}

const unescapeAll = (html: string): string =>
  html.replace(/&(?:#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|[a-z]{1,4});/g, (reference) => unescape(reference, 0).text)

interface Open {
  readonly tag: string
  readonly offset: number
  readonly url: string | undefined
  readonly language: string | undefined
}

/** Reads HTML. Leading and trailing white space is dropped, as Telegram drops it. */
export const parse = (html: string): Parsed => {
  const bytesBefore = (index: number) => Buffer.byteLength(html.slice(0, index))
  const refuse = (problem: string): Parsed => ({
    ok: false,
    description: `Bad Request: can't parse entities: ${problem}`
  })
  const open: Array<Open> = []
  const entities: Array<Entity> = []
  let text = ""
  let at = 0
  while (at < html.length) {
    const char = html[at]!
    if (char === "&") {
      const reference = unescape(html, at)
      text += reference.text
      at = reference.next
      continue
    }
    if (char !== "<") {
      text += char
      at += 1
      continue
    }
    tagPattern.lastIndex = at
    const match = tagPattern.exec(html)
    if (match === null) return refuse(`Unclosed start tag at byte offset ${bytesBefore(at)}`)
    const [whole, slash, rawName, rawAttributes] = match
    const tag = (rawName ?? "").toLowerCase()
    if (slash === "/") {
      const last = open.pop()
      if (last === undefined) return refuse(`Unexpected end tag at byte offset ${bytesBefore(at)}`)
      if (tag !== "" && last.tag !== tag) {
        return refuse(
          `Unmatched end tag at byte offset ${bytesBefore(at)}, expected "</${last.tag}>", found "</${tag}>"`
        )
      }
      const length = text.length - last.offset
      if (length > 0) {
        entities.push({
          type: kinds[last.tag]!,
          offset: last.offset,
          length,
          ...(last.url === undefined ? undefined : { url: last.url }),
          ...(last.language === undefined ? undefined : { language: last.language })
        })
      }
    } else {
      const attributes = new Map(
        [...(rawAttributes ?? "").matchAll(attributePattern)].map((attribute) => [
          attribute[1]!.toLowerCase(),
          unescapeAll(attribute[2] ?? attribute[3] ?? attribute[4] ?? "")
        ])
      )
      if (kinds[tag] === undefined) {
        return refuse(`Unsupported start tag "${tag}" at byte offset ${bytesBefore(at)}`)
      }
      if (tag === "span" && attributes.get("class") !== "tg-spoiler") {
        return refuse(`Tag "span" must have class "tg-spoiler" at byte offset ${bytesBefore(at)}`)
      }
      const className = attributes.get("class")
      open.push({
        tag,
        offset: text.length,
        url: tag === "a" ? (attributes.get("href") ?? "") : undefined,
        language: tag === "code" && className?.startsWith("language-") ? className.slice(9) : undefined
      })
    }
    at += whole.length
  }
  const unclosed = open.at(-1)
  if (unclosed !== undefined) return refuse(`Can't find end tag corresponding to start tag "${unclosed.tag}"`)
  return trim(text, entities)
}

const trim = (text: string, entities: ReadonlyArray<Entity>): Parsed => {
  const trimmed = text.trim()
  const start = text.length - text.trimStart().length
  return {
    ok: true,
    text: trimmed,
    entities: entities
      .map((entity) => {
        const from = Math.max(0, entity.offset - start)
        const to = Math.min(trimmed.length, entity.offset + entity.length - start)
        return { ...entity, offset: from, length: to - from }
      })
      .filter((entity) => entity.length > 0)
      .sort((a, b) => a.offset - b.offset || b.length - a.length)
  }
}
