/**
 * As much of DER (X.690) as a certificate needs: a value is its tag, its length and its bytes. Pure.
 */
import * as DateTime from "effect/DateTime"

const lengthOf = (bytes: number): ReadonlyArray<number> => {
  if (bytes < 0x80) return [bytes]
  const digits: Array<number> = []
  for (let rest = bytes; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256)
  return [0x80 | digits.length, ...digits]
}

/** A value with this tag whose content is the parts, one after the other. */
export const tagged = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const content = Buffer.concat(parts)
  return Buffer.concat([Uint8Array.from([tag, ...lengthOf(content.length)]), content])
}

export const sequence = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => tagged(0x30, ...parts)

export const set = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => tagged(0x31, ...parts)

/** A positive number, most significant byte first. */
export const integer = (bytes: Uint8Array): Uint8Array => {
  const first = bytes.findIndex((byte) => byte !== 0)
  const digits = first === -1 ? Uint8Array.of(0) : bytes.subarray(first)
  // Its first bit would make it negative.
  return (digits[0] ?? 0) < 0x80 ? tagged(0x02, digits) : tagged(0x02, Uint8Array.of(0), digits)
}

export const bool = (value: boolean): Uint8Array => tagged(0x01, Uint8Array.of(value ? 0xff : 0))

export const octets = (bytes: Uint8Array): Uint8Array => tagged(0x04, bytes)

/** A whole number of bytes. */
export const bits = (bytes: Uint8Array): Uint8Array => tagged(0x03, Uint8Array.of(0), bytes)

export const utf8 = (text: string): Uint8Array => tagged(0x0c, Buffer.from(text, "utf8"))

/** An object identifier as it is written, such as `2.5.4.3`. */
export const oid = (dotted: string): Uint8Array => {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number)
  const base128 = (value: number): ReadonlyArray<number> => {
    const digits = [value % 128]
    for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128))
      digits.unshift(0x80 | (left % 128))
    return digits
  }
  return tagged(0x06, Uint8Array.from([first * 40 + second, ...rest.flatMap(base128)]))
}

/** A moment to the second: years up to 2049 with two digits, later ones with four, as certificates have it. */
export const time = (unixMs: number): Uint8Array => {
  const full = `${DateTime.formatIso(DateTime.makeUnsafe(unixMs)).slice(0, 19).replace(/[-:T]/g, "")}Z`
  return Number(full.slice(0, 4)) < 2050
    ? tagged(0x17, Buffer.from(full.slice(2), "ascii"))
    : tagged(0x18, Buffer.from(full, "ascii"))
}
