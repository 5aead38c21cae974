/** What a compaction replaces and what it keeps, and how long material is put to a model. */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { ALREADY_COMPACTED, planOf, TOO_SMALL, tokensOf } from "../../src/layers/agent/compaction/plan.ts"
import { chunksOf, lineOf } from "../../src/layers/agent/compaction/summary.ts"
import type { TranscriptMessage } from "../../src/protocol/methods/chat.ts"

const Role = Schema.Literals(["user", "assistant", "toolResult", "system"])
const Said = Schema.Struct({
  role: Role,
  length: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 400 })))
})

const message = (role: string, text: string, more: Partial<TranscriptMessage> = {}): TranscriptMessage => ({
  role,
  content: text,
  ...more
})
const marker = message("system", "Compaction", { __openclaw: { kind: "compaction" } })
const entriesOf = (messages: ReadonlyArray<TranscriptMessage>) =>
  messages.map((one, index) => ({ seq: index + 10, message: one }))
const plan = (messages: ReadonlyArray<TranscriptMessage>, keep: number, summary?: string) =>
  planOf({ entries: entriesOf(messages), summary }, keep)
const cutOf = (found: ReturnType<typeof planOf>) =>
  "reason" in found ? found.reason : [found.older.length, found.kept.length, found.through]

const words = "x".repeat(400)
const turn = [message("user", words), message("assistant", words)]

describe("planOf", () => {
  it("keeps the newest that fit, from a person's message on", () => {
    const all = [...turn, ...turn, ...turn]
    assert.deepStrictEqual(cutOf(plan(all, 200)), [4, 2, 13])
    assert.deepStrictEqual(cutOf(plan(all, 350)), [4, 2, 13])
    assert.deepStrictEqual(cutOf(plan(all, 400)), [2, 4, 11])
    // All would fit: the last turn is kept.
    assert.deepStrictEqual(cutOf(plan(all, 10_000)), [4, 2, 13])
    assert.deepStrictEqual(cutOf(plan(all, 1)), [6, 0, 15])
  })

  it("says why there is nothing", () => {
    assert.strictEqual(cutOf(plan([], 100)), TOO_SMALL)
    assert.strictEqual(cutOf(plan(turn, 10_000)), TOO_SMALL)
    assert.strictEqual(cutOf(plan([], 100, "a summary")), ALREADY_COMPACTED)
    assert.strictEqual(cutOf(plan([...turn, marker], 10_000, "a summary")), ALREADY_COMPACTED)
    assert.strictEqual(cutOf(plan([...turn, marker, message("toolResult", "")], 10_000, "a summary")), TOO_SMALL)
  })

  it("in the middle of a long turn begins with what the model did, never with a result", () => {
    const loop = [
      message("user", words),
      ...Array.from({ length: 6 }, (_, index) => message(index % 2 === 0 ? "assistant" : "toolResult", words))
    ]
    assert.deepStrictEqual(cutOf(plan(loop, 300)), [5, 2, 14])
    assert.deepStrictEqual(cutOf(plan(loop, 400)), [3, 4, 12])
  })

  it.prop("divides what was said in two, in order", [Schema.Array(Said), Schema.Int], ([said, keep]) => {
    const entries = entriesOf(said.map(({ length, role }) => message(role, "x".repeat(length))))
    const found = planOf({ entries, summary: undefined }, Math.abs(keep) % 300)
    if ("reason" in found) return
    assert.deepStrictEqual([...found.older, ...found.kept], entries)
    assert.strictEqual(found.older.at(-1)?.seq, found.through)
    const first = found.kept[0]?.message.role
    assert.isTrue(first === undefined || first === "user" || first === "assistant")
  })
})

describe("material for a summary", () => {
  it.prop("is put together in order and in small parts", [Schema.Array(Schema.String), Schema.Int], ([lines, n]) => {
    const tokens = 20 + (Math.abs(n) % 100)
    const chunks = chunksOf(lines, tokens)
    for (const chunk of chunks) {
      const separators = chunk.split("\n\n").length
      assert.isAtMost(tokensOf(chunk), tokens + 30 + separators)
    }
    if (lines.every((line) => tokensOf(line) <= tokens)) {
      assert.strictEqual(chunks.join("\n\n"), lines.join("\n\n"))
    }
  })

  it("says who said what, shortens results, and names what it cannot show", () => {
    assert.strictEqual(lineOf(message("user", "hi", { __openclaw: { senderName: "Ann" } })), "Person (Ann): hi")
    const call = [
      { type: "text", text: "look" },
      { type: "toolCall", id: "c", name: "nodes", arguments: { action: "list" } },
      { type: "image", data: "AAAA" }
    ]
    assert.strictEqual(
      lineOf({ role: "assistant", content: call }),
      'Assistant: look\n(calls nodes with {"action":"list"})\n(something that is no text)'
    )
    const result = lineOf(message("toolResult", "y".repeat(5_000), { toolName: "nodes" }))
    assert.match(result, /^Result of nodes: y+… \(3000 more characters\)$/)
  })

  it("counts a sign of Chinese as one token, four letters as one", () => {
    assert.strictEqual(tokensOf("abcdefgh"), 2)
    assert.strictEqual(tokensOf("漢字"), 2)
    assert.strictEqual(tokensOf(""), 0)
  })
})
