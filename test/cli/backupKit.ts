/**
 * State directories of Gateways that ran, and their backups.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BotApi from "../../src/testing/BotApi.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { home, run } from "./kit.ts"

const ada = { id: 4711, firstName: "Ada" }

const config = (bot: BotApi.BotApiServer) => ({
  agents: { defaults: { model: "builtin/offline" } },
  channels: {
    telegram: { botToken: bot.token, apiRoot: bot.url, dmPolicy: "allowlist" as const, allowFrom: [ada.id, 4712] }
  }
})

/** A Gateway that has answered a message. */
export const gateway = Effect.fnUntraced(function* (stateDir: string, person = ada) {
  const bot = yield* BotApi.serve()
  const services = yield* Layer.build(GatewayTest.layer({ stateDir, config: config(bot) }))
  yield* bot.awaitPolling
  yield* bot.sendText({ from: person, text: "hello" })
  yield* bot.awaitReply({ chatId: person.id })
  yield* bot.awaitConfirmed
  return { bot, kit: Context.get(services, GatewayTest.GatewayTest) }
})

export const place = Effect.gen(function* () {
  const folder = yield* home
  const stateDir = Path.join(folder, "state")
  Fs.mkdirSync(stateDir, { mode: 0o700 })
  return { folder, stateDir, setting: { home: folder, variables: { OPENCLAW_STATE_DIR: stateDir } } }
})

/** The archive of a Gateway that was stopped before. */
export const stopped = Effect.gen(function* () {
  const at = yield* place
  yield* Effect.scoped(gateway(at.stateDir))
  Fs.writeFileSync(Path.join(at.stateDir, "node-id"), "a file of ours", { mode: 0o600 })
  const archive = Path.join(at.folder, "b.tar.gz")
  const made = yield* run(at.setting, "backup", "create", "--output", archive, "--verify")
  assert.strictEqual(made.code, 0, made.stderr)
  return { ...at, archive, made }
})

export const database = (stateDir: string) => Path.join(stateDir, "state", "openclaw.sqlite")

export const rows = (stateDir: string, sql: string) => {
  const db = new DatabaseSync(database(stateDir), { readOnly: true })
  const found = db.prepare(sql).all()
  db.close()
  return found.map((row) => ({ ...row }))
}

export const change = (stateDir: string, sql: string) => {
  const db = new DatabaseSync(database(stateDir))
  db.exec(sql)
  db.close()
}

export const leftovers = (folder: string) => Fs.readdirSync(folder).filter((name) => /tmp|restoring/.test(name))
