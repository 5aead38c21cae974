import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import * as FromConfig from "../../src/layers/telegram/fromConfig.ts"
import * as Supervisor from "../../src/layers/Supervisor.ts"
import type { Channel } from "../../src/services/Channel.ts"
import { ChannelRouter } from "../../src/services/ChannelRouter.ts"
import type { OpenClawConfig } from "../../src/services/ConfigSchema.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import { makeConfig, Signal, telegram } from "../channels/kit.ts"
import { clients } from "./kit.ts"

const environment = (variables: Record<string, string> = {}) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown(variables))

const read = (config: OpenClawConfig, variables: Record<string, string> = {}) =>
  FromConfig.readAccounts(config).pipe(
    Effect.map((accounts) =>
      accounts.map((account) => ({
        ...account,
        token: account.token === undefined ? undefined : Redacted.value(account.token)
      }))
    ),
    Effect.provide(Layer.merge(NodeFileSystem.layer, environment(variables)))
  )

const tempFolder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "openclaw-telegram-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

/** What these tests ask nothing of. */
const unused = {
  start: () => Effect.die("not used"),
  stop: () => Effect.die("not used"),
  logout: () => Effect.die("not used")
}

describe("Telegram accounts of the configuration", () => {
  it.effect("nothing configured is no account; a token in the environment alone is one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read({}), [])
      const accounts = yield* read({}, { TELEGRAM_BOT_TOKEN: " 1:env " })
      assert.deepStrictEqual(accounts, [
        { accountId: "default", token: "1:env", tokenSource: "env", apiRoot: "https://api.telegram.org" }
      ])
      assert.deepStrictEqual(yield* read(telegram({ enabled: false }), { TELEGRAM_BOT_TOKEN: "1:env" }), [])
    })
  )

  it.effect("the configuration counts before the environment, a file before the configuration", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const tokenFile = Path.join(folder, "token")
      Fs.writeFileSync(tokenFile, "1:file\n")
      const variables = { TELEGRAM_BOT_TOKEN: "1:env" }
      const [configured] = yield* read(telegram({ botToken: "1:config" }), variables)
      assert.deepInclude(configured, { token: "1:config", tokenSource: "config" })
      const [filed] = yield* read(telegram({ botToken: "1:config", tokenFile }), variables)
      assert.deepInclude(filed, { token: "1:file", tokenSource: "tokenFile" })
    })
  )

  it.effect("a token file that is a link, a folder, missing, empty or huge is a problem with a name", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      const file = (name: string) => Path.join(folder, name)
      Fs.writeFileSync(file("real"), "1:file")
      Fs.symlinkSync(file("real"), file("link"))
      Fs.writeFileSync(file("empty"), " \n")
      Fs.writeFileSync(file("huge"), "x".repeat(5_000))
      for (const [path, problem] of [
        [file("link"), "symbolic link"],
        [folder, "not a plain file"],
        [file("missing"), "cannot be read"],
        [file("empty"), "is empty"],
        [file("huge"), "too long"]
      ] as const) {
        const [account] = yield* read(telegram({ tokenFile: path, botToken: "1:config" }))
        assert.isUndefined(account!.token)
        assert.include(account!.tokenProblem, problem)
      }
    })
  )

  it.effect("named accounts inherit all but the token; the default one comes first", () =>
    Effect.gen(function* () {
      const accounts = yield* read(
        telegram({
          botToken: "1:root",
          apiRoot: "http://127.0.0.1:1",
          timeoutSeconds: 5,
          defaultAccount: "work",
          accounts: { home: { name: "Home" }, work: { botToken: "2:work" }, off: { enabled: false, botToken: "3:off" } }
        }),
        { TELEGRAM_BOT_TOKEN: "1:env" }
      )
      assert.deepStrictEqual(
        accounts.map(({ accountId, apiRoot, timeoutMs, token }) => ({ accountId, apiRoot, timeoutMs, token })),
        [
          { accountId: "work", token: "2:work" },
          { accountId: "default", token: "1:root" },
          { accountId: "home", token: undefined }
        ].map((account) => ({ ...account, apiRoot: "http://127.0.0.1:1", timeoutMs: 5_000 }))
      )
      assert.include(accounts[2]!.tokenProblem, "channels.telegram.accounts.home.botToken")
    })
  )

  it.effect("a section without any token is the default account with what is missing", () =>
    Effect.gen(function* () {
      const [account, ...rest] = yield* read(telegram({}))
      assert.deepStrictEqual(rest, [])
      assert.include(account!.tokenProblem, "TELEGRAM_BOT_TOKEN")
      assert.strictEqual(account!.accountId, "default")
    })
  )
})

