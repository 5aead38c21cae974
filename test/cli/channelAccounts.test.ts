/** `openclaw channels start`, `stop` and `logout`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { gateway, home, run } from "./kit.ts"

const rig = (given: Parameters<typeof gateway>[0], channelOrder: ReadonlyArray<string> = ["telegram"]) =>
  Effect.gen(function* () {
    const status = {
      ts: 1,
      channelOrder,
      channelLabels: {},
      channels: {},
      channelAccounts: {},
      channelDefaultAccountId: {}
    }
    const server = yield* gateway({ "channels.status": () => status, ...given })
    const setting = { home: yield* home }
    return { server, cli: (...args: ReadonlyArray<string>) => run(setting, "channels", ...args, ...server.flags) }
  })

const account = { channel: "telegram", accountId: "default" }

describe("channels start and stop", () => {
  it.live("take the only channel, or the named one", () =>
    Effect.gen(function* () {
      const { cli, server } = yield* rig({
        "channels.start": (params) => ({ ...account, ...params, started: true, outcome: { status: "handed-off" } }),
        "channels.stop": (params) => ({ ...account, ...params, stopped: true })
      })
      const started = yield* cli("start")
      assert.deepStrictEqual(started, { stdout: "telegram default receives.", stderr: "", code: 0 })
      assert.deepStrictEqual(server.requests.at(-1)?.params, { channel: "telegram" })
      assert.deepStrictEqual(server.connects[0]?.params["scopes"], ["operator.admin"])
      const stopped = yield* cli("stop", "--channel", "Telegram", "--account", "work", "--json")
      assert.deepStrictEqual(JSON.parse(stopped.stdout), { channel: "telegram", accountId: "work", stopped: true })
      assert.strictEqual((yield* cli("stop")).code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("end with 1 when it is not so afterwards, and say why", () =>
    Effect.gen(function* () {
      const { cli } = yield* rig({
        "channels.start": () => ({
          ...account,
          started: false,
          outcome: { status: "skipped", reason: "unconfigured" }
        }),
        "channels.stop": () => ({ ...account, stopped: false })
      })
      const start = yield* cli("start")
      assert.strictEqual(start.code, 1)
      assert.match(start.stdout, /does not receive \(unconfigured\)/)
      assert.strictEqual((yield* cli("stop")).code, 1)
    }).pipe(Effect.scoped)
  )

  it.live("ask nothing of a channel that nobody named", () =>
    Effect.gen(function* () {
      const several = yield* rig({}, ["slack", "telegram"])
      for (const args of [
        ["logout"],
        ["stop", "--channel", " "],
        ["start", "--channel", "telegram", "--account", ""]
      ]) {
        const ended = yield* several.cli(...args)
        assert.strictEqual(ended.code, 1)
        assert.match(ended.stderr, /Fix: /)
      }
      assert.deepStrictEqual(
        several.server.requests.map(({ method }) => method),
        ["channels.status"]
      )
      const none = yield* rig({}, [])
      assert.match((yield* none.cli("logout")).stderr, /no channel is configured/)
    }).pipe(Effect.scoped)
  )
})

describe("channels logout", () => {
  it.live("says whether credentials are left", () =>
    Effect.gen(function* () {
      const answers = [
        { cleared: true, loggedOut: true, envToken: false },
        { cleared: false, loggedOut: true, envToken: false },
        { cleared: true, loggedOut: false, envToken: true },
        { cleared: true, loggedOut: false, envToken: false },
        { cleared: false, loggedOut: false, envToken: false }
      ]
      const { cli } = yield* rig({ "channels.logout": () => ({ ...account, ...answers.shift() }) })
      for (const [code, words] of [
        [0, /^telegram default is logged out\.$/],
        [0, /it had no credentials/],
        [1, /its token is in the environment of the Gateway/],
        [1, /other credentials are left/],
        [1, /no such account/]
      ] as const) {
        const ended = yield* cli("logout")
        assert.strictEqual(ended.code, code)
        assert.match(ended.stdout, words)
      }
    }).pipe(Effect.scoped)
  )
})
