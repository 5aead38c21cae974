/** Compaction by itself: before a prompt is too long, and once when a model says that it was. */
import { assert, describe, it } from "@effect/vitest"
import * as AiError from "effect/ai/AiError"
import type * as Prompt from "effect/ai/Prompt"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SUMMARY_INTRO } from "../../src/layers/agent/history.ts"
import { CONTEXT_LENGTH } from "../../src/layers/models/errors.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import * as Rig from "../gateway/rig.ts"
import { Client, textsOf } from "../sessions/wireKit.ts"

const begin = Effect.fnUntraced(function* (
  script: ScriptedModel.Script,
  contextWindow: number | undefined,
  config: OpenClawConfig = {}
) {
  const scripted = yield* Layer.build(ScriptedModel.layer(script, contextWindow === undefined ? {} : { contextWindow }))
  const services = yield* Layer.build(GatewayTest.layer({ models: Layer.succeedContext(scripted), config }))
  const { port, token } = Context.get(services, GatewayTest.GatewayTest)
  const { raw } = yield* Rig.connect(`ws://127.0.0.1:${port}`, { scopes: ["operator.admin"], auth: { token } })
  const client = new Client(raw)
  yield* client.ok("sessions.subscribe")
  return { client, model: Context.get(scripted, ScriptedModel.ScriptedModel) }
})

const long = (name: string, length = 6_000) => `${name} ${"x".repeat(length)}`
const texts = (messages: ReadonlyArray<Prompt.Message> | undefined) =>
  (messages ?? [])
    .filter(({ role }) => role !== "system")
    .map(({ content }) =>
      (typeof content === "string"
        ? content
        : content.map((part) => (part.type === "text" ? part.text : part.type)).join()
      ).replaceAll(/x{10,}/g, "…")
    )
const tooLong = new AiError.InvalidRequestError({ constraint: CONTEXT_LENGTH, description: "too long" })
const list = { id: "t", name: "nodes", params: { action: "list" } }
const phases = (client: Client) =>
  client.events("agent").flatMap(({ data, stream }) => (stream === "compaction" ? [data] : []))

describe("a turn", () => {
  it.live("is preceded by a compaction when its prompt would be too long for the model's window", () =>
    Effect.gen(function* () {
      const { client, model } = yield* begin(
        [{ text: "one" }, { text: "two" }, { text: "the summary" }, { text: "three" }, { text: "four" }],
        11_000
      )
      yield* client.turn(long("first", 24_000), "k1")
      yield* client.turn(long("second", 2_000), "k2")
      const third = yield* client.turn(long("third", 2_000), "k3")
      assert.deepStrictEqual(textsOf([third.message]), ["three"])
      const calls = yield* model.calls
      assert.match(texts(calls[2])[0] ?? "", /Person: first …\n\nAssistant: one\n/)
      assert.deepStrictEqual(texts(calls[3]), [`${SUMMARY_INTRO}\nthe summary`, "second …", "two", "third …"])
      assert.deepStrictEqual(phases(client), [{ phase: "start" }, { phase: "end", completed: true }])
      yield* client.until("sessions.changed", ({ reason }) => reason === "compact")
      assert.deepStrictEqual(client.events("session.operation"), [])
      const { messages } = yield* client.ok("chat.history", { sessionKey: "main" })
      assert.lengthOf(messages, 7)
      yield* client.turn("short", "k4")
      assert.strictEqual(texts((yield* model.calls)[4])[0], `${SUMMARY_INTRO}\nthe summary`)
    }).pipe(Effect.scoped)
  )

  it.live("is cut to the window where that is switched off, or no summary can be had", () =>
    Effect.gen(function* () {
      const said = [{ text: "one" }, { text: "two" }, { text: "three" }, { text: "four" }]
      const off = { agents: { defaults: { compaction: { enabled: false } } } }
      const { client, model } = yield* begin(said, 8_000, off)
      for (const name of ["first", "second", "third", "fourth"]) yield* client.turn(long(name), name)
      assert.deepStrictEqual(texts((yield* model.calls)[3]), ["third …", "three", "fourth …"])
      assert.deepStrictEqual(phases(client), [])

      const failing = yield* begin(
        [...said.slice(0, 2), { fail: tooLong }, { toolCalls: [list] }, { text: "three" }],
        8_000
      )
      for (const name of ["first", "second", "third"]) yield* failing.client.turn(long(name), name)
      // Once a turn.
      assert.lengthOf(yield* failing.model.calls, 5)
      assert.deepStrictEqual(phases(failing.client).at(-1), { phase: "end", completed: false })
      const { messages } = yield* failing.client.ok("chat.history", { sessionKey: "main" })
      assert.strictEqual(textsOf(messages).at(-1), "three")
    }).pipe(Effect.scoped)
  )

  it.live("is asked once more, over a summary, when the model says that it was too much", () =>
    Effect.gen(function* () {
      const { client, model } = yield* begin(
        [{ text: "one" }, { text: "two" }, { fail: tooLong }, { text: "the summary" }, { text: "three" }],
        undefined
      )
      yield* client.turn(long("first"), "k1")
      yield* client.turn("second", "k2")
      const third = yield* client.turn("third", "k3")
      assert.deepStrictEqual(textsOf([third.message]), ["three"])
      assert.deepStrictEqual(texts((yield* model.calls)[4]), [
        `${SUMMARY_INTRO}\nthe summary`,
        "second",
        "two",
        "third"
      ])
    }).pipe(Effect.scoped)
  )

  it.live("fails with the model's own words when there is nothing to compact, and is not asked for ever", () =>
    Effect.gen(function* () {
      const { client, model } = yield* begin(
        [{ fail: tooLong }, { text: "one" }, { text: "two" }, { fail: tooLong }, { text: "s" }, { fail: tooLong }],
        undefined
      )
      const first = yield* client.turn("alone", "k1")
      assert.strictEqual(first.errorKind, "context_length")
      assert.lengthOf(yield* model.calls, 1)
      yield* client.turn(long("first"), "k2")
      yield* client.turn("second", "k3")
      const last = yield* client.turn("third", "k4")
      assert.strictEqual(last.state, "error")
      assert.strictEqual(yield* model.remaining, 0)
    }).pipe(Effect.scoped)
  )

  it.live("keeps what it did itself, also when it was too much in the middle of it", () =>
    Effect.gen(function* () {
      const { client, model } = yield* begin(
        [
          { text: "one" },
          { text: "two" },
          { toolCalls: [list] },
          { fail: tooLong },
          { text: "the summary" },
          { text: "three" }
        ],
        undefined
      )
      yield* client.turn(long("first"), "k1")
      yield* client.turn("second", "k2")
      const third = yield* client.turn("third", "k3")
      assert.deepStrictEqual(textsOf([third.message]), ["three"])
      assert.deepStrictEqual(texts((yield* model.calls)[5]), [
        `${SUMMARY_INTRO}\nthe summary`,
        "second",
        "two",
        "third",
        "tool-call",
        "tool-result"
      ])
    }).pipe(Effect.scoped)
  )
})
