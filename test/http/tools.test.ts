/** `POST /tools/invoke` over real HTTP, with a real node registry and a Bot API behind it. */
import { request as httpRequest } from "node:http"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { decider } from "../approvals/kit.ts"
import { startNode } from "../approvals/realNode.ts"
import * as Kit from "./kit.ts"

const PATH = "/tools/invoke"
const nodesAllowed = { gateway: { tools: { allow: ["nodes"] } } }

describe("/tools/invoke", () => {
  it.live("calls a tool and gives its result as text and as data", () =>
    Effect.gen(function* () {
      const { ask, services } = yield* Kit.start(nodesAllowed)
      const node = yield* MockNode.make({
        nodeId: "laptop-1",
        displayName: "laptop",
        commands: { "device.status": Effect.succeed({ uptimeSeconds: 60 }) }
      }).pipe(Effect.provideContext(services))
      const listed = yield* ask(PATH, { body: { tool: "nodes", action: "list" } })
      assert.strictEqual(listed.status, 200)
      assert.isTrue(listed.json.ok)
      assert.deepInclude(listed.json.result.details.nodes[0], { nodeId: "laptop-1", connected: true })
      assert.deepStrictEqual(JSON.parse(listed.json.result.content[0].text), listed.json.result.details)

      // The name goes before the tool, and the args' own action before the other.
      const args = { action: "invoke", node: "laptop", command: "device.status" }
      const body = { tool: "message", name: "nodes", action: "list", args, idempotencyKey: "k1", sessionKey: "work" }
      const invoked = yield* ask(PATH, { body })
      assert.deepStrictEqual(invoked.json.result.details, {
        node: "laptop",
        command: "device.status",
        result: { uptimeSeconds: 60 }
      })
      assert.strictEqual((yield* node.calls)[0]?.idempotencyKey, "http:k1")
    }).pipe(Effect.scoped)
  )

  it.live("sends a message once under one key", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      yield* bot.addChat({ id: 4711, type: "private", first_name: "Ada" })
      const { ask } = yield* Kit.start({
        channels: { telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [4711] } }
      })
      yield* bot.awaitPolling
      const body = { tool: "message", args: { channel: "telegram", to: "4711", text: "Hello" }, idempotencyKey: "m1" }
      const first = yield* ask(PATH, { body })
      const again = yield* ask(PATH, { body })
      assert.deepInclude(first.json.result.details, { sent: true, channel: "telegram", chatId: "4711" })
      assert.deepStrictEqual(again.json, first.json)
      assert.lengthOf(yield* bot.sent, 1)
    }).pipe(Effect.scoped)
  )

  it.live("gives only the tools that the configuration gives", () =>
    Effect.gen(function* () {
      const plain = yield* Kit.start({})
      const unavailable = (name: string) => ({
        ok: false,
        error: { type: "not_found", message: `Tool not available: ${name}` }
      })
      for (const name of ["nodes", "exec", "nothing", "__proto__", "constructor", "toString"]) {
        const answer = yield* plain.ask(PATH, { body: { tool: name, action: "list" } })
        assert.deepStrictEqual([answer.status, answer.json], [404, unavailable(name)])
      }
      const denied = yield* Kit.start({ gateway: { tools: { allow: ["nodes", "exec"], deny: ["message", "nodes"] } } })
      for (const name of ["nodes", "message", "exec"]) {
        assert.strictEqual((yield* denied.ask(PATH, { body: { tool: name } })).status, 404)
      }
    }).pipe(Effect.scoped)
  )

  it.live("says what is wrong with a call", () =>
    Effect.gen(function* () {
      const { ask, port } = yield* Kit.start(nodesAllowed)
      const rows: ReadonlyArray<readonly [string, unknown, number, string, RegExp]> = [
        ["no name", {}, 400, "invalid_request", /requires name/],
        ["a blank name", { tool: " " }, 400, "invalid_request", /requires name/],
        ["an array", [], 400, "invalid_request", /must be an object/],
        ["a number for a name", { tool: 1 }, 400, "invalid_request", /must be an object/],
        ["an unknown agent", { tool: "nodes", agentId: "x" }, 400, "invalid_request", /^Unknown agent id "x"$/],
        [
          "another agent's session",
          { tool: "nodes", agentId: "main", sessionKey: "agent:other:x" },
          400,
          "invalid_request",
          /^agent "main" does not match session key agent "other"$/
        ],
        ["no action", { tool: "nodes" }, 400, "tool_error", /action/],
        ["a wrong action", { tool: "nodes", action: "explode" }, 400, "tool_error", /action/],
        ["args that are a list", { tool: "nodes", args: ["list"] }, 400, "tool_error", /action/],
        [
          "a node that is not there",
          { tool: "nodes", action: "describe", args: { node: "x" } },
          500,
          "tool_error",
          /no node "x"/
        ],
        [
          "a channel that is not there",
          { tool: "message", args: { channel: "telegram", to: "1", text: "x" } },
          500,
          "tool_error",
          /telegram/
        ]
      ]
      for (const [name, body, status, type, message] of rows) {
        const answer = yield* ask(PATH, { body })
        assert.strictEqual(answer.status, status, name)
        assert.isFalse(answer.json.ok, name)
        assert.strictEqual(answer.json.error.type, type, name)
        assert.match(answer.json.error.message, message, name)
      }
      const got = yield* ask(PATH)
      assert.deepStrictEqual([got.status, got.headers.allow, got.text], [405, "POST", "Method Not Allowed"])
      const broken = yield* ask(PATH, { body: "{" })
      assert.deepStrictEqual([broken.status, broken.json.error.type], [400, "invalid_request_error"])
      assert.strictEqual((yield* Kit.http(port, PATH, { body: { tool: "nodes" } })).status, 401)
    }).pipe(Effect.scoped)
  )

  it.live("takes a question to a person back when its caller is gone", () =>
    Effect.gen(function* () {
      const { kit, port, token } = yield* Kit.start(nodesAllowed)
      const { nodeId } = yield* startNode(kit)
      const { client, seen } = yield* decider(kit)
      const body = JSON.stringify({
        tool: "nodes",
        args: { action: "run", node: nodeId, argv: ["uname", "-s"] },
        idempotencyKey: "q1"
      })
      const calling = httpRequest({
        port,
        host: "127.0.0.1",
        path: PATH,
        method: "POST",
        agent: false,
        headers: { authorization: `Bearer ${token}`, "content-length": Buffer.byteLength(body) }
      })
      calling.on("error", () => undefined)
      calling.end(body)
      const waiting = client.call["exec.approval.list"]({})
      const [question] = yield* Effect.repeat(waiting, { until: (list) => list.length > 0 })
      calling.destroy()
      yield* Effect.repeat(waiting, { until: (list) => list.length === 0 })
      const over = yield* client.call["approval.get"]({ id: question!.id })
      assert.deepInclude(over.approval, { status: "cancelled", reason: "run-aborted" })
      yield* Effect.repeat(Effect.yieldNow, { until: () => seen.some(({ name }) => name === "exec.approval.resolved") })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
