/**
 * The storage fails under a running Gateway: nothing is confirmed that is not stored, the state is shown, everything else goes on,
 * and each message is answered once when the cause is gone.
 */
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"

const ada = { id: 4711, firstName: "Ada" }

/** Connections that this process opened to a file; what a test does to them, the disk would do. */
const opened = new Map<string, Set<DatabaseSync>>()
/** Files whose statements fail as on a broken disk. */
const broken = new Set<string>()

const ioError = () => Object.assign(new Error("disk I/O error"), { errcode: 10, errstr: "disk I/O error" })

const exec = DatabaseSync.prototype.exec
const prepare = DatabaseSync.prototype.prepare
const fileOf = (db: DatabaseSync): string => db.location() ?? ""
DatabaseSync.prototype.exec = function (sql) {
  const file = fileOf(this)
  opened.set(file, (opened.get(file) ?? new Set()).add(this))
  if (broken.has(file) && !/^\s*ROLLBACK/i.test(sql)) throw ioError()
  return exec.call(this, sql)
}
DatabaseSync.prototype.prepare = function (...args) {
  const statement = prepare.apply(this, args)
  const file = fileOf(this)
  for (const method of ["all", "run"] as const) {
    const original = statement[method].bind(statement) as (...params: ReadonlyArray<never>) => never
    statement[method] = (...params: ReadonlyArray<never>) => {
      if (broken.has(file)) throw ioError()
      return original(...params)
    }
  }
  return statement
}

const onEach = (file: string, sql: string) => {
  for (const db of opened.get(file) ?? []) if (db.isOpen) exec.call(db, sql)
}

/** What happens to the storage, and what ends it. */
const troubles = {
  full: {
    begin: (file: string) => onEach(file, "PRAGMA max_page_count = 1"),
    end: (file: string) => onEach(file, "PRAGMA max_page_count = 4294967294")
  },
  "read-only": {
    begin: (file: string) => onEach(file, "PRAGMA query_only = ON"),
    end: (file: string) => onEach(file, "PRAGMA query_only = OFF")
  },
  "io-error": {
    begin: (file: string) => void broken.add(file),
    end: (file: string) => void broken.delete(file)
  }
} as const

const settled = Schedule.spaced("20 millis")

describe("a Gateway whose storage fails", () => {
  it.live.each(Object.entries(troubles))(
    "goes on by itself when it is over: %s",
    ([condition, { begin, end }]) =>
      Effect.gen(function* () {
        const bot = yield* BotApi.serve()
        const services = yield* Layer.build(
          GatewayTest.layer({
            config: {
              agents: { defaults: { model: "builtin/offline" } },
              channels: {
                telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist", allowFrom: [ada.id] }
              }
            }
          })
        )
        const kit = Context.get(services, GatewayTest.GatewayTest)
        const file = Path.join(kit.stateDir, "state", "openclaw.sqlite")
        const client = yield* kit.connect()
        const storage = Effect.map(client.call.health({}), (health) => health.storage)
        const until = (wanted: string) =>
          storage.pipe(Effect.repeat({ schedule: settled, until: (found) => found?.condition === wanted }))
        const ready = Effect.promise(async () => (await fetch(`http://127.0.0.1:${kit.port}/readyz`)).status)
        yield* bot.awaitPolling
        assert.strictEqual(yield* ready, 200)

        begin(file)
        const { updateId } = yield* bot.sendText({ from: ada, text: `x${"y".repeat(4_000)}` })
        yield* until(condition)
        assert.strictEqual(yield* ready, 503)
        // It is received again and again, and confirmed never.
        const polls = Effect.map(bot.calls, (calls) => calls.filter(({ method }) => method === "getUpdates"))
        const before = (yield* polls).length
        yield* polls.pipe(Effect.repeat({ schedule: settled, until: (found) => found.length > before + 1 }))
        assert.isTrue((yield* polls).every(({ params }) => Number(params["offset"] ?? 0) <= updateId))
        assert.deepStrictEqual(yield* bot.sent, [])
        // Connections come and go meanwhile.
        const second = yield* kit.connect()
        assert.strictEqual((yield* second.call.health({})).storage?.condition, condition)

        end(file)
        yield* until("ok")
        yield* bot.awaitReply({ chatId: ada.id })
        yield* bot.awaitConfirmed
        yield* bot.sendText({ from: ada, text: "and again" })
        yield* Effect.map(bot.sent, (sent) => sent.length).pipe(
          Effect.repeat({ schedule: settled, until: (count) => count >= 2 })
        )
        assert.strictEqual((yield* bot.sent).length, 2)
        assert.strictEqual(yield* ready, 200)
      }).pipe(Effect.scoped),
    20_000
  )
})
