/** `channels.*` over a real socket, with a real account on a Bot API server. */
import { readFileSync, writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TelegramAccountConfig } from "../../src/services/ConfigSchema.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { conforms } from "../protocol/published.ts"

const ada = { id: 4711, firstName: "Ada" }
const eve = { id: 666, firstName: "Eve", username: "eve_666" }

const rig = Effect.fnUntraced(function* (bot: Effect.Success<ReturnType<typeof BotApi.serve>>) {
  const kit = yield* GatewayTest.GatewayTest
  const file = `${kit.stateDir}/openclaw.json`
  const admin = yield* kit.connect()
  const read = () => JSON.parse(readFileSync(file, "utf8")) as Record<string, any>
  const account = (accountId = "default") =>
    Effect.map(admin.call["channels.status"]({}), ({ channelAccounts }) =>
      channelAccounts["telegram"]?.find((row) => row.accountId === accountId)
    )
  return {
    bot,
    kit,
    admin,
    read,
    write: (change: (config: Record<string, any>) => unknown) =>
      Effect.sync(() => writeFileSync(file, JSON.stringify(change(read())))),
    account,
    until: (accept: (row: Effect.Success<ReturnType<typeof account>>) => boolean) =>
      Effect.repeat(account(), { until: accept }),
    refused: (method: string, params: object, client = admin) =>
      Effect.map(Effect.flip(client.request(method, params)), (error) => {
        assert(error._tag === "GatewayError")
        return error
      })
  }
})
type Rig = Effect.Success<ReturnType<typeof rig>>

const live = <A, E>(
  name: string,
  body: (rig: Rig) => Effect.Effect<A, E, Scope.Scope>,
  settings: TelegramAccountConfig = { allowFrom: [ada.id] }
) =>
  it.live(name, () =>
    Effect.gen(function* () {
      const bot = yield* BotApi.serve()
      const telegram = { botToken: bot.token, apiRoot: bot.url, ...settings }
      const gateway = GatewayTest.layer({
        models: ScriptedModel.layer([{ text: "one" }, { text: "two" }]),
        config: { channels: { telegram } }
      })
      return yield* Effect.provide(Effect.flatMap(rig(bot), body), gateway)
    }).pipe(Effect.scoped)
  )

const telegram = { channel: "telegram" }

describe("channels.start and channels.stop", () => {
  live("let an account receive or not, until somebody says otherwise", ({ account, admin, bot, until, write }) =>
    Effect.gen(function* () {
      yield* bot.awaitPolling
      const running = yield* admin.call["channels.start"](telegram)
      assert.deepStrictEqual(running, {
        channel: "telegram",
        accountId: "default",
        started: true,
        outcome: { status: "retry", reason: "task-owned" }
      })
      const stopped = { channel: "telegram", accountId: "default", stopped: true }
      assert.deepStrictEqual(yield* admin.call["channels.stop"](telegram), stopped)
      assert.deepStrictEqual(yield* admin.call["channels.stop"]({ ...telegram, accountId: "default" }), stopped)
      assert.isFalse((yield* account())?.running)
      yield* bot.sendText({ from: ada, text: "anybody there?" })
      // Added anew, and still stopped.
      yield* write((config) => {
        config["channels"].telegram.name = "Attic"
        return config
      })
      yield* until((row) => row?.name === "Attic")
      assert.isFalse((yield* account())?.running)
      assert.strictEqual(yield* bot.pendingCount, 1)
      const started = yield* admin.call["channels.start"]({ ...telegram, accountId: "" })
      assert.deepStrictEqual(started, {
        channel: "telegram",
        accountId: "default",
        started: true,
        outcome: { status: "handed-off" }
      })
      assert.strictEqual((yield* bot.awaitReply({ chatId: ada.id })).text, "one")
    })
  )

  live("let messages out while nothing comes in", ({ admin, bot }) =>
    Effect.gen(function* () {
      yield* bot.sendText({ from: ada, text: "hi" })
      const { messageId } = yield* bot.awaitReply({ chatId: ada.id })
      yield* admin.call["channels.stop"](telegram)
      yield* admin.request("send", { to: String(ada.id), message: "hello", channel: "telegram", idempotencyKey: "1" })
      assert.strictEqual((yield* bot.awaitReply({ chatId: ada.id, after: messageId })).text, "hello")
    })
  )

  live("say what cannot be started or stopped", ({ admin, kit, refused, until, write }) =>
    Effect.gen(function* () {
      const start = admin.call["channels.start"]
      const skipped = (reason: string) => ({ started: false, outcome: { status: "skipped", reason } }) as const
      assert.deepInclude(yield* start({ ...telegram, accountId: "zzz" }), skipped("unconfigured"))
      assert.isTrue((yield* admin.call["channels.stop"]({ ...telegram, accountId: "zzz" })).stopped)
      yield* write((config) => {
        config["channels"].telegram.enabled = false
        return config
      })
      yield* until((row) => row === undefined)
      assert.deepInclude(yield* start(telegram), skipped("disabled"))
      for (const method of ["channels.start", "channels.stop", "channels.logout"]) {
        assert.strictEqual((yield* refused(method, { channel: "nosuch" })).message, `invalid ${method} channel`)
        assert.match((yield* refused(method, {})).message, /must have required property 'channel'/)
        const writer = yield* kit.connect({ scopes: ["operator.write", "operator.pairing"] })
        assert.strictEqual((yield* refused(method, telegram, writer)).message, "missing scope: operator.admin")
      }
    })
  )
})

