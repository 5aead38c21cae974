import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { parseMarkdown } from "../../src/layers/telegram/markdown/Blocks.ts"
import { toHtml } from "../../src/layers/telegram/markdown/Formatted.ts"
import { messageLimit, renderMarkdown, split } from "../../src/layers/telegram/markdown/Split.ts"
import * as Html from "../../src/testing/bot-api/Html.ts"

const html = (markdown: string) => toHtml(parseMarkdown(markdown))

/** What Telegram shows of a message; fails when it would refuse it. */
const shown = (message: string): string => {
  const parsed = Html.parse(message)
  assert.isTrue(parsed.ok, parsed.ok ? "" : `${parsed.description} in ${message}`)
  return parsed.ok ? parsed.text : ""
}

const bare = (text: string): string => text.replace(/\s+/g, "")

const cases: ReadonlyArray<readonly [name: string, markdown: string, expected: string]> = [
  ["bold and italic", "**b** __b__ *i* _i_ ***bi***", "<b>b</b> <b>b</b> <i>i</i> <i>i</i> <i><b>bi</b></i>"],
  ["strike", "~~gone~~ ~not~", "<s>gone</s> ~not~"],
  ["code", "`a < b` ``x ` y``", "<code>a &lt; b</code> <code>x ` y</code>"],
  ["nothing inside code", "`**a**`", "<code>**a**</code>"],
  ["names with underscores stay", "some_file_name a__init__b", "some_file_name a__init__b"],
  ["arithmetic stays", "2 * 3 * 4", "2 * 3 * 4"],
  ["what is not closed stays", "**open *and `more", "**open *and `more"],
  ["escapes", "\\*a\\* \\[b\\]", "*a* [b]"],
  ["html is text", "<b>&amp;</b>", "&lt;b&gt;&amp;amp;&lt;/b&gt;"],
  ["link with title", '[t](https://e.org/?a=1&b=2 "x")', '<a href="https://e.org/?a=1&amp;b=2">t</a>'],
  ["link with brackets in it", "[t](https://e.org/a_(b))", '<a href="https://e.org/a_(b)">t</a>'],
  ["autolink", "<https://e.org>", '<a href="https://e.org">https://e.org</a>'],
  [
    "mail and telegram links",
    "[m](mailto:a@b.c) [u](tg://user?id=1)",
    '<a href="mailto:a@b.c">m</a> <a href="tg://user?id=1">u</a>'
  ],
  ["script link", "[x](javascript:alert(1))", "[x](javascript:alert(1))"],
  ["data link", "[x](data:text/html,a)", "[x](data:text/html,a)"],
  ["file link", "[x](file:///etc/passwd)", "[x](file:///etc/passwd)"],
  ["image", "![alt](https://e.org/i.png)", '<a href="https://e.org/i.png">alt</a>'],
  ["heading", "## Title ##", "<b>Title</b>"],
  ["heading with bold", "# a **b**", "<b>a b</b>"],
  ["quote", "> a\n> > b", "<blockquote>a\nb</blockquote>"],
  ["list", "- a\n  * b\n1. c", "• a\n  • b\n1. c"],
  ["tasks", "- [ ] a\n- [x] b", "☐ a\n☑ b"],
  ["code block", "```ts\na < b\n```", '<pre><code class="language-ts">a &lt; b</code></pre>'],
  ["code block without end", "~~~\na\n\nb", "<pre>a\n\nb</pre>"],
  ["code block in a list", "1. a\n   ```\n   b\n   ```", "1. a\n<pre>b</pre>"],
  ["language with a quote", '```a"b\nx\n```', '<pre><code class="language-a">x</code></pre>'],
  ["table", "| a | b |\n|--|--|\n| **1** | x \\| y |", "<pre>a | b\n--+------\n1 | x | y</pre>"],
  ["rule", "a\n\n---\nb", "a\n\n———\nb"],
  [
    "overlapping marks are nested",
    "*a [b* c](https://u.v)",
    '<i>a <a href="https://u.v">b</a></i><a href="https://u.v"> c</a>'
  ]
]

