/**
 * QR codes (ISO/IEC 18004): text in byte mode with the lowest error correction, as a square of dark and light modules.
 *
 * Pure, so that the Gateway can make a picture of it and the CLI can print it.
 */

const ECC_PER_BLOCK = [
  7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26, 28, 30, 30, 30, 30,
  30, 30, 30, 30, 30, 30, 30, 30, 30, 30
]
const BLOCKS = [
  1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19,
  20, 21, 22, 24, 25
]

/** Modules that carry data and error correction. */
const rawModules = (version: number): number => {
  const alignments = version < 2 ? 0 : Math.floor(version / 7) + 2
  const plain = (16 * version + 128) * version + 64
  if (version < 2) return plain
  return plain - ((25 * alignments - 10) * alignments - 55) - (version < 7 ? 0 : 36)
}
const codewords = (version: number): number => Math.floor(rawModules(version) / 8)
const dataCodewords = (version: number): number =>
  codewords(version) - (ECC_PER_BLOCK[version - 1] ?? 0) * (BLOCKS[version - 1] ?? 0)

/** Product in GF(256) modulo x^8 + x^4 + x^3 + x^2 + 1. */
const multiply = (a: number, b: number): number => {
  let product = 0
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product >>> 7) * 0x11d)
    product ^= ((b >>> bit) & 1) * a
  }
  return product
}

const divisorOf = (degree: number): ReadonlyArray<number> => {
  const result: Array<number> = Array.from({ length: degree }, (_, index) => (index === degree - 1 ? 1 : 0))
  let root = 1
  for (let step = 0; step < degree; step++) {
    for (let index = 0; index < degree; index++) {
      result[index] = multiply(result[index] ?? 0, root) ^ (result[index + 1] ?? 0)
    }
    root = multiply(root, 2)
  }
  return result
}

const remainderOf = (data: ReadonlyArray<number>, divisor: ReadonlyArray<number>): ReadonlyArray<number> => {
  const result = divisor.map(() => 0)
  for (const byte of data) {
    const factor = byte ^ (result.shift() ?? 0)
    result.push(0)
    for (const [index, coefficient] of divisor.entries()) {
      result[index] = (result[index] ?? 0) ^ multiply(coefficient, factor)
    }
  }
  return result
}

/** Mode, length, bytes, end and padding. */
const dataOf = (bytes: Uint8Array, version: number): ReadonlyArray<number> => {
  const bits: Array<number> = []
  const push = (value: number, length: number) => {
    for (let bit = length - 1; bit >= 0; bit--) bits.push((value >>> bit) & 1)
  }
  const capacity = dataCodewords(version) * 8
  push(4, 4)
  push(bytes.length, version < 10 ? 8 : 16)
  for (const byte of bytes) push(byte, 8)
  push(0, Math.min(4, capacity - bits.length))
  push(0, (8 - (bits.length % 8)) % 8)
  for (let pad = 0xec; bits.length < capacity; pad ^= 0xec ^ 0x11) push(pad, 8)
  return Array.from({ length: bits.length / 8 }, (_, index) =>
    bits.slice(index * 8, index * 8 + 8).reduce((byte, bit) => (byte << 1) | bit, 0)
  )
}

/** Splits into blocks, adds their error correction, and weaves them together. */
const withErrorCorrection = (data: ReadonlyArray<number>, version: number): ReadonlyArray<number> => {
  const count = BLOCKS[version - 1] ?? 1
  const ecc = ECC_PER_BLOCK[version - 1] ?? 0
  const all = codewords(version)
  const short = count - (all % count)
  const shortData = Math.floor(all / count) - ecc
  const divisor = divisorOf(ecc)
  let offset = 0
  const blocks = Array.from({ length: count }, (_, index) => {
    const part = data.slice(offset, offset + shortData + (index < short ? 0 : 1))
    offset += part.length
    return { part, check: remainderOf(part, divisor) }
  })
  const woven: Array<number> = []
  for (let index = 0; index <= shortData; index++) {
    for (const { part } of blocks) {
      const byte = part[index]
      if (byte !== undefined) woven.push(byte)
    }
  }
  for (let index = 0; index < ecc; index++) for (const { check } of blocks) woven.push(check[index] ?? 0)
  return woven
}

const alignmentsOf = (version: number): ReadonlyArray<number> => {
  if (version === 1) return []
  const count = Math.floor(version / 7) + 2
  const step = Math.floor((version * 8 + count * 3 + 5) / (count * 4 - 4)) * 2
  const last = version * 4 + 10
  return [6, ...Array.from({ length: count - 1 }, (_, index) => last - step * (count - 2 - index))]
}

const masks: ReadonlyArray<(x: number, y: number) => boolean> = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0
]

/** Rows of modules; `true` is dark. Without the light border of four modules that a reader needs. */
export type Modules = ReadonlyArray<ReadonlyArray<boolean>>

const bitAt = (value: number, bit: number): boolean => ((value >>> bit) & 1) === 1

