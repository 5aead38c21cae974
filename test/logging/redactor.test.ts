/** What the redactor costs, and what it leaves of a text that is cut. */
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { makeRedact, redactShapes } from "../../src/layers/logging/Redactor.ts"
import { safe } from "../../src/layers/logging/record.ts"

/** Ends a call that hangs: what takes more than linear time would take many minutes on these texts. */
const within = <A>(f: () => A): A => runInNewContext("f()", { f }, { timeout: 10_000 }) as A

/** Beginnings of every shape, and what stretches of them a backtracking engine could go through again and again. */
const pieces = [
  "1",
  "a.",
  "a",
  "_",
  " ",
  ":",
  '"',
  "'",
  "\\",
  "\\\n",
  "bot",
  "12345:",
  "Bearer ",
  "sk-",
  "AIza",
  "a://",
  "a://b:",
  "@",
  "token",
  "token=",
  'token="',
  "token='",
  'token="\\',
  "-----BEGIN ",
  "-----BEGIN PRIVATE KEY-----",
  "-----END ",
  "PRIVATE KEY"
]

describe("a hostile text", () => {
  it("of any one piece, or two in turn, or one after a long other, is gone through in linear time", () => {
    const size = 120_000
    const filled = (piece: string) => piece.repeat(Math.ceil(size / piece.length))
    for (const one of pieces) {
      within(() => redactShapes(filled(one)))
      for (const other of pieces) {
        within(() => redactShapes(filled(one + other)))
        within(() => redactShapes(filled(one) + other))
      }
    }
  }, 60_000)

  it.prop(
    "of pieces in any order too",
    [Schema.Array(Schema.Literals(pieces)).pipe(Schema.check(Schema.isMinLength(1)))],
    ([some]) => {
      const text = some.join("").repeat(2_000)
      assert.isString(within(() => redactShapes(text)))
    },
    { timeout: 60_000 }
  )

  it("is looked at no further than what is kept of it", () => {
    let longest = 0
    const redact = makeRedact(["x".repeat(3_000)])
    const seen = safe((text, most) => {
      longest = Math.max(longest, redact(text, most).length)
      return redact(text, most)
    }, "1".repeat(1_000_000))
    assert.strictEqual(longest, 20_000)
    assert.strictEqual(seen, `${"1".repeat(20_000)}… (1000000 characters)`)
  })
})

describe("a cut", () => {
  const secret = "correct-horse-battery-staple"
  const others = [
    "Bearer abcdefghijklmnop",
    "https://ada:lovelace-lovelace@example.org",
    "sk-ant-0123456789abcdef",
    `token="${"y".repeat(3_000)}"`
  ]

  it("leaves no half of a secret, wherever it falls", () => {
    for (const hidden of [secret, ...others]) {
      const redact = makeRedact([secret])
      for (let at = 0; at <= 1_100; at += 1) {
        const start = redact(`${".".repeat(at)} ${hidden} ${".".repeat(3_000)}`, 100)
        assert.isAtMost(start.length, 100)
        for (const part of ["correc", "abcdef", "lovel", "0123", "yyyyyy"]) assert.notInclude(start, part)
      }
    }
  })

  it("that many secrets before it made shorter", () => {
    const long = "z".repeat(5_000)
    const redact = makeRedact([long, secret])
    for (let at = 0; at < 200; at++) {
      const start = redact(`${".".repeat(at)}${`${long} `.repeat(3)}${`${secret} `.repeat(2_000)}`, 20_000)
      assert.notInclude(start, "z")
      assert.notInclude(start, "correc")
    }
  })
})
