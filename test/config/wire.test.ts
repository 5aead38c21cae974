/** What of a configuration goes over the wire, and what comes back. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import JSON5 from "json5"
import { configHints, configJsonSchema, lookupSchema } from "../../src/layers/config/jsonSchema.ts"
import { secretsOf } from "../../src/layers/config/redact.ts"
import { changedPaths, mergePatch, reservedKeyIn } from "../../src/layers/config/wire/mergePatch.ts"
import { redactForWire, redactText, restore, SENTINEL } from "../../src/layers/config/wire/redacted.ts"
import { needsRestart, reloadKindOf, startedBy } from "../../src/layers/config/reload.ts"

const back = (given: unknown, original: unknown) => Result.getOrElse(restore(given, original), (at) => `refused: ${at}`)

describe("secrets on the wire", () => {
  it("come back as they are in the file", () => {
    const file = {
      gateway: { port: 1, auth: { token: "abc", password: "" } },
      channels: { telegram: { botToken: "${BOT}", accounts: { a: { botToken: "1:x" } } } },
      models: { providers: { p: { apiKey: { source: "env", provider: "x", id: "KEY" }, headers: { "x-a": "v" } } } },
      note: "call sk-abcdefghijklmnop"
    }
    const shown = redactForWire(file) as typeof file
    assert.strictEqual(shown.gateway.auth.token, SENTINEL)
    assert.strictEqual(shown.gateway.auth.password, "")
    assert.strictEqual(shown.channels.telegram.botToken, "${BOT}")
    assert.strictEqual(shown.models.providers.p.headers["x-a"], SENTINEL)
    assert.deepStrictEqual(shown.models.providers.p.apiKey, file.models.providers.p.apiKey)
    // Not half of it: the rest would be written back as the whole.
    assert.strictEqual(shown.note, SENTINEL)
    assert.deepStrictEqual(back(shown, file), file)
  })

  it("are not made up, and are no one else's", () => {
    const file = { gateway: { auth: { token: "abc" } }, other: { name: "plain" } }
    assert.strictEqual(back({ gateway: { auth: { password: SENTINEL } } }, file), "refused: gateway.auth.password")
    assert.strictEqual(back({ renamed: { auth: { token: SENTINEL } } }, file), "refused: renamed.auth.token")
    assert.strictEqual(back({ other: { name: SENTINEL } }, file), "refused: other.name")
    assert.strictEqual(back(SENTINEL, file), "refused: ")
    assert.strictEqual(
      back({ gateway: { auth: { token: `Bearer ${SENTINEL}` } } }, file),
      "refused: gateway.auth.token"
    )
  })

  it("are not shown beside an id and a source, nor under keys that are not known here", () => {
    const file = {
      hooks: { mappings: [{ id: "mail", source: "gmail", token: "abc" }] },
      odd: { source: "env", id: "X", more: { password: "abc" } },
      models: { providers: { p: { apiKeys: ["abc"], token: "${P}", maxTokens: 3 } } },
      plugins: { clientSecretValue: "abc", passwords: { mary: "abc" }, tokens: ["abc"], serviceAccount: "abc" },
      tokenFile: "/run/token",
      secrets: { providers: { own: { source: "file", path: "/run/all", password: "abc" } } }
    }
    const shown = redactForWire(file) as typeof file
    assert.notInclude(JSON.stringify(shown), "abc")
    assert.deepInclude(shown.hooks.mappings[0], { id: "mail", source: "gmail" })
    assert.deepInclude(shown.models.providers.p, { token: "${P}", maxTokens: 3 })
    assert.strictEqual(shown.tokenFile, "/run/token")
    assert.strictEqual(shown.secrets.providers.own.path, "/run/all")
    assert.deepStrictEqual(back(shown, file), file)
    assert.sameMembers([...new Set(secretsOf({ hooks: file.hooks }))], ["abc"])
  })

  it("stay with their item when items change places", () => {
    const hooks = {
      hooks: [
        { url: "a", token: "A" },
        { url: "b", token: "B" },
        { id: "c", token: "C" }
      ]
    }
    const [a, b, c] = (redactForWire(hooks) as typeof hooks).hooks
    assert.deepStrictEqual(back({ hooks: [c, b, a] }, hooks), { hooks: hooks.hooks.toReversed() })
    assert.deepStrictEqual(back({ hooks: [b] }, hooks), { hooks: [{ url: "b", token: "B" }] })
    assert.deepStrictEqual(back({ hooks: [{ ...c, url: "new" }] }, hooks), {
      hooks: [{ id: "c", url: "new", token: "C" }]
    })
    // One is changed, and another has its place.
    assert.strictEqual(back({ hooks: [{ ...b, url: "new" }, a, c] }, hooks), "refused: hooks[0].token")
    // Nobody knows whose it is.
    assert.strictEqual(back({ hooks: [{ url: "x", token: SENTINEL }] }, hooks), "refused: hooks[0].token")
  })

  it("stay with their item where an id names two of them, or is a secret itself", () => {
    const twice = {
      list: [
        { id: "a", token: "first" },
        { id: "a", token: "second" }
      ]
    }
    assert.deepStrictEqual(back(redactForWire(twice), twice), twice)
    const hidden = { list: [{ id: "sk-abcdefghijklmnopqrstuvwxyz012345", on: true }] }
    assert.deepStrictEqual(back(redactForWire(hidden), hidden), hidden)
  })

  it("are taken out of a text with its comments, or the text is not shown", () => {
    const text = `// mine\n{ gateway: { auth: { token: 'to"p', }, port: 1 } }`
    const shown = redactText(text, JSON5.parse(text))
    assert.strictEqual(shown, `// mine\n{ gateway: { auth: { token: "${SENTINEL}", }, port: 1 } }`)
    const told = `// it is hunter2!\n{ gateway: { auth: { password: "hunter2!" } } }`
    assert.isNull(redactText(told, JSON5.parse(told)))
    const written = String.raw`{ gateway: { auth: { password: "h\x75nter2!" } } }`
    assert.isNull(redactText(written, JSON5.parse(written)))
  })

  it.prop(
    "are never shown, whatever stands around them",
    [Schema.Record(Schema.String, Schema.Json), Schema.Array(Schema.Json)],
    ([around, items]) => {
      const secret = "CANARY-0123456789"
      const value = { ...around, inner: [...items, { around, token: secret }, { botToken: { deep: [secret] } }] }
      const shown = redactForWire(value)
      assert.notInclude(JSON.stringify(shown), secret)
      assert.deepStrictEqual(back(shown, value), value)
    }
  )
})

describe("a merge patch", () => {
  const base = {
    session: { dmScope: "main" },
    channels: { telegram: { allowFrom: ["1", "2"], name: "x" } },
    models: { providers: { p: { models: [{ id: "a", input: ["text", "image"] }, { id: "b" }] } } }
  }
  it("merges, deletes and leaves the rest", () => {
    const { losing, tree } = mergePatch(base, {
      session: { mainKey: "m", dmScope: null, none: null },
      logging: { level: "info" }
    })
    assert.deepStrictEqual(tree, { ...base, session: { mainKey: "m" }, logging: { level: "info" } })
    assert.deepStrictEqual(losing, [])
  })
  it("takes nothing out of an array that is not named", () => {
    const shrink = (patch: unknown, named: ReadonlyArray<string> = []) => mergePatch(base, patch, named).losing
    assert.deepStrictEqual(shrink({ channels: { telegram: { allowFrom: ["1"] } } }), ["channels.telegram.allowFrom"])
    assert.deepStrictEqual(shrink({ channels: { telegram: { allowFrom: "all" } } }), ["channels.telegram.allowFrom"])
    assert.deepStrictEqual(shrink({ channels: null }), ["channels.telegram.allowFrom"])
    assert.deepStrictEqual(shrink({ channels: "none" }), ["channels.telegram.allowFrom"])
    assert.deepStrictEqual(shrink({ channels: null }, ["channels"]), ["channels.telegram.allowFrom"])
    assert.deepStrictEqual(shrink({ channels: null }, ["channels.telegram.allowFrom"]), [])
    assert.deepStrictEqual(shrink({ channels: { telegram: { allowFrom: ["3", "2", "1"] } } }), [])
    assert.deepStrictEqual(shrink({ models: { providers: { p: { models: [{ id: "a", input: [] }] } } } }), [
      "models.providers.p.models[].input"
    ])
  })
  it("merges items by their id", () => {
    const models = [{ id: "b", name: "B" }, { id: "c" }]
    const { losing, tree } = mergePatch(base, { models: { providers: { p: { models } } } })
    assert.deepStrictEqual(losing, [])
    assert.deepStrictEqual((tree as typeof base).models.providers.p.models as unknown, [
      { id: "a", input: ["text", "image"] },
      { id: "b", name: "B" },
      { id: "c" }
    ])
    const named = mergePatch(base, { models: { providers: { p: { models } } } }, ["models.providers.p.models"])
    assert.deepStrictEqual((named.tree as typeof base).models.providers.p.models as unknown, models)
  })
  it("says what it changes", () => {
    const { tree } = mergePatch(base, { session: null, channels: { telegram: { allowFrom: ["1", "2", "3"] } }, x: {} })
    assert.deepStrictEqual(changedPaths(base, tree), ["session.dmScope", "channels.telegram.allowFrom", "x"])
    assert.deepStrictEqual(changedPaths(base, structuredClone(base)), [])
    assert.deepStrictEqual(changedPaths({ a: {} }, {}), ["a"])
  })
  it.prop(
    "applied twice is applied once, and an empty one changes nothing",
    [Schema.Record(Schema.String, Schema.Json), Schema.Record(Schema.String, Schema.Json)],
    ([from, patch]) => {
      const once = mergePatch(from, patch).tree
      assert.deepStrictEqual(mergePatch(once, patch).tree, once)
      assert.deepStrictEqual(mergePatch(from, {}).tree, from)
      assert.deepStrictEqual(changedPaths(once, mergePatch(once, patch).tree), [])
    }
  )
  it("keeps out keys that mean something else", () => {
    assert.strictEqual(reservedKeyIn(JSON5.parse('{ a: [{ "__proto__": 1 }] }')), "a[0].__proto__")
    assert.isUndefined(reservedKeyIn({ a: [1, { b: null }] }))
  })
})

describe("what a change takes", () => {
  it("is by the key", () => {
    assert.strictEqual(reloadKindOf("gateway.port"), "restart")
    assert.strictEqual(reloadKindOf("gateway"), "restart")
    assert.strictEqual(reloadKindOf("gateway.auth.token"), "restart")
    assert.strictEqual(reloadKindOf("channels.telegram.botToken"), "hot")
    assert.strictEqual(reloadKindOf("session.dmScope"), "none")
    assert.isFalse(needsRestart(["session.dmScope", "channels.telegram.name"]))
    assert.notStrictEqual(startedBy({ gateway: { port: 1 } }), startedBy({}))
    assert.strictEqual(startedBy({ session: {} }), startedBy({}))
  })
})

describe("the schema", () => {
  it("names what there is, and nothing else", () => {
    assert.deepInclude(lookupSchema("gateway.port"), {
      path: "gateway.port",
      schema: { type: "integer", minimum: 1, maximum: 65_535 },
      reloadKind: "restart",
      children: []
    })
    assert.strictEqual(lookupSchema("models.providers.mock.models[].id")?.path, "models.providers.mock.models.*.id")
    assert.strictEqual(lookupSchema("agents.list[0].id")?.path, "agents.list.*.id")
    assert.deepStrictEqual(lookupSchema("channels.telegram.botToken")?.hint, { sensitive: true })
    assert.isTrue(lookupSchema(".")?.children.some(({ key }) => key === "gateway"))
    assert.isUndefined(lookupSchema("nope.x"))
    assert.isUndefined(lookupSchema("gateway.port.x"))
    assert.isUndefined(lookupSchema("gateway.constructor"))
    const hints = configHints()
    assert.isTrue(hints["gateway.auth.token"]?.sensitive)
    assert.isTrue(hints["models.providers.*.apiKey"]?.sensitive)
    assert.isUndefined(hints["gateway.port"])
    assert.notInclude(JSON.stringify(configJsonSchema()), '"null"')
  })
})
