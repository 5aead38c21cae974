/**
 * Commands against a real Gateway: what a crash or a full disk leaves half done is done once.
 */
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as SessionKey from "../../src/domain/SessionKey.ts"
import { Supervisor } from "../../src/services/Supervisor.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { Turns } from "../../src/services/Turns.ts"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { tempDatabase } from "./kit.ts"

const ada = { id: 4711, firstName: "Ada" }

/** One life of a Gateway over a state directory. */
const live = Effect.fnUntraced(function* (bot: BotApi.BotApiServer, stateDir: string, script: ScriptedModel.Script) {
  const scope = yield* Scope.make()
  const models = ScriptedModel.layer(script)
  const config = {
    channels: {
      telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist" as const, allowFrom: [ada.id] }
    }
  }
  const services = yield* Layer.buildWithScope(GatewayTest.layer({ models, stateDir, config }), scope)
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  return { services, stop: Scope.close(scope, Exit.void) }
})

const setup = Effect.gen(function* () {
  const bot = yield* BotApi.serve()
  const stateDir = (yield* tempDatabase).replace(/\/[^/]+$/, "")
  /** The Gateway's database, from outside. While the Gateway writes, waiting inside SQLite would keep it from its commit. */
  const database = <A>(use: (db: DatabaseSync) => A) =>
    Effect.acquireUseRelease(
      Effect.sync(() => new DatabaseSync(`${stateDir}/state/openclaw.sqlite`, { timeout: 0 })),
      (db) =>
        Effect.try({ try: () => use(db), catch: (error) => String(error) }).pipe(
          Effect.retry({
            while: (error) => error.includes("database is locked"),
            schedule: Schedule.spaced("5 millis")
          })
        ),
      (db) => Effect.sync(() => db.close())
    )
  return { bot, stateDir, database }
})

/** A model that answers with what it was told last. */
const echo: ScriptedModel.Script = Array.from({ length: 5 }, () => (messages) => {
  const last = messages.findLast((message) => message.role === "user")
  const [part] = last?.content ?? []
  return { text: `re: ${part !== undefined && typeof part === "object" && "text" in part ? part.text : "?"}` }
})

const texts = (bot: BotApi.BotApiServer) => Effect.map(bot.sent, (sent) => sent.map((message) => message.text))

describe("commands", () => {
  it.live("/new with a text that comes up again leaves the turn that it began alone", () =>
    Effect.gen(function* () {
      const { bot, database, stateDir } = yield* setup
      const first = yield* live(bot, stateDir, [{ gate: Effect.never, text: "never" }])
      yield* bot.awaitPolling
      yield* bot.fault({ kind: "hang", method: "getUpdates", after: 1 })
      const sent = yield* bot.sendText({ from: ada, text: "/new hello" })
      yield* bot.awaitActions(1)
      yield* first.stop
      const message = {
        updateId: String(sent.updateId),
        source: String(bot.bot.id),
        peer: { channel: "telegram", accountId: "default", chatId: String(ada.id), chatType: "direct" },
        messageId: String(sent.messageId),
        sender: { id: String(ada.id) },
        text: "/new hello",
        addressed: true,
        sentAt: 1
      }
      yield* database((db) => db.prepare("UPDATE channel_inbox SET message = ?").run(JSON.stringify(message)))
      yield* live(bot, stateDir, echo)
      yield* bot.awaitReply({ matching: (reply) => reply.text === "re: hello" })
      assert.deepStrictEqual(yield* texts(bot), ["re: hello"])
      const turns = yield* database((db) => db.prepare("SELECT abort_requested_at FROM turns").all())
      assert.deepStrictEqual(
        turns.map((turn) => turn["abort_requested_at"]),
        [null]
      )
    }).pipe(Effect.scoped)
  )

  it.live("/stop that cannot be noted stops nothing; once it can it stops what was there before it", () =>
    Effect.gen(function* () {
      const { bot, database, stateDir } = yield* setup
      const reached = yield* Deferred.make<void>()
      const gate = Effect.andThen(Deferred.succeed(reached, undefined), Effect.never)
      const { services } = yield* live(bot, stateDir, [{ gate, text: "never" }, ...echo])
      const supervisor = Context.get(services, Supervisor)
      yield* bot.sendText({ from: ada, text: "first" })
      yield* Deferred.await(reached)
      yield* bot.sendText({ from: ada, text: "second" })
      yield* database((db) =>
        db.exec(
          "CREATE TRIGGER full BEFORE UPDATE OF reply ON channel_inbox BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
      )
      yield* bot.sendText({ from: ada, text: "/stop" })
      const restarts = Effect.map(
        supervisor.tree,
        (tree) => tree.find((fiber) => fiber.name === "channels/telegram/default/inbox")?.restarts ?? 0
      )
      while ((yield* restarts) < 2) yield* Effect.sleep("10 millis")
      const aborts = () =>
        database((db) => db.prepare("SELECT abort_requested_at IS NOT NULL AS n FROM turns ORDER BY seq").all())
      assert.deepStrictEqual(
        (yield* aborts()).map((turn) => turn["n"]),
        [0, 0]
      )
      yield* database((db) => db.exec("DROP TRIGGER full"))
      yield* bot.awaitReply({ matching: (reply) => reply.text === "Stopped." })
      yield* bot.sendText({ from: ada, text: "third" })
      yield* bot.awaitReply({ matching: (reply) => reply.text === "re: third" })
      assert.deepStrictEqual(yield* texts(bot), ["Stopped.", "re: third"])
      assert.deepStrictEqual(
        (yield* aborts()).map((turn) => turn["n"]),
        [1, 1, 0]
      )
    }).pipe(Effect.scoped)
  )

  it.live("/new leaves nothing of a turn that was cut in the new session", () =>
    Effect.gen(function* () {
      const { bot, stateDir } = yield* setup
      const prompts: Array<string> = []
      const { services } = yield* live(bot, stateDir, [
        { text: ["half an", "answer"], deltaDelay: "1 hour" },
        (messages) => {
          prompts.push(JSON.stringify(messages.filter((message) => message.role !== "system")))
          return { text: "fresh" }
        }
      ])
      yield* bot.sendText({ from: ada, text: "old question" })
      const turns = Context.get(services, Turns)
      const said = Effect.map(turns.inFlight(SessionKey.main("main")), (turn) => turn?.text ?? "")
      while ((yield* said) === "") yield* Effect.sleep("5 millis")
      yield* bot.sendText({ from: ada, text: "/new what now" })
      yield* bot.awaitReply({ matching: (reply) => reply.text === "fresh" })
      const { messages } = yield* Context.get(services, Sessions).history(SessionKey.main("main"), {})
      assert.deepStrictEqual(
        messages.map((message) => message.role),
        ["user", "assistant"]
      )
      assert.include(prompts[0], "what now")
      assert.notInclude(prompts[0], "half an")
      assert.notInclude(prompts[0], "old question")
    }).pipe(Effect.scoped)
  )
})
