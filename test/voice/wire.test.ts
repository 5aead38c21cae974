/** Wake words and the settings of speech over a real socket. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import { DEFAULT_TRIGGERS, normalized } from "../../src/layers/VoiceWake.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as Rig from "../gateway/rig.ts"
import { conforms } from "../protocol/published.ts"
import { gateway, needs, refused, rejects } from "../system/kit.ts"

const toldOf = ({ frames }: Rig.Raw): ReadonlyArray<any> => frames.filter(({ event }) => event === "voicewake.changed")

layer(gateway(), { excludeTestServices: true })("wake words", (it) => {
  it.effect("are kept, and told to operators that read and to every node, also when it connects", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const url = `ws://127.0.0.1:${kit.port}`
      const auth = { token: kit.token }
      const reader = (yield* Rig.connect(url, { scopes: ["operator.read"], auth })).raw
      const approver = (yield* Rig.connect(url, { scopes: ["operator.approvals"], auth })).raw
      const node = (yield* Rig.connectNode(url, Rig.makeDevice(), { auth })).raw
      const first = yield* node.until(() => toldOf(node)[0])
      assert.deepStrictEqual(first, {
        type: "event",
        event: "voicewake.changed",
        payload: { triggers: [...DEFAULT_TRIGGERS] }
      })
      const client = yield* kit.connect({ scopes: ["operator.write"] })
      const got = yield* client.call["voicewake.get"]({})
      assert.deepStrictEqual(got, { triggers: ["openclaw", "claude", "computer"] })

      const set = yield* client.call["voicewake.set"]({ triggers: ["  hey  ", "", 5, "robot"] })
      assert.deepStrictEqual(set, { triggers: ["hey", "robot"] })
      assert.deepStrictEqual(yield* client.call["voicewake.get"]({}), set)
      const told = yield* reader.until(() => toldOf(reader)[0])
      assert.deepStrictEqual(told.payload, set)
      assert.isNumber(told.seq)
      const second = yield* node.until(() => toldOf(node)[1])
      assert.deepStrictEqual(second, { type: "event", event: "voicewake.changed", payload: set })

      const later = (yield* Rig.connectNode(url, Rig.makeDevice(), { auth })).raw
      assert.deepStrictEqual((yield* later.until(() => toldOf(later)[0])).payload, set)

      yield* client.call["voicewake.set"]({ triggers: [] })
      assert.deepStrictEqual((yield* node.until(() => toldOf(node)[2])).payload, got)
      assert.deepStrictEqual(toldOf(approver), [])
    })
  )

  it.effect("are for those with the scope, and a list", () =>
    Effect.gen(function* () {
      yield* needs("operator.read", ["voicewake.get", "talk.config"])
      yield* needs("operator.write", ["voicewake.set"])
      const client = yield* (yield* GatewayTest.GatewayTest).connect()
      for (const params of [{}, { triggers: "hey" }, { triggers: null }]) {
        assert.deepInclude(yield* refused(client, "voicewake.set", params), {
          code: "INVALID_REQUEST",
          message: "voicewake.set requires triggers: string[]"
        })
      }
    })
  )
})

describe("wake words", () => {
  it("are trimmed, few, short, and never none", () => {
    assert.deepStrictEqual(normalized([" ", ""]), DEFAULT_TRIGGERS)
    assert.lengthOf(normalized(Array.from({ length: 40 }, (_, index) => `w${index}`)), 32)
    assert.deepStrictEqual(normalized([`${"a".repeat(63)}😀`, "b".repeat(64), `${"c".repeat(62)}😀d`]), [
      "a".repeat(63),
      "b".repeat(64),
      `${"c".repeat(62)}😀`
    ])
  })

  it.live("outlive the Gateway", () =>
    Effect.gen(function* () {
      const stateDir = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const run = <A>(use: (client: any) => Effect.Effect<A, unknown>) =>
        Effect.flatMap(GatewayTest.GatewayTest, (kit) => Effect.flatMap(kit.connect(), use)).pipe(
          Effect.provide(gateway({ stateDir })),
          Effect.scoped
        )
      yield* run((client) => client.request("voicewake.set", { triggers: ["hey"] }))
      assert.deepStrictEqual(yield* run((client) => client.request("voicewake.get", {})), { triggers: ["hey"] })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})

const talking = (config: OpenClawConfig) => ({
  ask: (scopes: ReadonlyArray<string>, params: unknown = {}) =>
    Effect.gen(function* () {
      const client = yield* (yield* GatewayTest.GatewayTest).connect({ scopes })
      const result = yield* client.request("talk.config", params)
      conforms("TalkConfigResult", result)
      return result
    }),
  provide: Effect.provide(gateway({ config }))
})

describe("talk.config", () => {
  it.live("says nothing where nothing is configured", () => {
    const { ask, provide } = talking({})
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* ask(["operator.read"]), { config: {} })
      yield* rejects([["talk.config", { x: 1 }, "at root: unexpected property 'x'"]])
    }).pipe(provide, Effect.scoped)
  })

  it.live("says what devices need, and the keys to who may read them", () => {
    const speech = { apiKey: "sk-speech-1234567890", voiceId: "v1" }
    const { ask, provide } = talking({
      session: { mainKey: "desk" },
      ui: { seamColor: "#112233" },
      talk: { providers: { elevenlabs: speech }, interruptOnSpeech: true, silenceTimeoutMs: 900 }
    })
    const expected = (config: object) => ({
      config: {
        talk: {
          interruptOnSpeech: true,
          silenceTimeoutMs: 900,
          provider: "elevenlabs",
          providers: { elevenlabs: config },
          resolved: { provider: "elevenlabs", config }
        },
        session: { mainKey: "desk" },
        ui: { seamColor: "#112233" }
      }
    })
    return Effect.gen(function* () {
      const hidden = { apiKey: "__OPENCLAW_REDACTED__", voiceId: "v1" }
      assert.deepStrictEqual(yield* ask(["operator.read"]), expected(hidden))
      assert.deepStrictEqual(yield* ask(["operator.admin"]), expected(hidden))
      assert.deepStrictEqual(yield* ask(["operator.admin"], { includeSecrets: true }), expected(speech))
      const both = ["operator.read", "operator.talk.secrets"]
      assert.deepStrictEqual(yield* ask(both, { includeSecrets: true }), expected(speech))
      const reader = yield* (yield* GatewayTest.GatewayTest).connect({ scopes: ["operator.read"] })
      assert.deepStrictEqual(yield* refused(reader, "talk.config", { includeSecrets: true }), {
        code: "FORBIDDEN",
        message: "missing scope: operator.talk.secrets",
        details: {
          code: "MISSING_SCOPE",
          missingScope: "operator.talk.secrets",
          requiredScopes: ["operator.read", "operator.talk.secrets"]
        }
      })
    }).pipe(provide, Effect.scoped)
  })

  it.live("leaves a choice between providers to the configuration, and the theme's colour to the theme", () => {
    const providers = { a: {}, b: {} }
    const { ask, provide } = talking({ ui: { seamColor: "#1", prefs: { accent: "theme" } }, talk: { providers } })
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* ask(["operator.read"]), { config: { talk: { providers } } })
    }).pipe(provide, Effect.scoped)
  })
})
