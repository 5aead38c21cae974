/**
 * Keeps what a tool hands to the model within bounds, and says so where it cut.
 */
import * as Predicate from "effect/Predicate"

/** Characters of one tool result that a model is shown. */
export const MAX_RESULT_CHARS = 24_000

/** Characters of one text inside a result, for example a command's output. */
const MAX_TEXT_CHARS = 10_000

/** Keeps the beginning and the end, where a command's output says most. */
export const cutText = (text: string, max: number): string => {
  if (text.length <= max) return text
  const head = Math.ceil((max * 2) / 3)
  const tail = max - head
  return `${text.slice(0, head)}\n[… ${text.length - max} characters left out …]\n${text.slice(text.length - tail)}`
}

/** The same value with every text in it cut; `undefined` and functions are gone as in JSON. */
const cutValue = (value: unknown, depth = 0): unknown => {
  if (typeof value === "string") return cutText(value, MAX_TEXT_CHARS)
  if (depth > 20) return "[nested too deeply]"
  if (Array.isArray(value)) return value.map((item) => cutValue(item, depth + 1))
  if (Predicate.isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cutValue(item, depth + 1)]))
  }
  return value
}

/** A value as the JSON text that a model reads. */
export const resultText = (value: unknown): string =>
  cutText(JSON.stringify(cutValue(value)) ?? "null", MAX_RESULT_CHARS)
