/**
 * D9: every method with params from its own schema, and with one thing wrong in them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { GatewayClient } from "../../src/client/GatewayClient.ts"
import * as DeviceIdentity from "../../src/client/DeviceIdentity.ts"
import { accessOf, MethodTable, methodNames } from "../../src/protocol/MethodTable.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"

type Json = Readonly<Record<string, unknown>>

const runs = 25

/** What travels of a value: without what JSON has no word for. `undefined` when nothing does. */
const travelling = (value: unknown): Json | undefined => {
  try {
    return JSON.parse(JSON.stringify(value)) as Json
  } catch {
    return undefined
  }
}

interface Field {
  readonly name: string
  readonly optional: boolean
  readonly accepts: (value: unknown) => boolean
}

const fieldsOf = (method: string): ReadonlyArray<Field> => {
  const schema = MethodTable.requests.get(method)!.payloadSchema as Schema.Top & {
    readonly fields?: Readonly<
      Record<
        string,
        Schema.Codec<unknown, unknown> & { readonly ast: { readonly context?: { readonly isOptional: boolean } } }
      >
    >
  }
  return Object.entries(schema.fields ?? {}).map(([name, field]) => ({
    name,
    optional: field.ast.context?.isOptional === true,
    accepts: Schema.is(field)
  }))
}

const wrongs: ReadonlyArray<unknown> = [{ x: 1 }, 7.5, -1, "", "no such thing", true, ["x"], null]

/** Each with the words that the answer must have. */
const mutations = (method: string, params: Json): ReadonlyArray<readonly [Json, string]> => [
  [{ ...params, noSuchProperty: 1 }, "noSuchProperty"],
  ...fieldsOf(method).flatMap(({ accepts, name, optional }): Array<readonly [Json, string]> => {
    const wrong = wrongs.find((value) => !accepts(value))
    const { [name]: _gone, ...without } = params
    return [
      ...(wrong === undefined ? [] : [[{ ...params, [name]: wrong }, `/${name}`] as const]),
      ...(optional ? [] : [[without, `'${name}'`] as const])
    ]
  })
]

const start = Effect.gen(function* () {
  const bot = yield* BotApi.serve()
  const services = yield* Layer.build(
    GatewayTest.layer({
      models: ScriptedModel.layer(),
      config: { channels: { telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "disabled" } } }
    })
  )
  const kit = Context.get(services, GatewayTest.GatewayTest)
  const device = yield* DeviceIdentity.ephemeral
  return {
    operator: yield* kit.connect(),
    node: yield* kit.connect({
      client: { id: "node-host", mode: "node", version: "1.0.0", platform: "linux" },
      role: "node",
      scopes: [],
      device
    })
  }
})

/** The error of one call, its final answer waited for; `undefined` when it succeeded. */
const errorOf = (client: GatewayClient["Service"], method: string, params: Json) =>
  client.request(method, params, { expectFinal: true, timeout: "20 seconds" }).pipe(
    Effect.as(undefined),
    Effect.catchTag("GatewayError", ({ code, message }) => Effect.succeed({ code, message }))
  )

describe("a method of the table", () => {
  it.live("takes any params of its schema without an internal error, and names what is wrong in others", () =>
    Effect.gen(function* () {
      const { node, operator } = yield* start
      for (const method of methodNames) {
        const client = accessOf(method) === "node" ? node : operator
        const { payloadSchema } = MethodTable.requests.get(method)!
        let mutated = false
        const result = yield* Arbitrary.checkEffect(
          Arbitrary.schema(payloadSchema),
          Effect.fnUntraced(function* (value: unknown) {
            const params = travelling(value)
            if (params === undefined) return true
            const error = yield* errorOf(client, method, params)
            assert.notStrictEqual(error?.code, "INTERNAL", method)
            if (mutated) return true
            mutated = true
            for (const [wrong, words] of mutations(method, params)) {
              const refused = yield* errorOf(client, method, wrong)
              assert.strictEqual(refused?.code, "INVALID_REQUEST", `${method} ${JSON.stringify(wrong).slice(0, 300)}`)
              assert.include(refused?.message, words, method)
            }
            return true
          }),
          { runs, size: 12 }
        )
        assert.isUndefined(Arbitrary.formatCheckFailure(result), method)
      }
      // Still there, both of them.
      yield* operator.request("health", {})
      yield* node.request("health", {})
    }).pipe(Effect.scoped)
  )

  it.live("of chat answers the params that OpenClaw's clients send", () =>
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
        Effect.map(operator.call["chat.history"]({ sessionKey: "main", ...params }), ({ messages }) =>
          messages.map(({ content }) => (typeof content === "string" ? content : content[0]?.["text"]))
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
