/**
 * How a chat's messages wait: what the configuration says, what `/queue` says, and `/steer`.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { parseQueue } from "../../src/layers/channels/queueCommand.ts"
import { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { DEFAULT_QUEUE, QueueOverride, queueSettingOf } from "../../src/services/Queue.ts"
import { inbound, telegram } from "./kit.ts"
import { drained, type Rig, rig, run } from "./rig.ts"

const say = (parts: Rig, text: string, count = 1) =>
  run(
    parts,
    Effect.gen(function* () {
      parts.channel.push(inbound(text))
      const said = yield* parts.channel.said(count)
      yield* drained
      return said.at(-1)!.text
    })
  )

describe("how messages wait", () => {
  it("a session's word goes before the channel's, and that before the general one", () => {
    const config: OpenClawConfig = {
      messages: {
        queue: {
          mode: "collect",
          cap: 7,
          drop: "old",
          byChannel: { telegram: "steer" },
          debounceMsByChannel: { telegram: 90 }
        }
      }
    }
    assert.deepStrictEqual(queueSettingOf({}, "telegram", undefined), DEFAULT_QUEUE)
    assert.deepStrictEqual(queueSettingOf(config, "webchat", undefined), {
      mode: "collect",
      debounceMs: 500,
      cap: 7,
      drop: "old"
    })
    assert.deepStrictEqual(queueSettingOf(config, "telegram", { cap: 2 }), {
      mode: "steer",
      debounceMs: 90,
      cap: 2,
      drop: "old"
    })
    assert.strictEqual(queueSettingOf(config, "telegram", { mode: "followup" }).mode, "followup")
    assert.strictEqual(queueSettingOf(config, "telegram", { mode: "followup" }, "interrupt").mode, "interrupt")
  })

  it("the configuration's keys are checked", () => {
    const decode = Schema.decodeUnknownResult(OpenClawConfig)
    for (const queue of [{ mode: "later" }, { cap: 0 }, { drop: "all" }, { byChannel: { telegram: "x" } }]) {
      assert.isTrue(Result.isFailure(decode({ messages: { queue } })), JSON.stringify(queue))
    }
    assert.isTrue(Result.isSuccess(decode({ messages: { queue: { mode: "steer", cap: 20, drop: "summarize" } } })))
  })

  it("/queue is read", () => {
    const read = (text: string) => parseQueue(text)
    assert.deepStrictEqual(read(""), { kind: "show" })
    assert.deepStrictEqual(read(" default "), { kind: "clear" })
    assert.deepStrictEqual(read("reset"), { kind: "clear" })
    assert.deepStrictEqual(read("Collect debounce:0.5s cap:25 drop:summarize"), {
      kind: "set",
      override: { mode: "collect", debounceMs: 500, cap: 25, drop: "summarize" }
    })
    assert.deepStrictEqual(read("debounce:250"), { kind: "set", override: { debounceMs: 250 } })
    for (const wrong of [
      "later",
      "cap:0",
      "cap:x",
      "debounce:",
      "debounce:9d9",
      "debounce:2d",
      "drop:all",
      "steer x"
    ]) {
      assert.isUndefined(read(wrong), wrong)
    }
  })

  it.prop("nothing that follows /queue throws, and what is read can be kept", [Schema.String], ([text]) => {
    const read = parseQueue(text)
    if (read?.kind === "set") assert.isTrue(Schema.is(QueueOverride)(read.override))
  })

  it.effect("/queue sets, shows and clears; every message after it waits as it says", () =>
    Effect.gen(function* () {
      const parts = yield* rig({
        ...telegram({ dmPolicy: "open" }),
        messages: { queue: { byChannel: { telegram: "steer" } } }
      })
      assert.include(yield* say(parts, "/queue"), "`steer`")
      assert.include(yield* say(parts, "/queue collect cap:5", 2), "At most 5 wait")
      assert.include(yield* say(parts, "/queue drop:old", 3), "`old`")
      assert.deepStrictEqual(parts.sessions.queue, { mode: "collect", cap: 5, drop: "old" })
      assert.include(yield* say(parts, "/queue", 4), "Set for this session")
      assert.include(yield* say(parts, "/queue sideways", 5), "did not understand")
      parts.channel.push(inbound("one"))
      yield* run(parts, parts.turns.has(1))
      assert.deepStrictEqual(parts.turns.queues, [{ mode: "collect", debounceMs: 500, cap: 5, drop: "old" }])
      assert.include(yield* say(parts, "/queue default", 6), "The Gateway's own setting")
      assert.isUndefined(parts.sessions.queue)
    })
  )

  it.effect("/compact is a turn of its own, behind those that are there", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      for (const text of ["/compact", "/compact  the plan"]) parts.channel.push(inbound(text))
      const turns = yield* run(parts, parts.turns.has(2))
      assert.deepStrictEqual(
        turns.map(({ compact }) => compact),
        [{}, { instructions: "the plan" }]
      )
      assert.deepStrictEqual(parts.turns.queues, [undefined, undefined])
    })
  )

  it.effect("/steer and /tell are for the running turn; a new session's first message waits for nobody's favour", () =>
    Effect.gen(function* () {
      const parts = yield* rig()
      assert.include(yield* say(parts, "/steer"), "Write what")
      for (const text of ["/steer shorter", "/tell in French", "/new hello"]) parts.channel.push(inbound(text))
      const turns = yield* run(parts, parts.turns.has(3))
      assert.deepStrictEqual(
        turns.map((turn) => turn.text),
        ["shorter", "in French", "hello"]
      )
      const steer = { ...DEFAULT_QUEUE, mode: "steer" as const, passes: true }
      assert.deepStrictEqual(parts.turns.queues, [steer, steer, undefined])
    })
  )
})
