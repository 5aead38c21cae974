import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { isBlank } from "../../src/domain/blank.ts"
import { renderMarkdown } from "../../src/layers/telegram/markdown/Split.ts"
import { previewLimit, previewMark, previewOf } from "../../src/layers/telegram/preview.ts"

const pieces = [
  "a",
  "Wort",
  "ß",
  "😀",
  "👩‍👩‍👧",
  "你好",
  "世界",
  "の",
  "é",
  "\u200b",
  "1,5",
  "https://e.org/a?b",
  "(",
  "…",
  "!",
  "\n",
  "x".repeat(199)
]
const gaps = ["", " ", " ", " ", "  ", "\n\n", ", "]
const spaced = Arbitrary.map(
  Arbitrary.array(Arbitrary.all([Arbitrary.schema(Schema.Literals(pieces)), Arbitrary.schema(Schema.Literals(gaps))]), {
    maxLength: 120
  }),
  (all) => all.flat().join("")
)

const segments = new Intl.Segmenter("und", { granularity: "word" })
const wordsOf = (text: string) => [...segments.segment(text)].filter(({ isWordLike }) => isWordLike === true)
const shownOf = (text: string) => previewOf(text).slice(0, -previewMark.length)

describe("a preview", () => {
  it("is the beginning in whole words, without the last", () => {
    assert.strictEqual(previewOf("hello there world"), "hello there …")
    assert.strictEqual(previewOf("hello"), "hello …")
    assert.strictEqual(previewOf("  hello, world! "), "hello, …")
    assert.strictEqual(previewOf("你好世界"), "你好 …")
    assert.strictEqual(previewOf("👍👍"), "👍 …")
    assert.strictEqual(previewOf("👍"), "👍 …")
    assert.strictEqual(previewOf("OK ✅ 🎉"), "OK ✅ …")
    assert.strictEqual(previewOf("👍👍👍 !!!"), "👍👍👍 …")
    assert.strictEqual(previewOf("hello!"), "hello …")
    assert.strictEqual(previewOf("hello …"), "hello … …")
    assert.strictEqual(previewOf("((( hello"), "((( …")
    const long = previewOf("lorem ipsum ".repeat(300))
    assert.isAtMost(long.length, previewLimit + previewMark.length)
    assert.match(long, /^(lorem ipsum )+lorem …$|^(lorem ipsum )+…$/)
    assert.strictEqual(previewOf("x".repeat(4_096)), `${"x".repeat(previewLimit)} …`)
    assert.strictEqual(previewOf("👍".repeat(200)), `${"👍".repeat(previewLimit / 2)} …`)
  })

  for (const [what, texts] of [
    ["words", spaced],
    ["anything", Arbitrary.schema(Schema.String)]
  ] as const) {
    it.prop(
      `of ${what} is short, begins like the text, is never the text, and is whole characters`,
      [texts],
      ([text]) => {
        const preview = previewOf(text)
        const whole = text.trim()
        assert.isAtMost(preview.length, previewLimit + 2 * previewMark.length)
        assert.isTrue(preview.endsWith(previewMark))
        assert.notStrictEqual(preview, whole)
        assert.isTrue(`${whole}${previewMark}${previewMark}`.startsWith(shownOf(text)))
        assert.isTrue(!whole.isWellFormed() || preview.isWellFormed())
      }
    )

    it.prop(`of ${what} holds back the last of two words, and shows something of the first`, [texts], ([text]) => {
      const words = wordsOf(text.trim())
      if (words.length < 2) return
      const shown = shownOf(text)
      assert.isAtMost(shown.length, words.at(-1)!.index)
      assert.notStrictEqual(shown, "")
    })
  }
})

describe("a text that nobody sees", () => {
  it("is empty, whatever it is made of", () => {
    for (const text of ["", " \n", "\u200b", "\u2060 \u2060", "\u00ad", "\ufe0f", "\u200b\u00ad\n\u2060"]) {
      assert.isTrue(isBlank(text))
      assert.deepStrictEqual(renderMarkdown(text), [])
    }
    for (const text of ["a", "❤\ufe0f", "…", "\u200bx"]) {
      assert.isFalse(isBlank(text))
      assert.lengthOf(renderMarkdown(text), 1)
    }
  })
})
