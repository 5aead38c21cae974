import { spawn } from "node:child_process"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as ProviderServer from "../../src/testing/ProviderServer.ts"
import { home, run } from "../cli/kit.ts"
import { listener, stored } from "./kit.ts"

const KEY = "sk-a-key-that-nobody-sees"
const servers = Layer.mergeAll(BotApi.layer(), ProviderServer.layer)
const quiet = ["onboard", "--non-interactive", "--json"]
const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

const custom = (url: string) => ["--auth-choice", "custom-api-key", "--custom-base-url", `${url}/v1`, "--model", "m"]

/** A provider whose answer has no end. */
const endless = Effect.map(
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const choices = [{ index: 0, delta: { role: "assistant", content: "more ".repeat(100) }, finish_reason: null }]
      const event = { id: "a", object: "chat.completion.chunk", created: 1, model: "m", choices }
      const server = createServer((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        const write = () => {
          while (!response.destroyed && response.write(`data: ${JSON.stringify(event)}\n\n`));
        }
        response.on("drain", write)
        write()
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  ),
  (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
)

/** Runs the program in a process of its own, with this on its standard input. */
const piped = (folder: string, input: string, ...given: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: number | null; readonly out: string }>((resume) => {
    const child = spawn(process.execPath, [main, ...given], { env: { HOME: folder } })
    let out = ""
    const add = (chunk: Buffer) => {
      out += chunk.toString()
    }
    child.stdout.on("data", add)
    child.stderr.on("data", add)
    child.once("close", (code) => resume(Effect.succeed({ code, out })))
    // It may stop reading before the end.
    child.stdin.on("error", () => {})
    child.stdin.end(input)
  })

describe("openclaw onboard --non-interactive", () => {
  it.live("tries model and bot, then stores both in one write", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const bots = yield* BotApi.BotApi
      const provider = yield* ProviderServer.ProviderServer
      yield* provider.push({ text: ["ready"] })
      const file = join(setting.home, "token")
      writeFileSync(file, `${bots.token}\n`, { mode: 0o600 })
      const ended = yield* run(
        { ...setting, variables: { CUSTOM_API_KEY: KEY } },
        ...quiet,
        ...custom(provider.url),
        `--telegram-api-root=${bots.url}`,
        `--telegram-token-file=${file}`,
        "--telegram-allow-from=4711, telegram:4712",
        "--gateway-auth=password",
        "--gateway-password=long-enough"
      )
      assert.strictEqual(ended.code, 0, ended.stdout + ended.stderr)
      const report = JSON.parse(ended.stdout)
      assert.deepInclude(report.model, { ref: "custom/m", checked: true })
      assert.deepInclude(report.telegram, { checked: true, dmPolicy: "allowlist" })
      assert.strictEqual(report.telegram.bot.username, "test_claw_bot")
      assert.isNull(report.health)
      const config = stored(setting)
      assert.deepStrictEqual(config.models.providers.custom.apiKey, {
        source: "env",
        provider: "default",
        id: "CUSTOM_API_KEY"
      })
      assert.strictEqual(config.channels.telegram.tokenFile, file)
      assert.deepStrictEqual(config.channels.telegram.allowFrom, ["4711", "4712"])
      assert.strictEqual(config.gateway.auth.password, "long-enough")
      const [request] = yield* provider.requests
      assert.strictEqual(request?.headers["authorization"], `Bearer ${KEY}`)
      for (const secret of [KEY, bots.token, "long-enough"]) assert.notInclude(ended.stdout + ended.stderr, secret)
    }).pipe(Effect.scoped, Effect.provide(servers))
  )

  const refusals: ReadonlyArray<readonly [what: string, given: ReadonlyArray<string>, said: RegExp]> = [
    ["no key", ["--auth-choice", "openai-api-key", "--model", "m"], /no key for openai[^]*--openai-api-key -/],
    ["no model", ["--auth-choice", "anthropic-api-key", "--anthropic-api-key", KEY], /needs the model's name/],
    ["a model without a provider", ["--model", "m"], /names no provider/],
    ["no address", ["--auth-choice", "custom-api-key", "--model", "m"], /needs the server's address/],
    [
      "a reference to nothing",
      ["--model", "openai/m", "--secret-input-mode", "ref"],
      /OPENAI_API_KEY, which has no value/
    ],
    [
      "a file that is missing",
      ["--model", "openai/m", "--api-key-file", "/missing"],
      /\/missing cannot be read: NotFound/
    ],
    ["a folder for a file", ["--model", "openai/m", "--api-key-file", "/"], /\/ is no file/],
    ["a device for a file", ["--model", "openai/m", "--api-key-file", "/dev/zero"], /\/dev\/zero is no file/],
    ["what is no token", ["--telegram-token", "hello"], /does not look like a bot token/],
    [
      "names for ids",
      ["--telegram-token", "123456789:AAAAAAAAAAAAAAAAAAAAAAAA", "--telegram-allow-from", "@ada"],
      /numeric Telegram ids/
    ],
    ["no password", ["--gateway-auth", "password"], /needs a password/],
    ["a password for a token", ["--gateway-auth", "token", "--gateway-password", KEY], /would not ask for it/],
    ["no value for a token", ["--gateway-token", ""], /--gateway-token is empty/],
    [
      "no value for a password",
      ["--gateway-auth", "password", "--gateway-password", " "],
      /--gateway-password is empty/
    ],
    [
      "no value for a key",
      ["--model", "openai/m", "--skip-checks", "--openai-api-key", ""],
      /--openai-api-key is empty/
    ],
    [
      "a key of two lines",
      ["--model", "openai/m", "--openai-api-key", `${KEY}\nX-More: 1`],
      /can be none: a key is one word/
    ],
    ["ids for no bot", ["--telegram-allow-from", "4711"], /none is connected/],
    ["two tokens", ["--gateway-token", "a", "--gateway-token-ref-env", "B"], /both name the token/],
    ["both of a pair", ["--install-daemon", "--skip-daemon"], /exclude each other/]
  ]
  for (const [what, given, said] of refusals) {
    it.live(`refuses ${what}, and stores nothing`, () =>
      Effect.gen(function* () {
        const setting = { home: yield* home }
        const ended = yield* run(setting, ...quiet, ...given)
        assert.strictEqual(ended.code, 1)
        const { error } = JSON.parse(ended.stdout)
        assert.match(error.message, said)
        assert.match(error.message, /\nFix: /)
        assert.isUndefined(stored(setting))
        assert.notInclude(ended.stdout, KEY)
      }).pipe(Effect.scoped)
    )
  }

  it.live("stores nothing when the model, the bot or the port does not do", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const bots = yield* BotApi.BotApi
      const provider = yield* ProviderServer.ProviderServer
      const { port } = yield* listener
      yield* provider.push({ status: 404, errorMessage: "no such model" })
      const model = yield* run(setting, ...quiet, ...custom(provider.url))
      assert.include(JSON.parse(model.stdout).error.message, "custom does not know the model m")
      const wrong = "123456789:AAwrong-token_wrong-token_wrong-to"
      const bot = yield* run(setting, ...quiet, "--telegram-api-root", bots.url, "--telegram-token", wrong)
      assert.include(JSON.parse(bot.stdout).error.message, "does not know this bot token (401)")
      assert.notInclude(bot.stdout + bot.stderr, wrong)
      const busy = yield* run(setting, ...quiet, "--gateway-port", String(port))
      assert.include(JSON.parse(busy.stdout).error.message, `port ${port} is held by pid ${process.pid}`)
      assert.deepStrictEqual([model.code, bot.code, busy.code], [1, 1, 1])
      assert.isUndefined(stored(setting))
    }).pipe(Effect.scoped, Effect.provide(servers))
  )

  it.live("leaves what is configured to a later run that does not speak of it", () =>
    Effect.gen(function* () {
      const bots = yield* BotApi.BotApi
      const variables = { TELEGRAM_BOT_TOKEN: bots.token, OPENCLAW_GATEWAY_PASSWORD: "of-some-shell" }
      const setting = { home: yield* home, variables }
      const root = `--telegram-api-root=${bots.url}`
      const given = ["--telegram-token", bots.token, "--telegram-allow-from=1", "--gateway-password=long-enough"]
      const first = yield* run(setting, ...quiet, root, "--auth-choice=offline", ...given)
      assert.strictEqual(first.code, 0, first.stdout)
      const before = stored(setting)
      const again = yield* run(setting, ...quiet)
      assert.deepStrictEqual([again.code, JSON.parse(again.stdout).changedPaths], [0, []], again.stdout)
      const token = yield* run(setting, ...quiet, "--telegram-token", bots.token)
      assert.strictEqual(token.code, 0, token.stdout)
      assert.deepStrictEqual(stored(setting), before)
    }).pipe(Effect.scoped, Effect.provide(servers))
  )

  it.live("changes who may write to the bot that is connected, and how the Gateway knows its friends", () =>
    Effect.gen(function* () {
      const bots = yield* BotApi.BotApi
      const setting = { home: yield* home }
      const root = `--telegram-api-root=${bots.url}`
      const given = ["--telegram-token", bots.token, "--gateway-password=long-enough"]
      const first = yield* run(setting, ...quiet, root, ...given)
      assert.strictEqual(first.code, 0, first.stdout)
      const again = yield* run(setting, ...quiet, "--telegram-allow-from=4711", "--gateway-token=a-token-of-mine")
      assert.strictEqual(again.code, 0, again.stdout)
      assert.strictEqual(JSON.parse(again.stdout).telegram.bot.username, "test_claw_bot")
      const { channels, gateway } = stored(setting)
      assert.deepInclude(channels.telegram, { botToken: bots.token, dmPolicy: "allowlist", allowFrom: ["4711"] })
      assert.deepInclude(gateway.auth, { mode: "token", token: "a-token-of-mine" })
    }).pipe(Effect.scoped, Effect.provide(servers))
  )

  it.live("leaves an address and a way of its own, which onboarding does not ask for, as they are", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const gateway = {
        mode: "local",
        bind: "custom",
        customBindHost: "127.0.0.1",
        auth: { mode: "trusted-proxy", trustedProxy: { userHeader: "x-user" } },
        trustedProxies: ["127.0.0.1"]
      }
      yield* run(setting, "config", "set", "gateway", JSON.stringify(gateway))
      const ended = yield* run(setting, ...quiet, "--auth-choice=offline", "--gateway-port=28997", "--skip-checks")
      assert.strictEqual(ended.code, 0, ended.stdout)
      assert.deepInclude(JSON.parse(ended.stdout).gateway, { bind: "custom", auth: "trusted-proxy" })
      assert.deepStrictEqual(stored(setting).gateway, { ...gateway, port: 28_997 })
    }).pipe(Effect.scoped)
  )

  it.live("stores nothing in a state directory in which no Gateway would start", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      mkdirSync(join(setting.home, "elsewhere"), { mode: 0o700 })
      symlinkSync(join(setting.home, "elsewhere"), join(setting.home, ".openclaw"))
      const ended = yield* run(setting, ...quiet, "--auth-choice=offline")
      assert.strictEqual(ended.code, 78)
      assert.match(ended.stdout, /no folder of your own[^]*OPENCLAW_STATE_DIR/)
      assert.isUndefined(stored(setting))
    }).pipe(Effect.scoped)
  )

  it.live("stops listening to a model that does not stop talking", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const url = yield* endless
      const ended = yield* run(setting, ...quiet, ...custom(url))
      assert.strictEqual(ended.code, 0, ended.stdout)
      assert.strictEqual(JSON.parse(ended.stdout).model.checked, true)
    }).pipe(Effect.scoped)
  )

  it.live("needs a terminal for its questions, and says what to do without one", () =>
    Effect.gen(function* () {
      const ended = yield* run({ home: yield* home }, "setup")
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /no terminal[^]*Fix: pass --non-interactive/)
    }).pipe(Effect.scoped)
  )

  it.live("changes nothing in a file that cannot be read, and none for a Gateway elsewhere", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      yield* run(setting, "config", "set", "gateway.mode", "remote")
      const remote = yield* run(setting, ...quiet, "--auth-choice", "offline")
      assert.deepStrictEqual([remote.code, remote.stdout.includes("uses a Gateway elsewhere")], [78, true])
      writeFileSync(join(setting.home, ".openclaw", "openclaw.json"), "{ gateway: ", { mode: 0o600 })
      const broken = yield* run(setting, ...quiet, "--auth-choice", "offline")
      assert.deepStrictEqual([broken.code, /line 1/.test(broken.stdout)], [78, true])
    }).pipe(Effect.scoped)
  )

  it.live("takes secrets from standard input, where no other user sees them", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const given = [...quiet, "--skip-checks", "--skip-channels", "--model", "openai/m", "--openai-api-key", "-"]
      const ended = yield* piped(setting.home, `${KEY}\na-gateway-token\n`, ...given, "--gateway-token", "-")
      assert.strictEqual(ended.code, 0, ended.out)
      assert.strictEqual(stored(setting).models.providers.openai.apiKey, KEY)
      assert.strictEqual(stored(setting).gateway.auth.token, "a-gateway-token")
      assert.notInclude(ended.out, KEY)
      const digits = yield* piped(setting.home, "12345678\n", "config", "set", "gateway.auth.password", "-")
      assert.strictEqual(digits.code, 0, digits.out)
      assert.strictEqual(stored(setting).gateway.auth.password, "12345678", "a secret of digits is no number")
      const number = yield* piped(setting.home, "28999\n", "config", "set", "gateway.port", "--stdin")
      assert.strictEqual(number.code, 0, number.out)
      assert.strictEqual(stored(setting).gateway.port, 28_999)
      const none = yield* run(setting, "config", "set", "gateway.port")
      assert.match(none.stderr, /no value for gateway.port[^]*Fix:/)
      const two = yield* run(setting, "config", "set", "gateway.port", "1", "--stdin")
      assert.match(two.stderr, /comes from one place/)
      const long = yield* piped(setting.home, "a".repeat(2 * 1024 * 1024), "config", "set", "gateway.auth.token", "-")
      assert.match(long.out, /longer than any value[^]*Fix:/)
      const empty = yield* piped(setting.home, "", ...given)
      assert.match(empty.out, /--openai-api-key - takes a line of standard input/)
    }).pipe(Effect.scoped)
  )
})
