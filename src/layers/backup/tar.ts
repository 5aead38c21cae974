/**
 * The tar format (POSIX ustar), as far as a backup needs it: plain files with short names. Any `tar` reads it. Pure.
 */

export const BLOCK = 512

export interface TarHeader {
  readonly name: string
  /** Bytes of content. */
  readonly size: number
}

/** The largest size that the header's eleven octal digits can say; more is written in base 256, as GNU does. */
const mostOctal = 8 ** 11 - 1

const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, "0")}\0`

const writeSize = (header: Buffer, size: number): void => {
  if (size <= mostOctal) {
    header.write(octal(size, 11), 124, "latin1")
    return
  }
  header.writeUInt8(0x80, 124)
  header.writeBigUInt64BE(BigInt(size), 128)
}

/** Where a name is cut in two; a short one is not. `undefined` when it is too long for the format. */
const splitName = (name: string): readonly [prefix: string, name: string] | undefined => {
  if (Buffer.byteLength(name) <= 100) return ["", name]
  for (let at = name.indexOf("/"); at !== -1; at = name.indexOf("/", at + 1)) {
    const [prefix, rest] = [name.slice(0, at), name.slice(at + 1)]
    if (rest !== "" && Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(rest) <= 100) return [prefix, rest]
  }
  return undefined
}

const checksum = (header: Buffer): number => {
  let sum = 0
  // The field itself counts as spaces.
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 0x20 : (header[at] ?? 0)
  return sum
}

/** The block before a file of mode 0600; `undefined` when its name is too long. `mtime` in Unix seconds. */
export const encodeHeader = ({ name, size }: TarHeader, mtime: number): Buffer | undefined => {
  const split = splitName(name)
  if (split === undefined) return undefined
  const header = Buffer.alloc(BLOCK)
  header.write(split[1], 0, "utf8")
  header.write(`${octal(0o600, 7)}${octal(0, 7)}${octal(0, 7)}`, 100, "latin1")
  writeSize(header, size)
  header.write(octal(mtime, 11), 136, "latin1")
  header.write("0", 156, "latin1")
  header.write("ustar\u000000", 257, "latin1")
  header.write(split[0], 345, "utf8")
  header.write(`${checksum(header).toString(8).padStart(6, "0")}\0 `, 148, "latin1")
  return header
}

/** Zero bytes after content of a size, up to the next block. */
export const padding = (size: number): Buffer => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)

/** What ends an archive. */
export const ending: Buffer = Buffer.alloc(2 * BLOCK)

const text = (header: Buffer, from: number, length: number): string => {
  const field = header.subarray(from, from + length)
  const end = field.indexOf(0)
  return field.toString("utf8", 0, end === -1 ? length : end)
}

const number = (header: Buffer, from: number, length: number): number | undefined => {
  if ((header[from] ?? 0) === 0x80) return Number(header.readBigUInt64BE(from + length - 8))
  const digits = text(header, from, length).trim()
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined
}

/** Reads a block: a plain file's header, the end of the archive, or why it is neither. */
export const decodeHeader = (header: Buffer): TarHeader | "end" | { readonly problem: string } => {
  if (header.every((byte) => byte === 0)) return "end"
  const size = number(header, 124, 12)
  if (number(header, 148, 8) !== checksum(header) || size === undefined || !Number.isSafeInteger(size)) {
    return { problem: "a header in it is damaged" }
  }
  const prefix = text(header, 345, 155)
  const name = prefix === "" ? text(header, 0, 100) : `${prefix}/${text(header, 0, 100)}`
  const type = header[156]
  return type === 0x30 || type === 0 ? { name, size } : { problem: `${JSON.stringify(name)} in it is no plain file` }
}
