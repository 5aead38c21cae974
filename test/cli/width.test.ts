import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import * as Schema from "effect/Schema"
import { displayWidth } from "../../src/cli/width.ts"

describe("displayWidth", () => {
  it.each([
    ["file"],
    [""],
    ["ファイル"],
    ["é"],
    ["1️⃣"],
    ["👩‍👩‍👧"],
    ["\u001b[1mbold\u001b[0m"],
    ["\u200b"],
    ["𠀀漢"],
    ["ｈ"]
  ])("measures %j as effect/cli does", (text) => assert.strictEqual(displayWidth(text), CliOutput.displayWidth(text)))

  it.prop("and any text", [Schema.String], ([text]) => {
    assert.strictEqual(displayWidth(text), CliOutput.displayWidth(text))
  })
})
