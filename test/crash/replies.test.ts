/**
 * The judge itself: it must see what is lost, doubled, out of order and half said, or the nemesis proves nothing.
 */
import { assert, describe, it } from "@effect/vitest"
import type { SentMessage } from "../../src/testing/BotApi.ts"
import { type Asked, readChat } from "./replies.ts"
import { answerOf, kinds, lengthOf, messageIn, readPiece, stepsOf, textOf, toldBy, type Kind } from "./script.ts"

const ask = (id: number, kind: Kind, messageId: number): Asked => ({ id, kind, chatId: 7, messageId, at: messageId })
const plain = (id: number, kind: Kind) => answerOf(id, kind, ["done", "done"]).replaceAll("*", "")
const shown = (messageId: number, ...states: ReadonlyArray<string>): SentMessage => ({
  messageId,
  chatId: 7,
  text: states.at(-1)!,
  raw: "",
  entities: [],
  silent: false,
  kind: "text",
  edits: states.length - 1,
  history: states.map((text, at) => ({ kind: "text", text, at: messageId + at })),
  at: messageId
})
const read = (asked: ReadonlyArray<Asked>, ...sent: ReadonlyArray<SentMessage>) => {
  const known = new Map(asked.map(({ id, kind }) => [id, kind]))
  const { disordered, doubled, orphans, replies } = readChat(asked, sent, (id) => known.get(id))
  return {
    replies: Object.fromEntries([...replies].map(([id, reply]) => [id, reply.as])),
    doubled: doubled.map(({ messageId }) => messageId),
    disordered,
    orphans: orphans.map(({ id, messageId }) => [messageId, id])
  }
}
const clean = { doubled: [], disordered: [], orphans: [] }

describe("reading a chat", () => {
  it("sees a complete reply, in one part or in several, created as previews or not", () => {
    const words = plain(2, "long").split(/\s+/)
    const parts = [words.slice(0, 300).join(" "), words.slice(300).join(" ")] as const
    const asked = [ask(1, "short", 1), ask(2, "long", 2)]
    const one = shown(3, "a1 a1.1 …", plain(1, "short"))
    const two = [shown(4, "a2 …", parts[0]), shown(5, "a2.300 …", parts[1])]
    assert.deepStrictEqual(read(asked, one, ...two), { ...clean, replies: { 1: "answer", 2: "answer" } })
  })

  it("sees that a reply, or the end of one, is missing", () => {
    const half = plain(1, "long").split(/\s+/).slice(0, 300).join(" ")
    assert.deepStrictEqual(read([ask(1, "long", 1)], shown(2, half)), { ...clean, replies: {} })
    assert.deepStrictEqual(read([ask(1, "short", 1)], shown(2, "a1 …")), { ...clean, replies: {}, orphans: [[2, 1]] })
  })

  it("sees a second copy, also one that was there for a moment only", () => {
    const text = plain(1, "short")
    const asked = [ask(1, "short", 1)]
    assert.deepStrictEqual(read(asked, shown(2, text), shown(3, text)).doubled, [3])
    assert.deepStrictEqual(read(asked, shown(2, text), shown(3, text, "a1 …")).doubled, [3])
    const notice = "Something went wrong."
    assert.deepStrictEqual(read(asked, shown(2, text), shown(3, notice)).doubled, [3])
  })

  it("sees a preview that stayed beside the whole reply", () => {
    const sent = [shown(2, "a1 a1.1 …"), shown(3, "a1 a1.1 …", plain(1, "short"))]
    assert.deepStrictEqual(read([ask(1, "short", 1)], ...sent), {
      ...clean,
      replies: { 1: "answer" },
      orphans: [[2, 1]]
    })
  })

  it("sees that replies, or the parts of one, are out of order", () => {
    const asked = [ask(1, "short", 1), ask(2, "short", 2)]
    assert.deepStrictEqual(read(asked, shown(3, plain(2, "short")), shown(4, plain(1, "short"))).disordered, [2])
    const words = plain(1, "long").split(/\s+/)
    const sent = [shown(2, words.slice(300).join(" ")), shown(3, words.slice(0, 300).join(" "))]
    assert.deepStrictEqual(read([ask(1, "long", 1)], ...sent).replies, {})
  })

  it("takes a text of the Gateway's own for the answer to the first message that has none", () => {
    const asked = [ask(1, "short", 1), ask(2, "short", 2)]
    const sent = [shown(3, "The model could not be reached."), shown(4, plain(2, "short"))]
    assert.deepStrictEqual(read(asked, ...sent), { ...clean, replies: { 1: "notice", 2: "answer" } })
  })
})

describe("the play", () => {
  it("recognizes what it wrote", () => {
    for (const kind of kinds) {
      assert.deepStrictEqual(messageIn(`Ada: ${textOf(17, kind)}`), { id: 17, kind })
      const piece = readPiece(plain(17, kind), () => kind)
      assert.deepInclude(piece, { id: 17, from: 0, to: lengthOf(17, kind) })
      assert.deepStrictEqual(
        piece?.told.map(({ effect, node }) => ({ effect, node })),
        stepsOf(17, kind).flat()
      )
    }
  })

  it("reads no piece where a word is missing, cut or of another answer", () => {
    for (const text of ["a1 a1.2", "a1 a1.", "a1 a2.1", "a1 and so on", "a9", ""]) {
      assert.isUndefined(
        readPiece(text, (id) => (id === 9 ? undefined : "short")),
        text
      )
    }
  })

  it("tells what a model read in a call's result", () => {
    assert.strictEqual(toldBy(`{"stdout":"wrote 17a."}`, "17a"), "done")
    assert.strictEqual(toldBy("interrupted, outcome unknown: …", "17a"), "unknown")
    assert.strictEqual(toldBy("no node is connected", "17a"), "failed")
  })
})
