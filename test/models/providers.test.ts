/**
 * Every provider package through the one adapter, against a server that speaks its wire format.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as AiError from "effect/ai/AiError"
import * as Prompt from "effect/ai/Prompt"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { resultsMessage } from "../../src/layers/agent/history.ts"
import { callModel, callsOf, replyMessage } from "../../src/layers/agent/modelStep.ts"
import { Models } from "../../src/services/Models.ts"
import { STREAM_CUT } from "../../src/layers/models/errors.ts"
import { collect, KEY, reasonOf, stream, textOf, until, wires, withModel } from "./wires.ts"

for (const wire of wires) {
  describe(`provider ${wire.name}`, () => {
    it.live("streams text, with usage, to the configured address with the key in its header", () =>
      withModel(wire, (server, ref) =>
        Effect.gen(function* () {
          yield* server.push({ text: ["Hel", "lo", " there"], usage: { input: 7, output: 3 } })
          const { error, parts } = yield* collect(ref)
          assert.isUndefined(error)
          assert.strictEqual(textOf(parts), "Hello there")
          assert.isAtLeast(parts.filter((part) => part.type === "text-delta" && part.delta !== "").length, 3)
          const finish = parts.at(-1)
          assert.strictEqual(finish?.type, "finish")
          if (finish?.type === "finish") {
            assert.strictEqual(finish.reason, "stop")
            assert.strictEqual(finish.usage.inputTokens.total, 7)
            assert.strictEqual(finish.usage.outputTokens.total, 3)
          }
          const [request] = yield* server.requests
          assert.strictEqual(request?.path, wire.path)
          assert.strictEqual(request?.headers[wire.keyHeader], wire.keyValue)
          assert.isUndefined(request?.headers["traceparent"])
          const body = request?.body as { model: string; stream: boolean }
          assert.strictEqual(body.model, ref.slice(ref.indexOf("/") + 1))
          assert.strictEqual(body.stream, true)
          if (wire.api === "openai-responses") assert.strictEqual((body as unknown as { store: boolean }).store, false)
        })
      )
    )

    it.live("takes tool calls and sends their results back", () =>
      withModel(wire, (server, ref) =>
        Effect.gen(function* () {
          yield* server.push(
            {
              text: ["Let me look."],
              toolCalls: [
                { id: "c1", name: "nodes", arguments: '{"action":"list"}' },
                { id: "c2", name: "nodes", arguments: '{"action":"describe","node":"studio"}' }
              ]
            },
            { text: ["Done."] }
          )
          const first = yield* collect(ref)
          assert.isUndefined(first.error)
          const calls = first.parts.filter((part) => part.type === "tool-call")
          assert.deepStrictEqual(
            calls.map((call) => [call.id, call.name, call.params]),
            [
              ["c1", "nodes", { action: "list" }],
              ["c2", "nodes", { action: "describe", node: "studio" }]
            ]
          )
          const finish = first.parts.at(-1)
          assert.strictEqual(finish?.type === "finish" ? finish.reason : undefined, "tool-calls")
          const results = Prompt.toolMessage({
            content: calls.map((call, index) =>
              Prompt.toolResultPart({
                id: call.id,
                name: call.name,
                result: `result ${index}`,
                isFailure: index === 1,
                providerExecuted: false
              })
            )
          })
          const prompt = Prompt.fromMessages([
            Prompt.systemMessage({ content: "Be brief." }),
            Prompt.userMessage({ content: [Prompt.textPart({ text: "hello" })] }),
            ...Prompt.fromResponseParts(first.parts).content,
            results
          ])
          const second = yield* collect(ref, prompt)
          assert.isUndefined(second.error)
          assert.strictEqual(textOf(second.parts), "Done.")
          const sent = JSON.stringify((yield* server.requests)[1]?.body)
          for (const expected of ["Be brief.", "hello", "Let me look.", "c1", "c2", "result 0", "result 1", "studio"]) {
            assert.include(sent, expected)
          }
        })
      )
    )

    it.live("hands arguments that are no JSON on as they are, and keeps the wire valid afterwards", () =>
      withModel(wire, (server, ref) =>
        Effect.gen(function* () {
          yield* server.push({ toolCalls: [{ id: "c1", name: "nodes", arguments: "{broken" }] }, { text: ["ok"] })
          const { error, parts } = yield* collect(ref)
          assert.isUndefined(error)
          const call = parts.find((part) => part.type === "tool-call")
          assert.strictEqual(call?.params, "{broken")
          const again = yield* collect(
            ref,
            Prompt.fromMessages([
              Prompt.userMessage({ content: [Prompt.textPart({ text: "hello" })] }),
              ...Prompt.fromResponseParts(parts).content,
              Prompt.toolMessage({
                content: [
                  Prompt.toolResultPart({
                    id: "c1",
                    name: "nodes",
                    result: "bad parameters",
                    isFailure: true,
                    providerExecuted: false
                  })
                ]
              })
            ])
          )
          assert.isUndefined(again.error)
          assert.strictEqual(textOf(again.parts), "ok")
        })
      )
    )

    if (wire.name === "anthropic" || wire.name === "openai-compatible") {
      it.live("keeps reasoning apart from the answer, and sends it back as the provider wants it", () =>
        withModel(wire, (server, ref) =>
          Effect.gen(function* () {
            const toolCalls = [{ id: "c1", name: "nodes", arguments: '{"action":"list"}' }]
            yield* server.push({ reasoning: "thinking hard", text: ["Let me look."], toolCalls }, { text: ["ok"] })
            const { provider, model, service } = yield* Models.use((models) => models.resolve(ref))
            const resolved = { ref, provider, model, service }
            const hello = Prompt.userMessage({ content: [Prompt.textPart({ text: "hello" })] })
            const first = yield* callModel(resolved, [hello], { onText: () => Effect.void })
            assert.strictEqual(first.text, "Let me look.")
            assert.deepStrictEqual(
              first.parts.map((part) => part.type),
              ["reasoning", "text", "tool-call"]
            )
            const results = resultsMessage(callsOf(first), [{ text: "none", isError: false }])
            const second = yield* callModel(resolved, [hello, replyMessage(first), results], {
              onText: () => Effect.void
            })
            assert.strictEqual(second.text, "ok")
            const sent = JSON.stringify((yield* server.requests)[1]?.body)
            assert.include(sent, "thinking hard")
            if (wire.name === "anthropic") assert.include(sent, "c2lnbmVk")
          })
        )
      )
    }

    it.live("401 is a refused key that shows nothing of it", () =>
      withModel(wire, (server, ref) =>
        Effect.gen(function* () {
          yield* server.push({ status: 401, errorMessage: `Incorrect API key provided: ${KEY}` })
          const { error } = yield* collect(ref)
          const reason = reasonOf(error)
          assert.strictEqual(reason._tag, "AuthenticationError")
          assert.notInclude(JSON.stringify(error), KEY)
          assert.notInclude(String(error), KEY)
        })
      )
    )

    it.live("429 says when to come back", () =>
      withModel(wire, (server, ref) =>
        Effect.gen(function* () {
          yield* server.push({ status: 429, retryAfter: "7" })
          const reason = reasonOf((yield* collect(ref)).error)
          assert.strictEqual(reason._tag, "RateLimitError")
          if (reason._tag === "RateLimitError") assert.strictEqual(Duration.toMillis(reason.retryAfter!), 7000)
        })
      )
    )

    it.live("tells a used-up quota, an unknown model, a long conversation, a forbidden one and a 500 apart", () =>
      withModel(wire, (server, ref) =>
        Effect.gen(function* () {
          yield* server.push(
            { status: 429, errorMessage: "insufficient_quota: check your plan" },
            { status: 404, errorMessage: "model not found" },
            { status: 400, errorMessage: "prompt is too long: 300000 tokens" },
            { status: 403, errorMessage: "no access" },
            { status: 500, errorMessage: "boom" }
          )
          const reasons: Array<AiError.AiErrorReason> = []
          for (let call = 0; call < 5; call++) reasons.push(reasonOf((yield* collect(ref)).error))
          assert.deepStrictEqual(
            reasons.map((reason) => reason._tag),
            [
              "QuotaExhaustedError",
              "InvalidRequestError",
              "InvalidRequestError",
              "AuthenticationError",
              "InternalProviderError"
            ]
          )
          assert.strictEqual(reasons[1]?._tag === "InvalidRequestError" && reasons[1].parameter, "model")
          assert.strictEqual(reasons[2]?._tag === "InvalidRequestError" && reasons[2].constraint, "context_length")
        })
      )
    )

    for (const end of ["cut", "reset"] as const) {
      it.live(`an answer that breaks off (${end}) keeps its text and is an error`, () =>
        withModel(wire, (server, ref) =>
          Effect.gen(function* () {
            yield* server.push({ text: ["half ", "of it"], end })
            const { error, parts } = yield* collect(ref)
            assert.strictEqual(textOf(parts), "half of it")
            const reason = reasonOf(error)
            assert.strictEqual(reason._tag, "NetworkError")
            if (reason._tag === "NetworkError") assert.strictEqual(reason.description, STREAM_CUT)
          })
        )
      )
    }

    it.live("an error event in the middle is the provider's error", () =>
      withModel(wire, (server, ref) =>
        Effect.gen(function* () {
          yield* server.push({ text: ["half"], end: "error" })
          const { error, parts } = yield* collect(ref)
          assert.strictEqual(textOf(parts), "half")
          assert.strictEqual(reasonOf(error)._tag, "InternalProviderError")
        })
      )
    )

    it.live("an answer that is no event stream is an error, not an empty answer", () =>
      withModel(wire, (server, ref) =>
        Effect.gen(function* () {
          yield* server.push(
            { rawBody: "<html>not a model</html>", contentType: "text/html" },
            { rawBody: "data: {not json\n\n" }
          )
          assert.isDefined((yield* collect(ref)).error)
          const reason = reasonOf((yield* collect(ref)).error)
          assert.include(["InvalidResponseError", "InternalProviderError", "NetworkError"], reason._tag)
        })
      )
    )

    it.live("interrupting the call ends its request", () =>
      withModel(wire, (server, ref) =>
        Effect.gen(function* () {
          yield* server.push({ text: ["and"], end: "hold" })
          const seen: Array<string> = []
          const fiber = yield* stream(ref).pipe(
            Stream.runForEach((part) =>
              Effect.sync(() => void (part.type === "text-delta" && part.delta !== "" && seen.push(part.delta)))
            ),
            Effect.forkChild({ startImmediately: true })
          )
          yield* until(Effect.sync(() => seen.length > 0))
          const exit = yield* Fiber.interrupt(fiber).pipe(Effect.andThen(Fiber.await(fiber)))
          assert.isTrue(Exit.hasInterrupts(exit))
          yield* until(Effect.map(server.aborted, (count) => count === 1))
        })
      )
    )
  })
}
