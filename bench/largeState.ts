/**
 * What a Gateway of ours has in its database after a long time: a real one answers somebody a few times, and its rows are then
 * written again for thousands of other people.
 */
import { DatabaseSync } from "node:sqlite"
import * as Effect from "effect/Effect"
import { telegramConfig } from "./config.ts"
import { type Prepared, run } from "./world.ts"

/** Found in no other number, so that replacing it in a row's texts makes the row somebody else's. */
const TEMPLATE = { id: 900_900_900_900, firstName: "Grace" }
const TURNS_EACH = 25

/** All that has to do with a chat. Of the engine's own rows a minute remains, which is nothing beside this. */
const TABLES = ["sessions", "transcript", "turns", "channel_inbox", "channel_outbox"]

interface Column {
  readonly name: string
  readonly type: string
  readonly pk: number
}

const copied = ({ name, type }: Column): string => {
  if (name === "session_id") return "lower(hex(randomblob(16)))"
  if (name === "engine_rows") return "0"
  return type === "TEXT" ? `replace("${name}", '${TEMPLATE.id}', '' || (${TEMPLATE.id} + copy))` : `"${name}"`
}

const multiply = (db: DatabaseSync, table: string, times: number): void => {
  const columns = (db.prepare(`PRAGMA table_info(${table})`).all() as unknown as ReadonlyArray<Column>).filter(
    // An order of arrival goes on by itself.
    ({ name, pk }) => !(name === "seq" && pk === 1)
  )
  db.exec(`
    WITH RECURSIVE copies (copy) AS (SELECT 1 UNION ALL SELECT copy + 1 FROM copies WHERE copy < ${times})
    INSERT INTO ${table} (${columns.map(({ name }) => `"${name}"`).join(", ")})
    SELECT ${columns.map(copied).join(", ")} FROM copies, (SELECT * FROM ${table})`)
}

/** Fills the HOME with so many turns; a message in and a message out for each, and a session for every 25. */
export const largeState = Effect.fnUntraced(function* (prepared: Prepared, turns: number) {
  const { bot, home } = prepared
  const config = {
    ...prepared.config,
    ...telegramConfig(bot, [TEMPLATE]),
    session: { dmScope: "per-channel-peer" }
  }
  yield* Effect.scoped(
    Effect.gen(function* () {
      yield* run({ ...prepared, config })
      let last = 0
      for (let index = 0; index < TURNS_EACH; index++) {
        yield* bot.sendText({ from: TEMPLATE, text: `How is everything? (${index})` })
        last = (yield* bot.awaitReply({ chatId: TEMPLATE.id, after: last })).messageId
      }
      yield* bot.awaitConfirmed
    })
  )
  yield* Effect.acquireUseRelease(
    Effect.sync(() => new DatabaseSync(`${home}/.openclaw/state/openclaw.sqlite`)),
    (db) =>
      Effect.sync(() => {
        db.exec("BEGIN")
        for (const table of TABLES) multiply(db, table, Math.ceil(turns / TURNS_EACH) - 1)
        db.exec("COMMIT")
      }),
    (db) => Effect.sync(() => db.close())
  )
})
