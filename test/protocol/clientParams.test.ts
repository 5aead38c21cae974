/** Methods with the params that OpenClaw's own clients send. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { GatewayClient } from "../../src/client/GatewayClient.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

type Json = Readonly<Record<string, unknown>>

const start = Effect.gen(function* () {
  const bot = yield* BotApi.serve()
  const services = yield* Layer.build(
    GatewayTest.layer({
      models: ScriptedModel.layer(),
      config: { channels: { telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "disabled" } } }
    })
  )
  const kit = Context.get(services, GatewayTest.GatewayTest)
  return { operator: yield* kit.connect() }
})

/** The error of one call, its final answer waited for; `undefined` when it succeeded. */
const errorOf = (client: GatewayClient["Service"], method: string, params: Json) =>
  client.request(method, params, { expectFinal: true, timeout: "20 seconds" }).pipe(
    Effect.as(undefined),
    Effect.catchTag("GatewayError", ({ code, message }) => Effect.succeed({ code, message }))
  )

describe("chat", () => {
  it.live("answers the params that OpenClaw's clients send", () =>
    Effect.gen(function* () {
      const { operator } = yield* start
      const sent = yield* operator.request("chat.send", {
        sessionKey: "main",
        message: "hello",
        idempotencyKey: "k1",
        thinking: "high",
        fastMode: true,
        fastAutoOnSeconds: 60,
        queueMode: "interrupt",
        timeoutMs: 9_007_199_254_740_991,
        expectedLeafEntryId: null,
        expectedSessionRoutingContract: "x",
        expectedPermissionMode: "full",
        expectedToolOverrides: {},
        systemInputProvenance: { kind: "external_user" }
      })
      assert.deepInclude(sent, { runId: "k1", status: "started" })
      // Empty fields are no fields: without a script the model fails, and nothing else does.
      const empty = { model: "", provider: "", sessionKey: "", to: "", channel: "", threadId: "" }
      const blank = yield* errorOf(operator, "agent", { message: "x", idempotencyKey: "k0", ...empty })
      assert.strictEqual(blank?.code, "UNAVAILABLE")
      yield* operator
        .request("agent", { message: "x", sessionKey: "main", idempotencyKey: "k2" }, { expectFinal: true })
        .pipe(Effect.exit)
      const history = (params: Json) =>
        Effect.map(operator.call["chat.history"]({ sessionKey: "main", ...params }), (page) =>
          ("kind" in page ? [] : page.messages).map(({ content }) =>
            typeof content === "string" ? content : content[0]?.["text"]
          )
        )
      const all = yield* history({})
      assert.strictEqual(all[0], "hello")
      assert.deepStrictEqual(yield* history({ limit: 1 }), all.slice(-1))
      assert.deepStrictEqual(yield* history({ limit: 1, offset: 1 }), all.slice(-2, -1))
      assert.strictEqual((yield* history({ maxChars: 3 }))[0], "hel…")
      assert.deepStrictEqual(yield* history({ offset: 9_007_199_254_740_991 }), [])
    }).pipe(Effect.scoped)
  )
})
