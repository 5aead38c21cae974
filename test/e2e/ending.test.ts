/**
 * Turns that somebody ended, through a whole Gateway: what the transcript keeps and what clients are told.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { ChatEvent } from "../../src/protocol/EventTable.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

const sessionKey = "main"
const looking: ScriptedModel.ScriptStep = {
  text: "Looking.",
  toolCalls: [{ name: "nodes", params: { action: "list" } }]
}
/** Says something and then nothing for ever. */
const hanging: ScriptedModel.ScriptStep = { text: ["Half an answer", "…"], deltaDelay: "1 hour" }

const start = Effect.fnUntraced(function* (...script: ScriptedModel.Script) {
  const models = ScriptedModel.layer(script)
  const services = yield* Layer.build(GatewayTest.layer({ models }))
  const client = yield* Context.get(services, GatewayTest.GatewayTest).connect()
  /** The first `chat` event that fits, from now on. */
  const next = (fits: (event: ChatEvent) => boolean) =>
    client.on("chat").pipe(
      Stream.filter(fits),
      Stream.take(1),
      Stream.runHead,
      Effect.map((found) => {
        assert(found._tag === "Some")
        return found.value
      }),
      Effect.forkScoped({ startImmediately: true })
    )
  const send = (message: string, idempotencyKey: string, more: { readonly timeoutMs?: number } = {}) =>
    client.call["chat.send"]({ sessionKey, message, idempotencyKey, ...more })
  const transcript = Effect.map(client.call["chat.history"]({ sessionKey }), (page) =>
    ("kind" in page ? [] : page.messages).map(({ content, errorMessage, openclawAbort, role }) => ({
      role,
      text:
        typeof content === "string"
          ? content
          : content.flatMap((part) => (part["type"] === "text" ? [part["text"]] : [])).join(),
      ...(errorMessage === undefined ? undefined : { errorMessage }),
      ...(openclawAbort === undefined ? undefined : { origin: openclawAbort.origin })
    }))
  )
  return { client, next, send, transcript }
})

const isHalf = (event: ChatEvent) => event.state === "delta" && event.deltaText.includes("Half")

describe("a turn that is ended in its second step", () => {
  const endings = [
    { by: "chat.abort", stopReason: "rpc", origin: "rpc" },
    { by: "/stop", stopReason: "stop", origin: "stop-command" }
  ] as const

  for (const { by, origin, stopReason } of endings) {
    it.live(`by ${by} keeps what it had said, each word once`, () =>
      Effect.gen(function* () {
        const { client, next, send, transcript } = yield* start(looking, hanging)
        const half = yield* next(isHalf)
        const aborted = yield* next(({ state }) => state === "aborted")
        yield* send("how is it?", "r1")
        yield* Fiber.join(half)
        const history = yield* client.call["chat.history"]({ sessionKey })
        assert("inFlightRun" in history)
        assert.deepInclude(history.inFlightRun, { runId: "r1", text: "Looking.\n\nHalf an answer" })

        const answer = by === "/stop" ? yield* send("/stop", "s1") : yield* client.call["chat.abort"]({ sessionKey })
        assert.deepInclude(answer, { ok: true, aborted: true, runIds: ["r1"] })
        const event = yield* Fiber.join(aborted)
        assert.deepInclude(event, { runId: "r1", stopReason })
        assert.deepStrictEqual(event.message?.content, [{ type: "text", text: "Looking.\n\nHalf an answer" }])
        assert.deepStrictEqual(
          (yield* transcript).filter(({ role }) => role !== "toolResult"),
          [
            { role: "user", text: "how is it?" },
            { role: "assistant", text: "Looking." },
            { role: "assistant", text: "Half an answer", origin }
          ]
        )
      }).pipe(Effect.scoped)
    )
  }

  it.live("by its timeout keeps what it had said, marked by the error", () =>
    Effect.gen(function* () {
      const { next, send, transcript } = yield* start(looking, hanging)
      const failed = yield* next(({ state }) => state === "error")
      yield* send("how is it?", "r1", { timeoutMs: 700 })
      const event = yield* Fiber.join(failed)
      assert(event.state === "error")
      assert.strictEqual(event.errorKind, "timeout")
      const entries = yield* transcript
      assert.deepInclude(entries.at(-1), { role: "assistant", text: "Half an answer" })
      assert.isNotEmpty(entries.at(-1)?.errorMessage)
      assert.strictEqual(entries.filter(({ text }) => text.includes("Looking")).length, 1)
    }).pipe(Effect.scoped)
  )
})

it.live("a queued message that is aborted stays in the transcript", () =>
  Effect.gen(function* () {
    const { client, next, send, transcript } = yield* start(hanging)
    const half = yield* next(isHalf)
    yield* send("first", "r1")
    yield* Fiber.join(half)
    yield* send("second", "r2")
    const gone = yield* next(({ runId, state }) => runId === "r2" && state === "aborted")
    const answer = yield* client.call["chat.abort"]({ sessionKey, runId: "r2" })
    assert.deepStrictEqual(answer.runIds, ["r2"])
    assert.deepInclude(yield* Fiber.join(gone), { stopReason: "rpc" })
    assert.deepInclude(yield* transcript, { role: "user", text: "second" })
    yield* client.call["chat.abort"]({ sessionKey })
  }).pipe(Effect.scoped)
)
