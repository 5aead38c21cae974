/** What is looked at before a message is parsed. */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { MAX_VALUES, parseJson } from "../../src/layers/gateway/parseJson.ts"

const parse = (text: string) => parseJson(Buffer.from(text))
const problem = (text: string) => {
  const parsed = parse(text)
  return parsed?._tag === "Refused" ? parsed.problem : undefined
}
describe("JSON from peers", () => {
  it.prop("any JSON is read as it is", [Schema.Json], ([json]) => {
    const text = JSON.stringify(json)
    assert.deepStrictEqual(parse(text), { _tag: "Json", json: JSON.parse(text) })
  })
  it.prop("any bytes are JSON or nothing", [Schema.Array(Schema.Natural)], ([bytes]) => {
    const parsed = parseJson(Uint8Array.from(bytes))
    assert.isTrue(parsed === undefined || "json" in parsed)
  })
  it("D7 depth is read outside strings only", () => {
    const deep = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`
    assert.isUndefined(problem(deep(256)))
    assert.strictEqual(problem(deep(257)), "nested deeper than 256 levels")
    assert.strictEqual(problem(deep(100_000)), "nested deeper than 256 levels")
    assert.isUndefined(problem(JSON.stringify("[".repeat(1000) + '\\"{')))
  })
  it("D7 values are counted outside strings only", () => {
    const list = (length: number) => JSON.stringify(Array.from({ length }, () => 1))
    const keys = (length: number) =>
      JSON.stringify(Object.fromEntries(Array.from({ length }, (_, at) => [`k${at}`, 1])))
    assert.isUndefined(problem(list(MAX_VALUES - 1)))
    assert.strictEqual(problem(list(MAX_VALUES)), "more than 50000 values")
    assert.isUndefined(problem(keys(MAX_VALUES - 1)))
    assert.strictEqual(problem(keys(MAX_VALUES)), "more than 50000 values")
    assert.isUndefined(problem(JSON.stringify(`${'{,"['.repeat(100_000)}\\`)))
  })
  it("what is refused unread keeps the id that it begins with", () => {
    const id = (head: string) => {
      const parsed = parse(`${head},"params":${"[".repeat(300)}`)
      return parsed?._tag === "Refused" ? parsed.id : assert.fail("was read")
    }
    assert.strictEqual(id(`{"type":"req","id":"a"`), "a")
    assert.strictEqual(id(` { "id" : "\\u0041\\"" `), 'A"')
    for (const head of [`{"id":7`, `{"type":"req"`, `[{"id":"a"`, `{"id":"a\\x"`]) assert.isUndefined(id(head))
  })
})