/** Long runs, squares and an uneven balance are hard to read: the fewer, the better the mask. */
const penalty = (modules: Modules): number => {
  const size = modules.length
  let score = 0
  let dark = 0
  const line = (at: (index: number) => boolean) => {
    let run = 1
    for (let index = 1; index <= size; index++) {
      if (index < size && at(index) === at(index - 1)) run++
      else {
        if (run >= 5) score += run - 2
        run = 1
      }
    }
    for (let index = 0; index + 7 <= size; index++) {
      const seven = Array.from({ length: 7 }, (_, step) => (at(index + step) ? "1" : "0")).join("")
      if (seven !== "1011101") continue
      const light = (from: number) => Array.from({ length: 4 }, (_, step) => from + step)
      const clear = (from: number) => light(from).every((place) => place < 0 || place >= size || !at(place))
      if (clear(index - 4) || clear(index + 7)) score += 40
    }
  }
  for (let index = 0; index < size; index++) {
    line((x) => modules[index]?.[x] === true)
    line((y) => modules[y]?.[index] === true)
    for (let x = 0; x < size; x++) {
      const module = modules[index]?.[x]
      if (module === true) dark++
      const same = (other: boolean | undefined) => other === module
      if (same(modules[index]?.[x + 1]) && same(modules[index + 1]?.[x]) && same(modules[index + 1]?.[x + 1]))
        score += 3
    }
  }
  return score + Math.floor(Math.abs((dark * 20) / (size * size) - 10)) * 10
}

/** The parts that are the same for every text of a version, and which modules they take. */
const frame = (version: number) => {
  const size = version * 4 + 17
  const dark = Array.from({ length: size }, () => Array.from({ length: size }, () => false))
  const taken = Array.from({ length: size }, () => Array.from({ length: size }, () => false))
  const set = (x: number, y: number, on: boolean) => {
    if (x < 0 || y < 0 || x >= size || y >= size) return
    dark[y]![x] = on
    taken[y]![x] = true
  }
  const finder = (cx: number, cy: number) => {
    for (let dy = -4; dy <= 4; dy++) {
      for (let dx = -4; dx <= 4; dx++) {
        const ring = Math.max(Math.abs(dx), Math.abs(dy))
        set(cx + dx, cy + dy, ring !== 2 && ring !== 4)
      }
    }
  }
  for (let index = 0; index < size; index++) {
    set(6, index, index % 2 === 0)
    set(index, 6, index % 2 === 0)
  }
  finder(3, 3)
  finder(size - 4, 3)
  finder(3, size - 4)
  const places = alignmentsOf(version)
  for (const y of places) {
    for (const x of places) {
      const corner = (x === 6 && y === 6) || (x === 6 && y === size - 7) || (x === size - 7 && y === 6)
      if (corner) continue
      for (let dy = -2; dy <= 2; dy++) {
        for (let dx = -2; dx <= 2; dx++) set(x + dx, y + dy, Math.max(Math.abs(dx), Math.abs(dy)) !== 1)
      }
    }
  }
  if (version >= 7) {
    let rest = version
    for (let step = 0; step < 12; step++) rest = (rest << 1) ^ ((rest >>> 11) * 0x1f25)
    const bits = (version << 12) | rest
    for (let bit = 0; bit < 18; bit++) {
      const a = size - 11 + (bit % 3)
      const b = Math.floor(bit / 3)
      set(a, b, bitAt(bits, bit))
      set(b, a, bitAt(bits, bit))
    }
  }
  const format = (mask: number) => {
    const data = (1 << 3) | mask
    let rest = data
    for (let step = 0; step < 10; step++) rest = (rest << 1) ^ ((rest >>> 9) * 0x537)
    const bits = ((data << 10) | rest) ^ 0x5412
    for (let bit = 0; bit <= 5; bit++) set(8, bit, bitAt(bits, bit))
    set(8, 7, bitAt(bits, 6))
    set(8, 8, bitAt(bits, 7))
    set(7, 8, bitAt(bits, 8))
    for (let bit = 9; bit < 15; bit++) set(14 - bit, 8, bitAt(bits, bit))
    for (let bit = 0; bit < 8; bit++) set(size - 1 - bit, 8, bitAt(bits, bit))
    for (let bit = 8; bit < 15; bit++) set(8, size - 15 + bit, bitAt(bits, bit))
    set(8, size - 8, true)
  }
  return { size, dark, taken, format }
}

const drawn = (words: ReadonlyArray<number>, version: number, mask: number): Modules => {
  const { dark, format, size, taken } = frame(version)
  format(mask)
  const flips = masks[mask]!
  let next = 0
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5
    for (let step = 0; step < size; step++) {
      const upward = ((right + 1) & 2) === 0
      const y = upward ? size - 1 - step : step
      for (const x of [right, right - 1]) {
        if (taken[y]![x] === true) continue
        const bit = next < words.length * 8 && bitAt(words[next >>> 3] ?? 0, 7 - (next & 7))
        dark[y]![x] = bit !== flips(x, y)
        next++
      }
    }
  }
  return dark
}

/** The smallest code that holds the text, with the mask that reads best. `undefined` when no code is large enough. */
export const encode = (text: string): Modules | undefined => {
  const bytes = new TextEncoder().encode(text)
  for (let version = 1; version <= 40; version++) {
    const bits = 4 + (version < 10 ? 8 : 16) + bytes.length * 8
    if (bits > dataCodewords(version) * 8) continue
    const words = withErrorCorrection(dataOf(bytes, version), version)
    const candidates = masks.map((_, mask) => drawn(words, version, mask))
    const scores = candidates.map(penalty)
    return candidates[scores.indexOf(Math.min(...scores))]
  }
  return undefined
}

/** For a terminal: two rows of modules a line, light on dark so that it reads on dark screens, with its border. */
export const toText = (modules: Modules): string => {
  const border = 4
  const size = modules.length
  const isLight = (x: number, y: number) => modules[y]?.[x] !== true
  const lines: Array<string> = []
  for (let y = -border; y < size + border; y += 2) {
    let line = ""
    for (let x = -border; x < size + border; x++) {
      const top = isLight(x, y)
      const bottom = isLight(x, y + 1)
      line += top ? (bottom ? "█" : "▀") : bottom ? "▄" : " "
    }
    lines.push(line)
  }
  return lines.join("\n")
}
