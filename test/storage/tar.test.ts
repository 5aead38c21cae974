/**
 * The archive's format: what is written is read back, and what others wrote is refused where it is no plain file.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { BLOCK, decodeHeader, encodeHeader, padding } from "../../src/layers/backup/tar.ts"

const steps = Schema.Array(Schema.NonEmptyString)

describe("the tar format", () => {
  it.prop(
    "reads back names of many kinds, and sizes beyond eight gigabytes",
    [steps, Schema.Natural],
    ([parts, size]) => {
      const name = ["a", ...parts.map((part) => part.toWellFormed().replaceAll(/[/\0]/g, "-"))].join("/")
      const header = encodeHeader({ name, size }, 1_000)
      if (header === undefined) return assert.isAbove(Buffer.byteLength(name), 100)
      assert.strictEqual(header.length, BLOCK)
      assert.deepStrictEqual(decodeHeader(header), { name, size })
      const large = encodeHeader({ name, size: 2 ** 40 + size }, 1_000)!
      return assert.deepStrictEqual(decodeHeader(large), { name, size: 2 ** 40 + size })
    }
  )

  it("has no place for names that are too long", () => {
    assert.isUndefined(encodeHeader({ name: "x".repeat(101), size: 0 }, 0))
    assert.isUndefined(encodeHeader({ name: `${"x".repeat(200)}/y`, size: 0 }, 0))
    assert.isDefined(encodeHeader({ name: `${"x".repeat(150)}/y`, size: 0 }, 0))
  })

  it("fills up to whole blocks", () => {
    for (const size of [0, 1, 511, 512, 513]) assert.strictEqual((size + padding(size).length) % BLOCK, 0)
  })

  it("notices a damaged header, and refuses links and folders", () => {
    const header = encodeHeader({ name: "a", size: 1 }, 0)!
    const changed = Buffer.from(header)
    changed[0] = 0x62
    assert.deepStrictEqual(decodeHeader(changed), { problem: "a header in it is damaged" })
    const link = Buffer.from(header)
    link[156] = 0x32
    // Its sum is right: the kind counts by its difference.
    link.write(`${(Number.parseInt(link.toString("latin1", 148, 154), 8) + 2).toString(8).padStart(6, "0")}\0 `, 148)
    assert.deepStrictEqual(decodeHeader(link), { problem: '"a" in it is no plain file' })
    assert.strictEqual(decodeHeader(Buffer.alloc(BLOCK)), "end")
  })
})
