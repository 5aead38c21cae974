/** OpenAI's API over real HTTP: whole and streamed answers, conversations, errors, clients that go away. */
import { request as httpRequest } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import type * as Prompt from "effect/ai/Prompt"
import * as AiError from "effect/ai/AiError"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Schedule from "effect/Schedule"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import type * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import * as Kit from "./kit.ts"

const CHAT = "/v1/chat/completions"
const hi = [{ role: "user", content: "hi" }]
const on: OpenClawConfig = {
  gateway: { http: { endpoints: { chatCompletions: { enabled: true } } } },
  agents: { entries: { main: { default: true }, research: {} } }
}
const start = (...script: ScriptedModel.Script) => Kit.start(on, ...script)

/** What the model is asked, in words: the system prompt left out. */
const said = (messages: ReadonlyArray<Prompt.Message>) =>
  messages.flatMap(({ content, role }) =>
    role === "system" || typeof content === "string"
      ? []
      : [`${role}: ${content.map((part) => (part.type === "text" ? part.text : part.type)).join("")}`]
  )
const system = (messages: ReadonlyArray<Prompt.Message>) =>
  messages.flatMap(({ content, role }) => (role === "system" ? [String(content)] : [])).join("\n")

/** The JSON of each `data:` line; `[DONE]` as it is. */
const events = (text: string): ReadonlyArray<any> =>
  text
    .split("\n\n")
    .filter((line) => line.startsWith("data: "))
    .map((line) => (line === "data: [DONE]" ? "[DONE]" : JSON.parse(line.slice(6))))

const contents = (all: ReadonlyArray<any>) => all.map((event) => event.choices?.[0]?.delta?.content ?? "").join("")

describe("/v1", () => {
  it.live("is not there unless it is switched on", () =>
    Effect.gen(function* () {
      for (const config of [{}, { gateway: { http: { endpoints: { chatCompletions: { enabled: false } } } } }]) {
        const { ask } = yield* Kit.start(config)
        assert.strictEqual((yield* ask(CHAT, { body: { messages: hi } })).status, 404)
        assert.strictEqual((yield* ask("/v1/models")).status, 404)
      }
    }).pipe(Effect.scoped)
  )

  it.live("wants the operator's token, and each path its method", () =>
    Effect.gen(function* () {
      const { ask, port } = yield* start()
      for (const path of ["/v1/models", "/v1/models/openclaw"]) {
        assert.strictEqual((yield* Kit.http(port, path)).status, 401)
        const posted = yield* ask(path, { body: {} })
        assert.deepStrictEqual([posted.status, posted.headers.allow], [405, "GET"])
      }
      assert.strictEqual((yield* Kit.http(port, CHAT, { body: { messages: hi } })).status, 401)
      const got = yield* ask(CHAT)
      assert.deepStrictEqual([got.status, got.headers.allow, got.text], [405, "POST", "Method Not Allowed"])
    }).pipe(Effect.scoped)
  )

  it.live("lists the agents as models", () =>
    Effect.gen(function* () {
      const { ask } = yield* start()
      const { json } = yield* ask("/v1/models")
      assert.deepStrictEqual(
        json.data.map(({ id }: { id: string }) => id),
        ["openclaw", "openclaw/default", "openclaw/main", "openclaw/research"]
      )
      const one = yield* ask("/v1/models/openclaw%2Fresearch")
      assert.deepStrictEqual(one.json, {
        id: "openclaw/research",
        object: "model",
        created: 0,
        owned_by: "openclaw",
        permission: []
      })
      assert.strictEqual((yield* ask("/v1/models/gpt-4")).json.error.message, "Invalid model id.")
      assert.strictEqual((yield* ask("/v1/models/openclaw%2Fnobody")).status, 404)
      assert.strictEqual((yield* ask("/v1/models/%zz")).status, 400)
    }).pipe(Effect.scoped)
  )
})

