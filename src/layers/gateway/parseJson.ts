/**
 * JSON from a peer, looked over before it is parsed: a small message can ask for seconds of work, which everybody else
 * would wait for.
 */
import * as Result from "effect/Result"

/** Deeper JSON than this is nobody's message, and recursive code further in would not survive it. */
export const MAX_DEPTH = 256
/** Values and keys in one message. This many cost a tenth of a second, forty times as many would cost four. */
export const MAX_VALUES = 50_000

/** JSON that was read; or that was refused unread, with the request's `id` where it stands first. */
export type Parsed =
  | { readonly _tag: "Json"; readonly json: unknown }
  | { readonly _tag: "Refused"; readonly problem: string; readonly id: string | undefined }

const quote = 34
const backslash = 92

/** What a JSON text has too much of, or `undefined`. Reads bytes without recursion; what stands in strings does not count. */
export const excess = (data: Uint8Array): string | undefined => {
  let depth = 0
  let values = 1
  let quoted = false
  for (let index = 0; index < data.length; index++) {
    const byte = data[index]
    if (quoted) {
      if (byte === backslash) index++
      else if (byte === quote) quoted = false
      continue
    }
    switch (byte) {
      case quote:
        quoted = true
        break
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > MAX_DEPTH) return `nested deeper than ${MAX_DEPTH} levels`
        values++
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth--
        break
      case 0x2c: // ,
        values++
        break
    }
    if (values > MAX_VALUES) return `more than ${MAX_VALUES} values`
  }
  return undefined
}

const utf8 = new TextDecoder("utf-8", { fatal: true })
/** Bytes in which the id of a request that is not read is looked for. */
const HEAD_BYTES = 4_096
const firstId = /^\s*\{\s*(?:"type"\s*:\s*"req"\s*,\s*)?"id"\s*:\s*("(?:[^"\\]|\\.)*")/

const idIn = (data: Uint8Array): string | undefined => {
  const found = firstId.exec(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8", 0, HEAD_BYTES))
  return Result.getOrUndefined(Result.try(() => JSON.parse(found?.[1] ?? "") as string))
}

/** JSON in a text or binary message; `undefined` when it is none. */
export const parseJson = (data: Uint8Array): Parsed | undefined => {
  const problem = excess(data)
  if (problem !== undefined) return { _tag: "Refused", problem, id: idIn(data) }
  return Result.getOrUndefined(
    Result.try(() => ({ _tag: "Json", json: JSON.parse(utf8.decode(data)) as unknown }) as const)
  )
}
