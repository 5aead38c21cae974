/**
 * Which failures of SQLite are the storage's own, as against those of a statement. Pure.
 */
import type { StorageTrouble } from "../../services/StorageHealth.ts"

/** SQLite's primary result codes. */
const byCode: Readonly<Record<number, StorageTrouble>> = {
  5: "locked",
  8: "read-only",
  10: "io-error",
  11: "corrupt",
  13: "full",
  14: "io-error",
  26: "corrupt"
}

/** The same in SQLite's words, for errors that were wrapped on their way and kept only their text. */
const byText: ReadonlyArray<readonly [RegExp, StorageTrouble]> = [
  [/database or disk is full|no space left on device/i, "full"],
  [/readonly database|read-only file system/i, "read-only"],
  [/disk i\/o error|unable to open database file/i, "io-error"],
  [/disk image is malformed|file is not a database/i, "corrupt"],
  [/database is locked/i, "locked"]
]

/** How many wrappings are looked through. */
const deepest = 6

const fieldOf = (value: object, key: string): unknown => (key in value ? value[key as keyof typeof value] : undefined)

/** What an error says about the storage; `undefined` when it is about something else. */
export const troubleOf = (error: unknown): StorageTrouble | undefined => {
  let node = error
  for (let depth = 0; depth < deepest && typeof node === "object" && node !== null; depth++) {
    const code = fieldOf(node, "errcode")
    // Extended codes have the primary one in their low byte.
    if (typeof code === "number") return byCode[code & 0xff]
    const message = fieldOf(node, "message")
    const found = typeof message === "string" ? byText.find(([pattern]) => pattern.test(message)) : undefined
    if (found !== undefined) return found[1]
    node = fieldOf(node, "cause") ?? fieldOf(node, "reason")
  }
  return undefined
}
