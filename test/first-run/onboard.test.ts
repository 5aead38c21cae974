import { mkdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as ProviderServer from "../../src/testing/ProviderServer.ts"
import { home } from "../cli/kit.ts"
import { begin, freePort, listener, stored } from "./kit.ts"

const KEY = "sk-a-key-that-nobody-sees"
const servers = Layer.mergeAll(BotApi.layer(), ProviderServer.layer)

type Begun = Effect.Success<ReturnType<typeof begin>>

/** The model by a server of one's own, as far as its name. */
const nameModel = Effect.fnUntraced(function* ({ screen }: Begun, url: string, key = KEY) {
  yield* screen.answer("Which model shall answer?", "down", "down", "down", "down", "enter")
  yield* screen.write("Address of the server", `${url}/v1`)
  yield* screen.answer("What does it speak?", "enter")
  yield* screen.answer("The key of custom", "down", "enter")
  yield* screen.write("Key (shown as stars", key)
  yield* screen.write("Name of the model", "house-model")
})

const offline = ({ screen }: Begun) =>
  screen.answer("Which model shall answer?", "down", "down", "down", "down", "down", "enter")

const withoutTelegram = ({ screen }: Begun) => screen.answer("Telegram: talk to the agent", "down", "enter")

const onPort = Effect.fnUntraced(function* ({ screen }: Begun, port: number) {
  yield* screen.answer("Who reaches the Gateway?", "enter")
  yield* screen.write("Port", String(port))
  yield* screen.answer("How does it know its friends?", "enter")
})

/** In this terminal; a service is offered only where something manages services. */
const runHere = Effect.fnUntraced(function* ({ screen }: Begun) {
  yield* screen.sees("How shall the Gateway run?")
  yield* screen.sees("Not now")
  const offered = screen.all.slice(screen.all.lastIndexOf("How shall the Gateway run?"))
  yield* screen.keys(...(offered.includes("From now on") ? ["down"] : []), "enter")
})

describe("openclaw onboard", () => {
  it.live("leads from an empty home to the first replies", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const bots = yield* BotApi.BotApi
      const provider = yield* ProviderServer.ProviderServer
      // The first answer is to the question for its list of models, which it does not have.
      yield* provider.push({ text: [] }, { text: ["ready"] }, { text: ["Hello from the house."] })
      const begun = yield* begin(setting, "onboard", "--telegram-api-root", bots.url)
      const { screen } = begun
      yield* nameModel(begun, provider.url)
      yield* screen.sees("custom/house-model says: ready")
      yield* screen.answer("Telegram: talk to the agent", "enter")
      yield* screen.write("Bot token", "not a token")
      yield* screen.sees("does not look like a bot token")
      yield* screen.types("123456789:AAwrong-token_wrong-token_wrong-to")
      yield* screen.sees("does not know this bot token")
      yield* screen.write("Bot token", bots.token)
      yield* screen.sees("This is @test_claw_bot (Test Bot).")
      yield* screen.answer("Who may write to it?", "enter")
      yield* onPort(begun, yield* freePort)
      assert.isUndefined(stored(setting), "nothing is stored before it is agreed")
      yield* screen.answer("Store this in ~/.openclaw/openclaw.json?", "enter")
      yield* screen.sees("Stored in")
      yield* runHere(begun)
      yield* screen.sees("The Gateway says hello")
      yield* screen.sees("Write to @test_claw_bot in Telegram now")
      const ada = { id: 4711, firstName: "Ada", username: "ada" }
      yield* bots.sendText({ from: ada, text: "anybody there?" })
      yield* screen.answer("Let Ada, @ada, id 4711 write to the agent?", "enter")
      yield* screen.sees("Ada is let in.")
      yield* screen.answer("Say something to the agent", "enter")
      yield* screen.sees("Hello from the house.")
      yield* screen.sees("The Gateway runs in this terminal. Ctrl-C stops it.")
      yield* provider.push({ text: ["Yes, Ada."] })
      const asked = yield* bots.sendText({ from: ada, text: "And now?" })
      const reply = yield* bots.awaitReply({ chatId: asked.chatId, after: asked.messageId })
      assert.strictEqual(reply.text, "Yes, Ada.")
      assert.strictEqual(yield* begun.stop, 0, "a Gateway that is stopped is done")
      assert.strictEqual(stored(setting).models.providers.custom.apiKey, KEY)
      assert.strictEqual(stored(setting).channels.telegram.dmPolicy, "pairing")
      assert.strictEqual(statSync(join(setting.home, ".openclaw", "openclaw.json")).mode & 0o777, 0o600)
      for (const secret of [KEY, bots.token]) assert.notInclude(screen.all, secret)
    }).pipe(Effect.scoped, Effect.provide(servers))
  )

  it.live("goes back with Esc, question by question and step by step", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const begun = yield* begin(setting, "onboard")
      const { screen } = begun
      yield* screen.answer("Which model shall answer?", "enter")
      yield* screen.answer("Key (shown as stars", "escape")
      yield* offline(begun)
      yield* screen.sees("builtin/offline says:")
      yield* screen.answer("Telegram: talk to the agent", "escape")
      yield* offline(begun)
      yield* withoutTelegram(begun)
      yield* screen.answer("Who reaches the Gateway?", "enter")
      yield* screen.answer("Port", "escape")
      yield* screen.answer("Who reaches the Gateway?", "escape")
      yield* withoutTelegram(begun)
      yield* onPort(begun, yield* freePort)
      yield* screen.answer("Store this in", "down", "enter")
      yield* screen.answer("Who reaches the Gateway?", "C-c")
      assert.strictEqual(yield* begun.ended, 130)
      assert.include(screen.all, "Stopped; nothing was changed.")
      assert.isUndefined(stored(setting))
    }).pipe(Effect.scoped)
  )

  it.live("goes back over what the flags say, to what was asked, and offers no service where none is wanted", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const flags = ["--skip-channels", "--skip-daemon", "--gateway-port", String(yield* freePort)]
      const begun = yield* begin(setting, "onboard", ...flags)
      const { screen } = begun
      yield* offline(begun)
      yield* screen.answer("Store this in", "down", "enter")
      yield* offline(begun)
      yield* screen.answer("Store this in", "enter")
      yield* screen.sees("How shall the Gateway run?")
      yield* screen.answer("Not now", "C-c")
      assert.strictEqual(yield* begun.ended, 130)
      assert.notInclude(screen.all, "From now on")
    }).pipe(Effect.scoped)
  )

  it.live("keeps an address and a way of its own with Enter", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const gateway = {
        mode: "local",
        bind: "custom",
        customBindHost: "127.0.0.1",
        port: yield* freePort,
        auth: { mode: "trusted-proxy", trustedProxy: { userHeader: "x-user" } },
        trustedProxies: ["127.0.0.1"]
      }
      mkdirSync(join(setting.home, ".openclaw"), { mode: 0o700 })
      writeFileSync(join(setting.home, ".openclaw", "openclaw.json"), JSON.stringify({ gateway }), { mode: 0o600 })
      const begun = yield* begin(setting, "onboard", "--skip-channels", "--auth-choice=offline")
      const { screen } = begun
      yield* screen.answer("Who reaches the Gateway?", "enter")
      yield* screen.answer("Port", "enter")
      yield* screen.answer("How does it know its friends?", "enter")
      yield* screen.answer("Go on like this?", "down", "enter")
      yield* screen.sees("bind custom; by trusted-proxy")
      yield* screen.answer("Store this in", "enter")
      yield* screen.answer("How shall the Gateway run?", "C-c")
      yield* begun.ended
      assert.deepStrictEqual(stored(setting).gateway, gateway)
    }).pipe(Effect.scoped)
  )

  it.live("asks for the key again when the provider refuses it, and keeps nothing of the wrong one", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const provider = yield* ProviderServer.ProviderServer
      yield* provider.push({ text: [] }, { status: 401, errorMessage: `no such key: ${KEY}` }, { text: [] })
      const begun = yield* begin(setting, "onboard", "--skip-channels", "--gateway-bind", "loopback")
      const { screen } = begun
      yield* nameModel(begun, provider.url)
      yield* screen.sees("custom refused the key.")
      yield* screen.answer("The key was not taken", "enter")
      yield* screen.answer("The key of custom", "down", "enter")
      yield* screen.write("Key (shown as stars", "the-right-key")
      yield* provider.push({ text: ["ready"] })
      yield* screen.write("Name of the model", "house-model")
      yield* screen.answer("Store this in", "enter")
      yield* screen.answer("How shall the Gateway run?", "C-c")
      assert.strictEqual(yield* begun.ended, 130)
      assert.include(screen.all, "what was chosen is stored in ~/.openclaw/openclaw.json")
      assert.strictEqual(stored(setting).models.providers.custom.apiKey, "the-right-key")
      for (const secret of [KEY, "the-right-key"]) assert.notInclude(screen.all, secret)
    }).pipe(Effect.scoped, Effect.provide(servers))
  )

  it.live("says who holds a port, and why a server cannot be reached", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const { port } = yield* listener
      const begun = yield* begin(setting, "onboard")
      const { screen } = begun
      yield* screen.answer("Which model shall answer?", "down", "down", "down", "enter")
      yield* screen.write("Address of Ollama", `http://127.0.0.1:${yield* freePort}`)
      yield* screen.sees("connection refused")
      yield* screen.answer("Address of Ollama", "escape")
      yield* offline(begun)
      yield* withoutTelegram(begun)
      yield* screen.answer("Who reaches the Gateway?", "enter")
      yield* screen.write("Port", String(port))
      yield* screen.sees(`port ${port} is held by pid ${process.pid} (`)
      yield* screen.keys("C-c")
      assert.strictEqual(yield* begun.ended, 130)
    }).pipe(Effect.scoped)
  )

  it.live("starts from what is there when it runs again: Enter keeps it all", () =>
    Effect.gen(function* () {
      const setting = { home: yield* home }
      const bots = yield* BotApi.BotApi
      const port = yield* freePort
      const first = yield* begin(
        { ...setting, variables: { TELEGRAM_BOT_TOKEN: bots.token } },
        "onboard",
        "--non-interactive",
        "--auth-choice=offline",
        "--secret-input-mode=ref",
        `--telegram-api-root=${bots.url}`,
        `--gateway-port=${port}`
      )
      assert.strictEqual(yield* first.ended, 0, first.screen.all)
      const before = stored(setting)
      assert.deepStrictEqual(before.channels.telegram.botToken, {
        source: "env",
        provider: "default",
        id: "TELEGRAM_BOT_TOKEN"
      })
      const begun = yield* begin({ ...setting, variables: { TELEGRAM_BOT_TOKEN: bots.token } }, "onboard")
      const { screen } = begun
      yield* screen.sees("Which model shall answer?")
      yield* screen.answer("Keep builtin/offline", "enter")
      yield* screen.sees("Telegram: talk to the agent")
      yield* screen.answer("Keep the bot that is connected", "enter")
      yield* screen.sees("This is @test_claw_bot")
      yield* screen.answer("Who reaches the Gateway?", "enter")
      yield* screen.answer(`Port › ${port}`, "enter")
      yield* screen.answer("How does it know its friends?", "enter")
      yield* screen.answer("Store this in", "enter")
      yield* screen.sees("Nothing to change.")
      yield* screen.answer("How shall the Gateway run?", "C-c")
      yield* begun.ended
      assert.deepStrictEqual(stored(setting), before)
    }).pipe(Effect.scoped, Effect.provide(servers))
  )
})
