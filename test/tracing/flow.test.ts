/** One trace from the Telegram update to the delivery, with what each step says of itself. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { GatewayError } from "../../src/protocol/GatewayError.ts"
import { CurrentFlow, type FlowContext } from "../../src/services/Tracing.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import * as Http from "../http/kit.ts"
import { ada, laptop, named, paths, start } from "./kit.ts"

describe("a Telegram message", () => {
  it.live("is one trace, from its arrival through model, tool and node to its delivery", () =>
    Effect.gen(function* () {
      const { bot, kit, services } = yield* start()
      yield* Effect.provideContext(MockNode.make(laptop), services)
      yield* bot.sendText({ from: ada, text: "what is the uptime of laptop?" })
      yield* bot.awaitReply({ chatId: ada.id })
      yield* bot.awaitConfirmed
      const operator = yield* kit.connect()
      const ask = operator.call["diagnostics.trace"]
      const trace = yield* ask({}).pipe(
        Effect.repeat({ until: ({ spans }) => spans.some(({ name, status }) => name === "turn" && status === "ok") })
      )
      const { spans } = trace
      const found = paths(spans)
      for (const path of [
        "receive",
        "receive > admit",
        "receive > admit > turn",
        "receive > admit > turn > model",
        "receive > admit > turn > tool > invoke",
        "receive > admit > turn > deliver"
      ]) {
        assert.include(found, path)
      }
      assert.isTrue(spans.every(({ status }) => status === "ok"))
      assert.strictEqual(named(spans, "receive").attributes["channel"], "telegram")
      assert.strictEqual(named(spans, "admit").attributes["decision"], "admit")
      assert.strictEqual(named(spans, "model").attributes["provider"], "builtin")
      assert.strictEqual(named(spans, "tool").attributes["tool"], "nodes")
      assert.include(named(spans, "invoke").attributes, { command: "device.status", node: "laptop" })
      assert.include(named(spans, "deliver").attributes, { attempts: 1, messages: 1, channel: "telegram" })
      const turn = named(spans, "turn")
      for (const span of spans.filter(({ name }) => name === "model" || name === "tool")) {
        assert.isAtLeast(span.startedAt, turn.startedAt)
        assert.isAtMost(span.startedAt + span.durationMs!, turn.startedAt + turn.durationMs! + 1)
      }

      // Each name of it finds the same.
      const key = String(named(spans, "receive").attributes["messageId"])
      for (const message of [trace.runId!, trace.sessionKey!, trace.traceId, `${ada.id}:${key}`, key]) {
        assert.strictEqual((yield* ask({ message })).traceId, trace.traceId, message)
      }
      const none = yield* Effect.flip(ask({ message: "nobody-knows" }))
      assert.instanceOf(none, GatewayError)
      assert.match(none.message, /no trace is kept of "nobody-knows"/)
      // Nobody's words are in it.
      assert.notMatch(JSON.stringify(trace), /uptime of|hostname/)
    }).pipe(Effect.scoped)
  )

  it.live("whose model fails says so by the error's name, and a command has a trace without a turn", () =>
    Effect.gen(function* () {
      const models = ScriptedModel.layer([{ text: ["half"], fail: ScriptedModel.streamCut }])
      const { bot, kit } = yield* start({ models })
      const operator = yield* kit.connect()
      yield* bot.sendText({ from: ada, text: "one" })
      const failed = yield* bot.awaitReply({ chatId: ada.id })
      const { spans } = yield* operator.call["diagnostics.trace"]({}).pipe(
        Effect.repeat({
          until: (trace) => trace.spans.some(({ name, status }) => name === "turn" && status === "error")
        })
      )
      assert.strictEqual(named(spans, "model").status, "error")
      assert.strictEqual(named(spans, "turn").error, "ModelFailed")
      assert.strictEqual(named(spans, "deliver").status, "ok")

      const { messageId } = yield* bot.sendText({ from: ada, text: "/status" })
      yield* bot.awaitReply({ chatId: ada.id, after: failed.messageId })
      const command = yield* operator.call["diagnostics.trace"]({ message: String(messageId) })
      assert.deepStrictEqual(paths(command.spans), ["receive", "receive > admit"])
      assert.isUndefined(command.runId)
    }).pipe(Effect.scoped)
  )
})

describe("a request of a client", () => {
  it.live("goes on with the trace that its frame names, and one that names none well has its own", () =>
    Effect.gen(function* () {
      const { kit } = yield* start({ models: ScriptedModel.layer(["one", "two", "three"].map((text) => ({ text }))) })
      const operator = yield* kit.connect()
      const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
      /** As a client says it, right or wrong. */
      const found = (text: string): FlowContext => {
        const [, traceId = "", spanId = ""] = text.split("-")
        return { traceId, spanId, sampled: true }
      }
      const ask = (idempotencyKey: string, traceparent: string) =>
        operator
          .request("agent", { message: "hello", sessionKey: "main", idempotencyKey }, { expectFinal: true })
          .pipe(Effect.provideService(CurrentFlow, found(traceparent)))
      yield* ask("first", `00-${traceId}-00f067aa0ba902b7-01`)
      const trace = yield* operator.call["diagnostics.trace"]({ message: "first" })
      assert.strictEqual(trace.traceId, traceId)
      assert.strictEqual(named(trace.spans, "request").parentId, "00f067aa0ba902b7")
      assert.include(paths(trace.spans), "request > turn > model")
      assert.strictEqual(named(trace.spans, "request").attributes["method"], "agent")

      yield* ask("second", `00-${traceId}-0000000000000000-01`)
      const other = yield* operator.call["diagnostics.trace"]({ message: "second" })
      assert.notStrictEqual(other.traceId, traceId)
      assert.isUndefined(named(other.spans, "request").parentId)
    }).pipe(Effect.scoped)
  )

  it.live("over HTTP goes on with the trace that its header names", () =>
    Effect.gen(function* () {
      const { ask, kit } = yield* Http.start(
        { gateway: { http: { endpoints: { chatCompletions: { enabled: true } } } } },
        { text: "one" },
        { text: "two" }
      )
      const operator = yield* kit.connect()
      const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
      const chat = (traceparent: string) =>
        ask("/v1/chat/completions", {
          headers: { traceparent },
          body: { messages: [{ role: "user", content: "hi" }] }
        })
      for (const flags of ["01", "wrong"]) {
        assert.strictEqual((yield* chat(`00-${traceId}-00f067aa0ba902b7-${flags}`)).status, 200)
      }
      const { spans } = yield* operator.call["diagnostics.trace"]({ message: traceId })
      assert.lengthOf(
        spans.filter(({ name }) => name === "turn"),
        1
      )
      assert.include(named(spans, "request"), { parentId: "00f067aa0ba902b7" })
      assert.strictEqual(named(spans, "request").attributes["method"], "POST /v1/chat/completions")
      assert.include(paths(spans), "request > turn > model")
      const newest = yield* operator.call["diagnostics.trace"]({})
      assert.notStrictEqual(newest.traceId, traceId)
    }).pipe(Effect.scoped)
  )
})
