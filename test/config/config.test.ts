import { readdirSync, readFileSync, renameSync, statSync, symlinkSync, chmodSync } from "node:fs"
import { execFileSync } from "node:child_process"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Redactor } from "../../src/layers/logging/Redactor.ts"
import { agentsOf, defaultAgentId } from "../../src/services/ConfigSchema.ts"
import { given, live, logged, problemsOf, using } from "./support.ts"

const text = (file: string) => readFileSync(file, "utf8")

describe("Config", () => {
  live("a missing file is an empty configuration", (file) =>
    using({ file }, (config) =>
      Effect.gen(function* () {
        assert.strictEqual(config.file, file)
        assert.deepStrictEqual(yield* config.get, {})
        assert.deepStrictEqual(yield* config.raw, {})
        assert.deepStrictEqual(yield* config.unusedKeys, [])
      })
    )
  )

  live("loads a file as OpenClaw users have it, and lists what is not used", (file) => {
    given(
      file,
      `// my gateway
      {
        $schema: "x", meta: { lastTouchedVersion: "2026.9.6" },
        gateway: { mode: "local", port: 28789, bind: "loopback", auth: { mode: "token", token: "t0ken-of-mine" },
          controlUi: { enabled: true, basePath: "/openclaw" }, nodes: { commands: { allow: ["canvas.navigate"] }, pairing: { autoApproveCidrs: 5 } } },
        channels: {
          telegram: { botToken: "1:a", dmPolicy: "pairing", allowFrom: ["tg:1", 2], streaming: { mode: "partial" },
            groups: { "*": { requireMention: true }, "-100": { topics: { "9": { requireMention: false, skills: ["s"] } } } },
            accounts: { work: { botToken: "2:b", streaming: "off" } }, mediaMaxMb: 0.5 },
          whatsapp: { allowFrom: ["+1"] },
        },
        models: { mode: "merge", providers: { mock: { baseUrl: "http://127.0.0.1:1/v1", apiKey: "sk", api: "openai-completions",
          models: [{ id: "mock-1", name: "Mock 1", input: ["text"], cost: { input: 0 }, contextWindow: 128000 }] } } },
        agents: { defaults: { model: { primary: "mock/mock-1", fallbacks: [] }, heartbeat: { every: "2h" } },
          entries: { main: { name: "M", default: true }, ops: { model: "mock/mock-1" } }, list: [{ id: "ops" }, { id: "old" }] },
        bindings: [{ agentId: "ops", match: { channel: "telegram", accountId: "*", peer: { kind: "group", id: "-100" } } }],
        tools: { exec: { mode: "allowlist", timeoutSeconds: 60 } },
        session: { dmScope: "main", reset: { mode: "daily" } },
        cron: { enabled: true },
      }`
    )
    return using({ file }, (config) =>
      Effect.gen(function* () {
        const decoded = yield* config.get
        assert.strictEqual(decoded.gateway?.port, 28_789)
        assert.strictEqual(decoded.channels?.telegram?.accounts?.["work"]?.botToken, "2:b")
        assert.deepStrictEqual(
          agentsOf(decoded).map(({ id }) => id),
          ["main", "ops", "old"]
        )
        assert.strictEqual(defaultAgentId(decoded), "main")
        assert.deepStrictEqual(yield* config.unusedKeys, [
          "gateway.nodes.pairing.autoApproveCidrs",
          "channels.telegram.streaming",
          "channels.telegram.groups.-100.topics",
          "channels.telegram.accounts.work.streaming",
          "channels.telegram.mediaMaxMb",
          "channels.whatsapp",
          "models.mode",
          "models.providers.mock.models[0].input",
          "models.providers.mock.models[0].cost",
          "agents.defaults.heartbeat",
          "bindings",
          "tools.exec.mode",
          "session.reset",
          "cron"
        ])
      })
    )
  })

  live("all wrong values are reported at once: path, value, expectation; secrets are not shown", (file) => {
    given(file, {
      gateway: { port: 99_999, bind: "0.0.0.0", auth: { mode: 5, token: 123_456_789 } },
      channels: { telegram: { groups: { "-1": { requireMention: "yes" } }, allowFrom: [true] } },
      agents: { defaults: { model: { primary: "" } }, list: [{ name: "x" }] }
    })
    return using({ file }, (config) =>
      Effect.gen(function* () {
        const problems = yield* problemsOf(config.get)
        assert.deepStrictEqual(
          problems.map(({ expected, path, value }) => `${path} = ${value}: ${expected}`),
          [
            "gateway.port = 99999: a value between 1 and 65535",
            'gateway.bind = "0.0.0.0": one of "auto", "lan", "loopback", "custom", "tailnet"',
            'gateway.auth.mode = 5: one of "none", "token", "password", "trusted-proxy"',
            'gateway.auth.token = "<redacted>": text',
            "channels.telegram.allowFrom[0] = true: text or a finite number",
            'channels.telegram.groups.-1.requireMention = "yes": true or false',
            'agents.defaults.model.primary = "": a value with a length of at least 1',
            "agents.list[0].id = nothing: a value: the key is required"
          ]
        )
        const error = yield* Effect.flip(config.get)
        assert.include(error.message, `${file} has 8 problems:\n  gateway.port: got 99999, expected a value between`)
      })
    )
  })

  live("what cannot be a configuration is refused in words", (file) =>
    using({ file }, (config) =>
      Effect.gen(function* () {
        for (const [content, expected] of [
          ["", "valid JSON5"],
          ["{ a: }", "valid JSON5 (invalid character '}' at line 1, column 6)"],
          ["[]", "an object"],
          ["null", "an object"],
          [`${"[".repeat(100_000)}${"]".repeat(100_000)}`, "at most 100 levels of nesting"]
        ] as const) {
          given(file, content)
          const [problem] = yield* problemsOf(config.get)
          assert.strictEqual(problem?.path, "")
          assert.include(problem?.expected, expected)
        }
      })
    )
  )

  live("keys that mean something to JavaScript stay ordinary keys", (file) => {
    given(
      file,
      '{ "__proto__": { polluted: 1 }, agents: { entries: { "__proto__": { name: "x" }, constructor: { name: "y" } } } }'
    )
    return using({ file }, (config) =>
      Effect.gen(function* () {
        yield* config.get
        yield* config.set("gateway.port", 1234)
        assert.isUndefined(({} as Record<string, unknown>)["polluted"])
        assert.include(text(file), '"__proto__"')
        for (const path of ["__proto__.polluted", 'a["constructor"].prototype.polluted']) {
          const [problem] = yield* problemsOf(config.set(path, 1))
          assert.include(problem?.expected, "a key other than")
        }
      })
    )
  })

  live("set and unset change one path, keep the rest, and check the whole first", (file) => {
    given(file, { custom: { keep: [1, { me: true }] }, agents: { list: [{ id: "a" }] } })
    return using({ file }, (config) =>
      Effect.gen(function* () {
        yield* config.set("gateway.port", 19_001)
        yield* config.set("agents.list[1].id", "b")
        yield* config.set('models.providers["my.own"].apiKey', "k")
        assert.deepStrictEqual(JSON.parse(text(file)), {
          custom: { keep: [1, { me: true }] },
          agents: { list: [{ id: "a" }, { id: "b" }] },
          gateway: { port: 19_001 },
          models: { providers: { "my.own": { apiKey: "k" } } }
        })
        assert.strictEqual((statSync(file).mode & 0o777).toString(8), "600")
        const before = text(file)
        assert.deepInclude((yield* problemsOf(config.set("gateway.port", "x")))[0], {
          path: "gateway.port",
          value: '"x"'
        })
        assert.deepInclude((yield* problemsOf(config.set("agents.list[9].id", "x")))[0], {
          path: "agents.list[9]",
          expected: "an index from 0 to 2"
        })
        assert.deepInclude((yield* problemsOf(config.set("gateway.port.x", 1)))[0], { path: "gateway.port" })
        assert.include((yield* problemsOf(config.set("gateway..port", 1)))[0]?.expected, "a path such as")
        assert.strictEqual(text(file), before)
        assert.isTrue(yield* config.unset("agents.list[0]"))
        assert.isFalse(yield* config.unset("gateway.bind"))
        assert.deepStrictEqual((yield* config.get).agents?.list, [{ id: "b" }])
        assert.deepStrictEqual(readdirSync(file.replace("/openclaw.json", "")), ["openclaw.json", "openclaw.json.bak"])
      })
    )
  })

  live("comments do not survive: the file as it was is kept, once, and said so", (file) => {
    const original = "{ // mine\n gateway: { port: 1111 } }"
    given(file, original)
    return using({ file }, (config) =>
      Effect.gen(function* () {
        yield* config.set("gateway.port", 2222)
        yield* config.set("gateway.port", 3333)
        assert.strictEqual(text(`${file}.bak`), original)
        assert.strictEqual((statSync(`${file}.bak`).mode & 0o777).toString(8), "600")
        assert.strictEqual(logged.filter((line) => line.includes("without its comments")).length, 1)
      })
    )
  })

  live("many sets at once all arrive", (file) =>
    using({ file }, (config) =>
      Effect.gen(function* () {
        yield* Effect.forEach([1, 2, 3, 4, 5, 6], (n) => config.set(`custom.key${n}`, n), { concurrency: "unbounded" })
        assert.deepStrictEqual(Object.keys((JSON.parse(text(file)) as { custom: object }).custom).length, 6)
      })
    )
  )

  live(
    "F8 for the file: a pipe is refused, other users' rights are taken away, a link is not written through",
    (file) =>
      using({ file }, (config) =>
        Effect.gen(function* () {
          given(file, {})
          chmodSync(file, 0o644)
          yield* config.get
          assert.strictEqual((statSync(file).mode & 0o777).toString(8), "600")
          assert.include(logged.join(), "could be read or written by other users")
          renameSync(file, `${file}.real`)
          symlinkSync(`${file}.real`, file)
          assert.deepStrictEqual(yield* config.get, {})
          const error = yield* Effect.flip(config.set("gateway.port", 1))
          assert.deepInclude(error, { _tag: "ConfigUnreadable" })
          assert.include(error.message, "symbolic link")
          renameSync(file, `${file}.link`)
          execFileSync("mkfifo", [file])
          const refused = yield* using({ file }, (anew) => Effect.flip(anew.get))
          assert.include(refused.message, "named pipe")
        })
      )
  )

  live("the redactor learns every secret of the file", (file) => {
    given(file, { gateway: { auth: { token: "canary-one" } }, unknown: { deep: [{ apiKey: "canary-two" }] } })
    return using({ file }, (config) =>
      Effect.gen(function* () {
        yield* config.get
        assert.strictEqual((yield* Redactor).redact("a canary-one b canary-two"), "a <redacted> b <redacted>")
      })
    )
  })
})