describe("channels.logout", () => {
  live("takes the token away, and a new one starts the account", ({ account, admin, bot, read, until, write }) =>
    Effect.gen(function* () {
      yield* bot.awaitPolling
      const done = yield* admin.call["channels.logout"](telegram)
      assert.deepStrictEqual(done, {
        channel: "telegram",
        accountId: "default",
        cleared: true,
        envToken: false,
        loggedOut: true
      })
      assert.notInclude(JSON.stringify(read()), bot.token)
      assert.deepInclude(yield* account(), { configured: false, running: false, tokenSource: "none" })
      const again = yield* admin.call["channels.logout"](telegram)
      assert.deepInclude(again, { cleared: false, loggedOut: true })
      assert.deepInclude((yield* admin.call["channels.start"](telegram)).outcome, { reason: "unconfigured" })
      yield* write((config) => {
        config["channels"].telegram.botToken = bot.token
        return config
      })
      yield* until((row) => row?.running === true)
      const unknown = yield* admin.call["channels.logout"]({ ...telegram, accountId: "zzz" })
      assert.deepInclude(unknown, { cleared: false, envToken: false, loggedOut: false })
    })
  )
})

describe("channels.pairing", () => {
  live(
    "lists, lets in and dismisses who waits",
    ({ admin, bot, kit }) =>
      Effect.gen(function* () {
        const keeper = yield* kit.connect({ scopes: ["operator.pairing"] })
        yield* bot.sendText({ from: ada, text: "hi" })
        const code = /Your code: ([A-Z2-9]{8})/.exec((yield* bot.awaitReply({ chatId: ada.id })).text)?.[1]
        yield* bot.sendText({ from: eve, text: "hi" })
        yield* bot.awaitReply({ chatId: eve.id })
        const found = yield* keeper.call["channels.pairing.list"]({})
        conforms("ChannelsPairingListResult", found)
        assert.lengthOf(found.requests, 2)
        assert.isDefined(code)
        assert.notInclude(JSON.stringify(found), code!)
        const [first, second] = found.requests
        assert.deepInclude(first, { senderId: "4711", senderLabel: "telegramUserId", accountId: "default" })
        assert.deepStrictEqual(second?.metadata, { displayName: "Eve", username: "eve_666" })
        const named = { channel: "telegram", accountId: "default", requestId: first!.requestId }
        const approved = yield* keeper.call["channels.pairing.approve"]({ ...named, notify: true })
        conforms("ChannelsPairingApproveResult", approved)
        assert.deepStrictEqual(approved, {
          requestId: named.requestId,
          senderId: "4711",
          notification: "sent",
          commandOwnerBootstrap: "not-requested"
        })
        const dismissed = yield* keeper.call["channels.pairing.dismiss"]({ ...named, requestId: second!.requestId })
        conforms("ChannelsPairingDismissResult", dismissed)
        assert.deepStrictEqual((yield* keeper.call["channels.pairing.list"]({ channel: "telegram" })).requests, [])
        // Both take effect: one is answered, the other asks anew.
        const told = (yield* bot.sent).filter(({ chatId }) => chatId === ada.id).at(-1)
        yield* bot.sendText({ from: ada, text: "and now?" })
        assert.strictEqual((yield* bot.awaitReply({ chatId: ada.id, after: told!.messageId })).text, "one")
        const before = (yield* bot.sent).filter(({ chatId }) => chatId === eve.id).at(-1)
        yield* bot.sendText({ from: eve, text: "please" })
        yield* bot.awaitReply({ chatId: eve.id, after: before!.messageId })
        const anew = (yield* admin.call["channels.pairing.list"]({})).requests
        assert.lengthOf(anew, 1)
        assert.notStrictEqual(anew[0]?.requestId, second!.requestId)
      }),
    {}
  )

  live(
    "knows when somebody wrote last",
    ({ admin, bot }) =>
      Effect.gen(function* () {
        yield* bot.sendText({ from: eve, text: "hi" })
        yield* bot.awaitReply({ chatId: eve.id })
        const [first] = (yield* admin.call["channels.pairing.list"]({})).requests
        yield* bot.sendText({ from: eve, text: "hello?" })
        yield* bot.awaitConfirmed
        const seen = yield* Effect.repeat(admin.call["channels.pairing.list"]({}), {
          until: ({ requests }) => requests[0]?.lastSeenAt !== first?.lastSeenAt
        })
        assert.strictEqual(seen.requests[0]?.createdAt, first?.createdAt)
        assert.strictEqual(seen.requests[0]?.requestId, first?.requestId)
      }),
    {}
  )

  live(
    "refuses what it does not know, and who may not",
    ({ admin, bot, kit, refused, write }) =>
      Effect.gen(function* () {
        const keeper = yield* kit.connect({ scopes: ["operator.pairing"] })
        yield* bot.sendText({ from: eve, text: "hi" })
        yield* bot.awaitReply({ chatId: eve.id })
        const [request] = (yield* keeper.call["channels.pairing.list"]({})).requests
        const named = { channel: "telegram", accountId: "default", requestId: request!.requestId }
        const told = (method: string, params: object) =>
          Effect.map(refused(`channels.pairing.${method}`, params, keeper), ({ message }) => message)
        for (const method of ["approve", "dismiss"]) {
          assert.strictEqual(
            yield* told(method, { ...named, requestId: "zz" }),
            "pending DM access request no longer exists"
          )
          assert.strictEqual(
            yield* told(method, { ...named, accountId: "zzz" }),
            "channel account does not use DM pairing: telegram:zzz"
          )
          assert.strictEqual(
            yield* told(method, { ...named, channel: "nosuch" }),
            "Error: unknown pairing channel: nosuch"
          )
          assert.match(yield* told(method, {}), /must have required property 'channel'/)
        }
        assert.strictEqual(yield* told("list", { channel: "nosuch" }), "Error: unknown pairing channel: nosuch")
        assert.deepStrictEqual((yield* keeper.call["channels.pairing.list"]({ accountId: "zzz" })).accounts, [])
        const error = yield* refused("channels.pairing.approve", { ...named, bootstrapCommandOwner: true }, keeper)
        assert.deepStrictEqual(error.details, {
          code: "MISSING_SCOPE",
          missingScope: "operator.admin",
          requiredScopes: ["operator.pairing", "operator.admin"]
        })
        const reader = yield* kit.connect({ scopes: ["operator.read"] })
        for (const method of ["list", "approve", "dismiss"]) {
          const { message } = yield* refused(`channels.pairing.${method}`, {}, reader)
          assert.strictEqual(message, "missing scope: operator.pairing")
        }
        // An account that no longer asks people to pair has nobody who waits.
        yield* write((config) => {
          config["channels"].telegram.dmPolicy = "disabled"
          return config
        })
        assert.deepStrictEqual((yield* keeper.call["channels.pairing.list"]({})).requests, [])
        yield* write((config) => {
          config["channels"].telegram.dmPolicy = "pairing"
          return config
        })
        const done = yield* admin.call["channels.pairing.approve"]({ ...named, bootstrapCommandOwner: true })
        assert.deepInclude(done, { notification: "not-requested", commandOwnerBootstrap: "unavailable" })
      }),
    {}
  )
})
