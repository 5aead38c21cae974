/**
 * What onboarding and doctor ask of servers, with the servers' answers made up.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { keyProblem, listModels, serverOf } from "../../src/layers/checks/model.ts"
import { hostOf, knock } from "../../src/layers/checks/reach.ts"
import { tokenProblem } from "../../src/layers/checks/telegram.ts"
import { fetchOver } from "../../src/layers/models/fetchOver.ts"
import { renamed } from "../../src/layers/config/renamed.ts"

type Answer = Response | { readonly code: string }

/** A client whose every request is answered so; gives what was asked. */
const answering = (answer: Answer) => {
  const asked: Array<HttpClientRequest.HttpClientRequest> = []
  const client = HttpClient.make((request) => {
    asked.push(request)
    if (answer instanceof Response) return Effect.succeed(HttpClientResponse.fromWeb(request, answer))
    const cause = Object.assign(new Error("no"), { code: answer.code, syscall: "connect" })
    return Effect.fail(
      new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
    )
  })
  return { asked, client }
}

const anthropic = serverOf({}, "anthropic")!
const openai = serverOf({}, "openai")!
const key = Redacted.make("sk-a-key-that-nobody-sees")

describe("a provider's list of models", () => {
  it.effect("is read with the key where the provider wants it", () =>
    Effect.gen(function* () {
      const list = () => Response.json({ data: [{ id: "one", more: 1 }, { id: "two" }] })
      const first = answering(list())
      const found = yield* Effect.provideService(listModels(anthropic, key), HttpClient.HttpClient, first.client)
      assert.deepStrictEqual(found, ["one", "two"])
      assert.strictEqual(first.asked[0]?.url, "https://api.anthropic.com/v1/models")
      assert.strictEqual(first.asked[0]?.headers["x-api-key"], Redacted.value(key))
      const second = answering(list())
      yield* Effect.provideService(listModels(openai, key), HttpClient.HttpClient, second.client)
      assert.strictEqual(second.asked[0]?.headers["authorization"], `Bearer ${Redacted.value(key)}`)
    })
  )

  const failures: ReadonlyArray<readonly [what: string, answer: Answer, kind: string, said: RegExp]> = [
    ["a wrong key", new Response("{}", { status: 401 }), "key", /refuses this key \(401\)/],
    ["a server without a list", new Response("{}", { status: 404 }), "unsupported", /does not list/],
    ["an answer that is no list", new Response("<html>"), "unsupported", /does not list/],
    ["a name that nobody has", { code: "ENOTFOUND" }, "unreachable", /api.openai.com cannot be found \(DNS/],
    ["nobody there", { code: "ECONNREFUSED" }, "unreachable", /nothing listens at api.openai.com/],
    ["a certificate of somebody else", { code: "CERT_HAS_EXPIRED" }, "unreachable", /certificate of api.openai.com/],
    ["a network that is away", { code: "ENETUNREACH" }, "unreachable", /cannot be reached \(ENETUNREACH\)/]
  ]
  for (const [what, answer, kind, said] of failures) {
    it.effect(`tells ${what}, with a fix and without the key`, () =>
      Effect.gen(function* () {
        const { client } = answering(answer)
        const failed = yield* Effect.flip(Effect.provideService(listModels(openai, key), HttpClient.HttpClient, client))
        assert.strictEqual(failed.kind, kind)
        assert.match(failed.message, said)
        assert.match(failed.message, /\nFix: /)
        assert.notInclude(JSON.stringify(failed), Redacted.value(key))
      })
    )
  }

  it.effect("is not read to the end when it has none, and neither is a model's answer", () =>
    Effect.gen(function* () {
      const endless = () => {
        const chunk = new Uint8Array(1024 * 1024).fill(97)
        return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }))
      }
      const list = answering(endless())
      const failed = yield* Effect.flip(
        Effect.provideService(listModels(openai, key), HttpClient.HttpClient, list.client)
      )
      assert.strictEqual(failed.kind, "unsupported")
      const answer = answering(endless())
      const read = yield* Effect.promise(async () => {
        const response = await fetchOver(answer.client)("https://a.example/v1/chat/completions")
        return (await response.arrayBuffer()).byteLength
      })
      assert.strictEqual(read, 64 * 1024 * 1024)
    })
  )

  it.effect("is not waited for for ever", () =>
    Effect.gen(function* () {
      const never = HttpClient.make(() => Effect.never)
      const asking = yield* listModels(openai, key).pipe(
        Effect.provideService(HttpClient.HttpClient, never),
        Effect.flip,
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(asking)).kind, "unreachable")
    })
  )
})

describe("a server's clock", () => {
  it.effect("is compared with this machine's, at the middle of its second", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 0, 1, 12, 0, 0))
      const date = (value: string) => ({ headers: { date: value } })
      const ahead = answering(new Response("", date("Thu, 01 Jan 2026 12:02:00 GMT")))
      const seen = yield* Effect.provideService(knock("https://a.example/x"), HttpClient.HttpClient, ahead.client)
      assert.strictEqual(seen.skewMs, 120_500)
      const odd = answering(new Response("", date("yesterday")))
      const none = yield* Effect.provideService(knock("https://a.example/x"), HttpClient.HttpClient, odd.client)
      assert.isUndefined(none.skewMs)
    })
  )

  it("is named by its host alone", () => {
    assert.strictEqual(hostOf("https://user:secret@a.example:8443/x?token=y"), "a.example:8443")
    assert.strictEqual(hostOf("nothing"), "the address")
  })
})

describe("what is read before it is sent anywhere", () => {
  it("a key is what a header can carry", () => {
    assert.isUndefined(keyProblem("sk-ant-0_1.2~3/4+5="))
    for (const text of ["", "two words", "one\nX-Header: two", "sk-\u2014dash", "nul\0"])
      assert.isDefined(keyProblem(text))
  })

  it("a bot token looks like one", () => {
    assert.isUndefined(tokenProblem("123456789:AAtesting-token_of_the_bot_api_server"))
    for (const text of ["", "hello", "123456789:", "123456789:short", "abc:AAtesting-token_of_the_bot_api", "1 2:3"]) {
      assert.isDefined(tokenProblem(text))
    }
  })

  it("older names of keys give way, unless the newer one has a value", () => {
    const before = { tools: { exec: { timeoutSec: 3, node: "n" } }, gateway: { nodes: { denyCommands: ["a"] } }, x: 1 }
    assert.deepStrictEqual(renamed(before), {
      tree: {
        tools: { exec: { node: "n", timeoutSeconds: 3 } },
        gateway: { nodes: { commands: { deny: ["a"] } } },
        x: 1
      },
      changes: [
        "tools.exec.timeoutSec -> tools.exec.timeoutSeconds",
        "gateway.nodes.denyCommands -> gateway.nodes.commands.deny"
      ]
    })
    const both = { tools: { exec: { timeoutSec: 3, timeoutSeconds: 4 } } }
    assert.deepStrictEqual(renamed(both), { tree: both, changes: [] })
    const odd = { gateway: { nodes: { denyCommands: ["a"], commands: "odd" } } }
    assert.deepStrictEqual(renamed(odd), { tree: odd, changes: [] })
  })
})