/** Pieces of Markdown whose letters all stay visible: no addresses, no languages. */
const piece = Schema.Literals([
  "*",
  "**",
  "***",
  "_",
  "__",
  "~~",
  "`",
  "``",
  "\n```\n",
  "\n~~~\n",
  "\n> ",
  "\n> > ",
  "\n- ",
  "\n1. ",
  "\n# ",
  "\n---\n",
  "\n| a | b |\n|---|---|\n| c | d |\n",
  "|",
  "\n",
  "\n\n",
  " ",
  "  ",
  "[",
  "]",
  "![",
  "<",
  ">",
  "&",
  "&lt;",
  '"',
  "\\",
  "😀",
  "é",
  "word",
  "longer words in a row",
  "\t",
  "\r\n",
  " \u0000 ",
  "\ud83d"
])
const soup = Arbitrary.map(Arbitrary.array(Arbitrary.schema(piece), { maxLength: 120 }), (pieces) =>
  pieces.join("").replace(/(`{3,}|~{3,})[^\n]*/g, "$1")
)

describe("Markdown as Telegram's HTML", () => {
  for (const [name, markdown, expected] of cases) {
    it(name, () => {
      assert.strictEqual(html(markdown), expected)
      shown(expected)
    })
  }

  it("a fence without anything visible is shown as it was written", () => {
    assert.strictEqual(html("```\n```"), "```\n```")
    assert.deepStrictEqual(renderMarkdown(" \n\t\n"), [])
  })

  it.prop(
    "any Markdown becomes messages that Telegram takes, none too long, every letter kept",
    [soup],
    ([markdown]) => {
      const chunks = renderMarkdown(markdown, 200)
      for (const chunk of chunks) {
        assert.isAtMost(chunk.html.length, 200)
        assert.isAtMost(chunk.plain.length, chunk.html.length)
        assert.isTrue(chunk.html.isWellFormed())
        assert.notStrictEqual(shown(chunk.html), "")
      }
      const letters = (text: string) => text.replace(/[^a-zé😀]/gu, "")
      const rendered = chunks.map((chunk) => shown(chunk.html)).join("")
      assert.strictEqual(letters(rendered), letters(markdown.toWellFormed()))
      assert.strictEqual(bare(rendered), bare(parseMarkdown(markdown).text))
    },
    { arbitrary: { runs: 1_500, size: 100 } }
  )

  it.prop("any text at all becomes messages that Telegram takes", [Schema.String], ([markdown]) => {
    for (const chunk of renderMarkdown(markdown)) {
      assert.isAtMost(chunk.html.length, messageLimit)
      shown(chunk.html)
    }
  })
})

describe("splitting", () => {
  it("4,096 units are one message, one more are two", () => {
    assert.strictEqual(renderMarkdown("a".repeat(4_096)).length, 1)
    assert.deepStrictEqual(
      renderMarkdown("a".repeat(4_097)).map((chunk) => chunk.html.length),
      [4_096, 1]
    )
  })

  it("a surrogate pair is never cut", () => {
    for (const text of [`a${"😀".repeat(3_000)}`, `**${"😀".repeat(3_000)}**`, "😀&".repeat(2_000)]) {
      for (const chunk of renderMarkdown(text)) assert.isTrue(chunk.html.isWellFormed())
    }
  })

  it("a code block that fits in one message is not cut", () => {
    const code = `\`\`\`js\n${"let x = 1 // line\n".repeat(100)}\`\`\``
    const [first, second, ...rest] = renderMarkdown(`${"word ".repeat(700)}\n\n${code}`)
    assert.deepStrictEqual(rest, [])
    assert.notInclude(first!.html, "<pre>")
    assert.isTrue(second!.html.startsWith('<pre><code class="language-js">'))
    assert.isTrue(second!.html.endsWith("</code></pre>"))
  })

  it("a longer code block is cut at line ends, each part a block of its own", () => {
    const lines = Array.from({ length: 600 }, (_, index) => `line ${index} & more`)
    const chunks = renderMarkdown(`\`\`\`py\n${lines.join("\n")}\n\`\`\``)
    assert.isAbove(chunks.length, 2)
    for (const chunk of chunks) {
      assert.isTrue(chunk.html.startsWith('<pre><code class="language-py">line '))
      assert.isTrue(chunk.html.endsWith(" &amp; more</code></pre>"))
    }
    assert.strictEqual(chunks.map((chunk) => shown(chunk.html)).join("\n"), lines.join("\n"))
  })

  it("breaks between paragraphs rather than lines, lines rather than words", () => {
    const paragraph = "word ".repeat(300).trim()
    const chunks = renderMarkdown([paragraph, paragraph, paragraph, paragraph].join("\n\n"))
    assert.deepStrictEqual(
      chunks.map((chunk) => chunk.html),
      [`${paragraph}\n\n${paragraph}`, `${paragraph}\n\n${paragraph}`]
    )
  })

  it("a link that is longer than allowed stays text, so that every message can hold one", () => {
    assert.notInclude(renderMarkdown(`[a](https://e.org/${"&".repeat(400)})`)[0]!.html, "<a ")
    assert.include(renderMarkdown(`[a](https://e.org/${"b".repeat(900)})`)[0]!.html, "<a ")
  })

  it("the plain form names where links lead", () => {
    assert.deepStrictEqual(split(parseMarkdown("**a** [b](https://e.org) <https://f.org>")), [
      {
        html: '<b>a</b> <a href="https://e.org">b</a> <a href="https://f.org">https://f.org</a>',
        plain: "a b (https://e.org) https://f.org"
      }
    ])
  })

  it("hostile input takes no longer than its length explains", () => {
    for (const part of ["*a ", "**a* ", "[](", "[", "`", "<", "_a", "> ", "|-", "- ", "#  ", "``` ", '![a](b "c ']) {
      renderMarkdown(part.repeat(60_000))
    }
  })
})
