/** What of a transcript is the user's, and by what an event is known again. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { cleaned, withoutTrigger } from "../../src/layers/nodeTurns/words.ts"
import { eventName, MAX_SAID, VoiceTranscript } from "../../src/protocol/NodeEvents.ts"

const triggers = ["openclaw", "claude", "computer", "hey robot", "रानी"]

describe("the wake word", () => {
  it.each([
    ["Claude, what is the time?", undefined, "what is the time?"],
    ["claude… light on", undefined, "light on"],
    ["Hey, Robot! Dance.", undefined, "Dance."],
    // Without a pause it may be what the sentence is about.
    ["computer science is hard", undefined, "computer science is hard"],
    ["computer what is the time", "Computer", "what is the time"],
    ["OPENCLAW what is the time", "openclaw", "what is the time"],
    ["what is a computer, really?", undefined, "what is a computer, really?"],
    ["claudette, come here", undefined, "claudette, come here"],
    // Vowels that are marks belong to the word.
    ["रानी, नाचो", undefined, "नाचो"],
    ["रानी नाचो", "रानी", "नाचो"],
    ["रानीजी, नाचो", undefined, "रानीजी, नाचो"],
    ["Claude", undefined, ""],
    ["Claude.", undefined, ""],
    // The device says another word than was said.
    ["turn on the light", "claude", "turn on the light"],
    ["", undefined, ""]
  ])("%j woken by %j is %j", (said, woke, meant) => {
    assert.strictEqual(withoutTrigger(said, triggers, woke), meant)
  })

  it("is none of punctuation", () => {
    assert.strictEqual(withoutTrigger("... yes", ["...", ""]), "... yes")
  })
})

describe("a transcript", () => {
  it("loses what nobody speaks", () => {
    assert.strictEqual(cleaned(" a\u0000b\u202Ec\u200B \r\n d\te\u2028f \uD800"), "abc \n d\te\nf \uFFFD")
  })

  it.effect.prop("is well formed and stays so when it is cleaned again", [Schema.String], ([text]) =>
    Effect.sync(() => {
      const once = cleaned(text)
      assert.isTrue(once.isWellFormed())
      assert.strictEqual(cleaned(once), once)
    })
  )

  const decode = Schema.decodeUnknownExit(VoiceTranscript)
  it("is bounded, and may have more in it than is known", () => {
    assert.isTrue(Exit.isSuccess(decode({ text: "a".repeat(MAX_SAID), sessionKey: null, seq: null, level: 0.4 })))
    for (const payload of [
      null,
      "text",
      {},
      { text: 5 },
      { text: "a".repeat(MAX_SAID + 1) },
      { text: "a", eventId: "e".repeat(257) },
      { text: "a", eventId: "line\nbreak" },
      { text: "a", seq: "1" },
      { text: "a", ts: Number.NaN }
    ]) {
      assert.isTrue(Exit.isFailure(decode(payload)), JSON.stringify(payload))
    }
  })

  it("is known by its own id, its place in a call, or its time", () => {
    assert.strictEqual(eventName({ eventId: " e ", ts: 5 }, "hi"), "event:e")
    assert.strictEqual(eventName({ eventId: "", transcriptId: "t" }, "hi"), "event:t")
    assert.strictEqual(eventName({ callId: "c", seq: 2.7, ts: 5 }, "hi"), "call:c:2")
    assert.strictEqual(eventName({ providerCallId: "c", timestamp: 5 }, "hi"), "call:c@5")
    assert.strictEqual(eventName({ timestamp: 5 }, "hi"), "time:5:hi")
    assert.strictEqual(eventName({ callId: "c" }, "hi"), undefined)
    assert.strictEqual(eventName({}, "hi"), undefined)
  })
})
