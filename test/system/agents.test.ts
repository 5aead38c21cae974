/** `agents.list`, `agent.identity.get`, `agent.wait`, `commands.list`, `tools.*` over a real socket. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import * as AiError from "effect/ai/AiError"
import { conforms } from "../protocol/published.ts"
import { gateway, needs, refused, rejects } from "./kit.ts"

const two = {
  agents: {
    defaults: { model: { primary: "builtin/offline", fallbacks: ["mock/one"] } },
    entries: {
      main: { identity: { name: "Molty", emoji: "🦞", theme: " " } },
      ops: { name: "Ops", model: "mock/two", identity: { name: "" } }
    }
  }
}

layer(gateway({ config: two }), { excludeTestServices: true })("two agents", (it) => {
  it.effect("are listed as the configuration says", () =>
    Effect.gen(function* () {
      const client = yield* (yield* GatewayTest.GatewayTest).connect({ scopes: ["operator.read"] })
      const list = yield* client.call["agents.list"]({})
      conforms("AgentsListResult", list)
      assert.strictEqual(list.defaultId, "main")
      assert.strictEqual(list.selectionRequired, false)
      const [main, ops] = list.agents
      assert.deepInclude(main, {
        id: "main",
        name: "Molty",
        identity: { name: "Molty", emoji: "🦞" },
        model: { primary: "builtin/offline", fallbacks: ["mock/one"] }
      })
      assert.deepInclude(ops, { id: "ops", name: "Ops", model: { primary: "mock/two" } })
      assert.isUndefined(ops?.identity)
    })
  )

  it.effect("have identities; one that nobody named is an assistant", () =>
    Effect.gen(function* () {
      const client = yield* (yield* GatewayTest.GatewayTest).connect({ scopes: ["operator.read"] })
      const identity = client.call["agent.identity.get"]
      const main = yield* identity({})
      assert.deepStrictEqual(main, {
        agentId: "main",
        name: "Molty",
        nameSource: "config",
        avatar: "🦞",
        emoji: "🦞"
      })
      assert.deepStrictEqual(yield* identity({ sessionKey: "agent:ops:main" }), {
        agentId: "ops",
        name: "Ops",
        nameSource: "config",
        avatar: "O"
      })
      const other = yield* identity({ agentId: "other" })
      assert.deepStrictEqual(other, { agentId: "other", name: "Assistant", nameSource: "default", avatar: "A" })
      for (const each of [main, other]) conforms("AgentIdentityResult", each)
      const two = yield* refused(client, "agent.identity.get", { sessionKey: "agent:ops:main", agentId: "main" })
      assert.strictEqual(two.code, "INVALID_REQUEST")
    })
  )

  it.effect("understand the commands that are listed", () =>
    Effect.gen(function* () {
      const client = yield* (yield* GatewayTest.GatewayTest).connect({ scopes: ["operator.read"] })
      const list = client.call["commands.list"]
      const names = (answer: { readonly commands: ReadonlyArray<{ readonly name: string }> }) =>
        answer.commands.map(({ name }) => name)
      const chat = yield* list({})
      conforms("CommandsListResult", chat)
      assert.deepStrictEqual(names(chat), ["stop", "steer", "queue", "new", "reset", "compact"])
      const queue = chat.commands.find(({ name }) => name === "queue")
      assert.deepStrictEqual(
        queue?.args?.[0]?.choices?.map(({ value }) => value),
        ["steer", "followup", "collect", "interrupt"]
      )
      const telegram = yield* list({ provider: "telegram", includeArgs: false, sessionKey: "agent:ops:main" })
      conforms("CommandsListResult", telegram)
      assert.includeMembers(names(telegram), ["help", "status", "stop"])
      assert.isTrue(telegram.commands.every(({ args }) => args === undefined))
      for (const params of [{ agentId: "nope" }, { sessionKey: "agent:nope:main" }]) {
        assert.strictEqual((yield* refused(client, "commands.list", params)).message, 'unknown agent id "nope"')
      }
    })
  )

  it.effect("have tools", () =>
    Effect.gen(function* () {
      const client = yield* (yield* GatewayTest.GatewayTest).connect({ scopes: ["operator.read"] })
      const catalog = yield* client.call["tools.catalog"]({ agentId: "ops" })
      conforms("ToolsCatalogResult", catalog)
      const effective = yield* client.call["tools.effective"]({ sessionKey: "main" })
      conforms("ToolsEffectiveResult", effective)
      const offered = effective.groups.flatMap(({ tools }) => tools.map(({ id }) => id))
      assert.includeMembers(offered, ["nodes", "message"])
      assert.sameMembers(
        catalog.groups.flatMap(({ tools }) => tools.map(({ id }) => id)),
        offered
      )
      assert.strictEqual(
        (yield* refused(client, "tools.catalog", { agentId: "nope" })).message,
        'unknown agent id "nope"'
      )
      assert.strictEqual(
        (yield* refused(client, "tools.effective", { sessionKey: "agent:nope:main" })).code,
        "INVALID_REQUEST"
      )
    })
  )

  it.effect("are for those who may read", () =>
    Effect.gen(function* () {
      yield* needs("operator.read", [
        "agents.list",
        "agent.identity.get",
        "commands.list",
        "tools.catalog",
        "tools.effective"
      ])
      yield* needs("operator.write", ["agent.wait"])
      yield* rejects([
        ["agents.list", { x: 1 }, "at root: unexpected property 'x'"],
        ["agent.identity.get", { agentId: "" }, "at /agentId: must not have fewer than 1 characters"],
        ["agent.wait", {}, "must have required property 'runId'"],
        ["agent.wait", { runId: "r", timeoutMs: -1 }, "at /timeoutMs: must be >= 0"],
        ["commands.list", { scope: "some" }, "at /scope: must be equal to one of the allowed values"],
        ["tools.effective", {}, "must have required property 'sessionKey'"]
      ])
    })
  )
})

describe("agent.wait", () => {
  it.live("answers how a run ended, whoever began it and whenever", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const script = [
        { text: "hello" },
        { fail: new AiError.ContentPolicyError({ description: "no" }) },
        { gate: Deferred.await(gate), text: "late" }
      ]
      yield* Effect.gen(function* () {
        const client = yield* (yield* GatewayTest.GatewayTest).connect({ scopes: ["operator.write"] })
        const wait = client.call["agent.wait"]
        assert.deepStrictEqual(yield* wait({ runId: "nobody", timeoutMs: 0 }), { runId: "nobody", status: "timeout" })
        const before = yield* Effect.forkChild(wait({ runId: "one" }), { startImmediately: true })
        yield* client.request("chat.send", { sessionKey: "main", message: "hi", idempotencyKey: "one" })
        const ended = yield* Fiber.join(before)
        assert.deepInclude(ended, {
          runId: "one",
          status: "ok",
          stopReason: "stop",
          terminalReply: { disposition: "visible", text: "hello" }
        })
        assert.isAtLeast(ended.endedAt!, ended.startedAt!)
        assert.deepStrictEqual(yield* wait({ runId: "one" }), ended)

        yield* client.request("chat.send", { sessionKey: "main", message: "hi", idempotencyKey: "two" })
        const failed = yield* wait({ runId: "two" })
        assert.strictEqual(failed.status, "error")
        assert.isNotEmpty(failed.error)

        yield* client.request("chat.send", { sessionKey: "main", message: "hi", idempotencyKey: "three" })
        assert.strictEqual((yield* wait({ runId: "three", timeoutMs: 50 })).status, "timeout")
        yield* client.request("chat.abort", { sessionKey: "main", runId: "three" })
        assert.deepInclude(yield* wait({ runId: "three" }), { status: "error", stopReason: "rpc" })
      }).pipe(Effect.provide(gateway({ models: ScriptedModel.layer(script) })))
    })
  )
})