describe("/v1/chat/completions", () => {
  it.live("answers with the turn's text and usage", () =>
    Effect.gen(function* () {
      const { ask } = yield* start({ text: ["Hello", " Ada"], usage: { inputTokens: 11, outputTokens: 3 } })
      const { json, status } = yield* ask(CHAT, { body: { model: "openclaw", messages: hi, temperature: 1 } })
      assert.strictEqual(status, 200)
      assert.match(json.id, /^chatcmpl_[0-9a-f-]{36}$/)
      assert.deepStrictEqual(
        { ...json, id: "", created: 0 },
        {
          id: "",
          created: 0,
          model: "openclaw",
          object: "chat.completion",
          choices: [{ index: 0, message: { role: "assistant", content: "Hello Ada" }, finish_reason: "stop" }],
          usage: { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 }
        }
      )
    }).pipe(Effect.scoped)
  )

  it.live("streams it as it is written", () =>
    Effect.gen(function* () {
      const { ask } = yield* start({
        text: ["Hel", "lo", " Ada"],
        deltaDelay: "120 millis",
        usage: { inputTokens: 11, outputTokens: 3 }
      })
      const answer = yield* ask(CHAT, {
        body: { messages: hi, stream: true, stream_options: { include_usage: true }, user: "u" }
      })
      assert.strictEqual(answer.headers["content-type"], "text/event-stream; charset=utf-8")
      const all = events(answer.text)
      assert.deepStrictEqual(all[0].choices[0].delta, { role: "assistant" })
      assert.strictEqual(contents(all), "Hello Ada")
      assert.isAbove(all.filter((event) => event.choices?.[0]?.delta?.content !== undefined).length, 1)
      assert.deepStrictEqual(all.at(-3).choices, [{ index: 0, delta: {}, finish_reason: "stop" }])
      assert.deepStrictEqual(
        [all.at(-2).choices, all.at(-2).usage],
        [[], { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 }]
      )
      assert.strictEqual(all.at(-1), "[DONE]")
      assert.strictEqual(new Set(all.slice(0, -1).map(({ id }) => id)).size, 1)
    }).pipe(Effect.scoped)
  )

  it.live("shows the model the conversation as it was, and what the caller wants it to be", () =>
    Effect.gen(function* () {
      const asked: Array<ReadonlyArray<Prompt.Message>> = []
      const { ask } = yield* start((messages) => {
        asked.push(messages)
        return { text: "three" }
      })
      yield* ask(CHAT, {
        body: {
          messages: [
            { role: "system", content: "Speak in numbers." },
            { role: "user", content: "one?" },
            { role: "assistant", content: [{ type: "text", text: "two" }] },
            { role: "user", content: [{ type: "text", text: "and then?" }] }
          ]
        }
      })
      const lines = said(asked[0] ?? [])
      assert.lengthOf(lines, 3)
      assert.include(lines[0], "one?")
      assert.strictEqual(lines[1], "assistant: two")
      assert.include(lines[2], "and then?")
      assert.include(system(asked[0] ?? []), "Speak in numbers.")
    }).pipe(Effect.scoped)
  )

  it.live("shows the model what another one did with tools, and answers the last word that is no answer", () =>
    Effect.gen(function* () {
      const asked: Array<ReadonlyArray<Prompt.Message>> = []
      const step: ScriptedModel.Script[number] = (messages) => {
        asked.push(messages)
        return { text: "ok" }
      }
      const { ask } = yield* start(step, step, step)
      const call = { id: "c1", type: "function", function: { name: "look", arguments: '{"at":1}' } }
      const conversations = [
        [
          ...hi,
          { role: "assistant", content: null, tool_calls: [call] },
          { role: "tool", tool_call_id: "c1", content: "" }
        ],
        [...hi, { role: "assistant", content: "Looking." }, { role: "function", name: "look", content: "found" }],
        [
          { role: "user", content: [{ type: "input_text", text: "hi" }] },
          { role: "assistant", content: "Hel" }
        ]
      ]
      for (const messages of conversations) assert.strictEqual((yield* ask(CHAT, { body: { messages } })).status, 200)
      const [whole = [], named = [], begun = []] = asked.map(said)
      assert.strictEqual(whole[1], 'assistant: tool_call id=c1 name=look arguments={"at":1}')
      assert.match(whole[2] ?? "", /Tool:c1: $/)
      assert.match(named[2] ?? "", /Tool:look: found$/)
      assert.lengthOf(begun, 1)
      assert.match(begun[0] ?? "", /hi$/)
    }).pipe(Effect.scoped)
  )

  it.live("keeps a conversation per user or session key, and none without", () =>
    Effect.gen(function* () {
      const counts: Array<number> = []
      const step: ScriptedModel.Script[number] = (messages) => {
        counts.push(said(messages).length)
        return { text: "ok" }
      }
      const { ask, kit } = yield* start(step, step, step, step, step, step)
      const earlier = [{ role: "user", content: "before" }, { role: "assistant", content: "yes" }, ...hi]
      yield* ask(CHAT, { body: { messages: hi } })
      yield* ask(CHAT, { body: { messages: hi } })
      yield* ask(CHAT, { body: { messages: earlier, user: "ada" } })
      // It has its memory by now: what the caller repeats is not said twice.
      yield* ask(CHAT, { body: { messages: earlier, user: "ada" } })
      const keyed = { "x-openclaw-session-key": "work", "x-openclaw-agent-id": "research" }
      yield* ask(CHAT, { body: { messages: hi }, headers: keyed })
      yield* ask(CHAT, { body: { messages: hi }, headers: { "x-openclaw-session-key": "agent:research:work" } })
      assert.deepStrictEqual(counts, [1, 1, 3, 5, 1, 3])
      const client = yield* kit.connect()
      const { sessions } = yield* client.call["sessions.list"]({})
      const keys = sessions.map(({ key }: { readonly key: string }) => key)
      assert.includeMembers(keys, ["agent:main:openai-user:ada", "agent:research:work"])
      assert.lengthOf(
        keys.filter((key) => key.startsWith("agent:main:openai:")),
        2
      )
    }).pipe(Effect.scoped)
  )

  it.live("tells a turn's failure, whole and in a stream", () =>
    Effect.gen(function* () {
      const fail = new AiError.InvalidRequestError({ description: "no" })
      const { ask } = yield* start({ fail }, { text: "So", fail })
      const whole = yield* ask(CHAT, { body: { messages: hi } })
      assert.strictEqual(whole.status, 500)
      assert.strictEqual(whole.json.error.type, "api_error")
      const streamed = yield* ask(CHAT, { body: { messages: hi, stream: true } })
      assert.strictEqual(streamed.status, 200)
      const all = events(streamed.text)
      assert.strictEqual(all.at(-2).error.type, "api_error")
      assert.strictEqual(all.at(-1), "[DONE]")
      assert.isFalse(all.some((event) => event.choices?.[0]?.finish_reason === "stop"))
    }).pipe(Effect.scoped)
  )

  for (const stream of [false, true]) {
    it.live(`ends the turn of a client that goes away (${stream ? "streamed" : "whole"})`, () =>
      Effect.gen(function* () {
        const reached = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<void>()
        const gate = Deferred.succeed(reached, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
        )
        const { ask, kit, port, token } = yield* start({ gate }, { text: "next" })
        const sent = httpRequest({
          port,
          path: CHAT,
          method: "POST",
          headers: { authorization: `Bearer ${token}` }
        })
        sent.on("error", () => undefined)
        sent.end(JSON.stringify({ messages: hi, user: "ada", stream }))
        yield* Deferred.await(reached)
        sent.destroy()
        yield* Deferred.await(ended)
        const next = yield* ask(CHAT, { body: { messages: hi, user: "ada" } })
        assert.strictEqual(next.json.choices[0].message.content, "next")
        const client = yield* kit.connect()
        const page = yield* client.call["chat.history"]({ sessionKey: "agent:main:openai-user:ada" })
        assert("messages" in page)
        assert.isAtLeast(page.messages.length, 3)
      }).pipe(Effect.scoped)
    )
  }

  it.live("answers one after the other on one connection, and many at once", () =>
    Effect.gen(function* () {
      const { ask } = yield* start(...Array.from({ length: 20 }, () => ({ text: "ok" })))
      const answers = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, n) => n),
        (n) => ask(CHAT, { body: { messages: hi, user: `u${n % 5}`, stream: n % 2 === 0 } }),
        { concurrency: 20 }
      )
      for (const answer of answers) {
        const text = answer.json === undefined ? contents(events(answer.text)) : answer.json.choices[0].message.content
        assert.strictEqual(text, "ok")
      }
    }).pipe(Effect.scoped)
  )

  it.live("says so to clients that wait when the Gateway stops, and their turns go on at the next start", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const stateDir = yield* fs.makeTempDirectoryScoped()
      const limits = { drainMs: 100 }
      const gates = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const script = gates.map((reached) => ({
        gate: Effect.andThen(Deferred.succeed(reached, undefined), Effect.never)
      }))
      const waiting = yield* Effect.scoped(
        Effect.gen(function* () {
          const { ask } = yield* Kit.startWith({ config: on, limits, stateDir }, ...script)
          const chat = (stream: boolean) => ask(CHAT, { body: { messages: hi, user: `stream-${stream}`, stream } })
          const fiber = yield* Effect.forkDetach(Effect.all([chat(false), chat(true)], { concurrency: 2 }), {
            startImmediately: true
          })
          yield* Effect.forEach(gates, (reached) => Deferred.await(reached))
          return fiber
        })
      )
      const [whole, streamed] = yield* Fiber.join(waiting)
      assert.strictEqual(whole.status, 503)
      assert.match(whole.json.error.message, /stopping/)
      const last = events(streamed.text)
      assert.match(last.at(-2).error.message, /stopping/)
      assert.strictEqual(last.at(-1), "[DONE]")

      const { services } = yield* Kit.startWith({ config: on, limits, stateDir }, { text: "late" }, { text: "late" })
      const client = yield* Context.get(services, GatewayTest.GatewayTest).connect()
      for (const user of ["stream-false", "stream-true"]) {
        const sessionKey = `agent:main:openai-user:${user}`
        const history = client.call["chat.history"]({ sessionKey })
        yield* history.pipe(
          Effect.map((found) => JSON.stringify(found).includes("late")),
          Effect.repeat({ until: (there) => there, schedule: Schedule.spaced("20 millis") })
        )
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