describe("accounts that follow the file", () => {
  it.live("a token that was rotated in its file takes over, by itself or when somebody probes", () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const tokenFile = Path.join(yield* tempFolder, "token")
      const rotate = (token: string) => {
        Fs.writeFileSync(`${tokenFile}.new`, token)
        Fs.renameSync(`${tokenFile}.new`, tokenFile)
      }
      rotate("424242:AAold")
      const config = makeConfig(telegram({ tokenFile, apiRoot: bot.url }))
      const signal = new Signal()
      const added: Array<Channel> = []
      const router = Layer.succeed(ChannelRouter, {
        add: (channel: Channel) =>
          Effect.sync(() => {
            added.push(channel)
            signal.notify()
          }),
        pause: Effect.void,
        ...unused
      })
      const clock = yield* TestClock.make()
      yield* Layer.build(
        FromConfig.layer.pipe(
          Layer.provide([router, config.layer, Supervisor.layer, clients.undici, NodeFileSystem.layer, environment()])
        )
      ).pipe(Effect.provideService(Clock.Clock, clock))
      const [first] = added
      assert.deepInclude(yield* first!.probe, { ok: false, status: 401 })
      assert.lengthOf(added, 1)
      rotate(bot.token)
      assert.deepInclude(yield* first!.probe, { ok: true })
      assert.lengthOf(added, 2)
      assert.strictEqual(added[1]!.source, "424242")
      rotate("424242:AAnewer")
      yield* clock.adjust("30 seconds")
      yield* signal.until(() => (added.length >= 3 ? true : undefined))
    }).pipe(Effect.scoped)
  )

  it.effect("changed accounts are started anew, others go on", () =>
    Effect.gen(function* () {
      const signal = new Signal()
      const log: Array<string> = []
      const say = (line: string) =>
        Effect.sync(() => {
          log.push(line)
          signal.notify()
        })
      const router = Layer.succeed(ChannelRouter, {
        add: (channel: Channel) =>
          Effect.asVoid(Effect.acquireRelease(say(`+${channel.accountId}`), () => say(`-${channel.accountId}`))),
        pause: Effect.void,
        ...unused
      })
      const both = { a: { botToken: "1:a" }, b: { botToken: "2:b" } }
      const config = makeConfig(telegram({ accounts: both }))
      const layer = FromConfig.layer.pipe(
        Layer.provide([router, config.layer, Supervisor.layer, clients.undici, NodeFileSystem.layer, environment()])
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Layer.build(layer)
          assert.deepStrictEqual(log, ["+a", "+b"])
          yield* Effect.yieldNow
          yield* config.set(telegram({ allowFrom: ["7"], accounts: both }))
          yield* config.set(telegram({ accounts: { ...both, b: { botToken: "2:new" }, c: { botToken: "3:c" } } }))
          yield* signal.until(() => (log.length >= 5 ? true : undefined))
          assert.deepStrictEqual(log.slice(2), ["-b", "+b", "+c"])
          yield* config.set(telegram({ enabled: false, accounts: both }))
          yield* signal.until(() => (log.length >= 8 ? true : undefined))
          assert.deepStrictEqual(log.slice(5).sort(), ["-a", "-b", "-c"])
        })
      )
    })
  )
})
