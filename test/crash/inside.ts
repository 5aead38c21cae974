/**
 * What a world's state directory says once everything has ended: nothing is left open, and each message is told once.
 */
import { DatabaseSync } from "node:sqlite"
import { messageIn } from "./script.ts"

export interface Inside {
  /** Turns that have no end. */
  readonly unfinished: ReadonlyArray<string>
  /** Messages in the inbox that nobody has dealt with. */
  readonly waiting: number
  /** Deliveries by the state in which they are left; those that are through are not counted. */
  readonly deliveries: Readonly<Record<string, number>>
  /** What is wrong with the transcript, by the id of the message. */
  readonly transcript: ReadonlyArray<{ readonly id: number; readonly problem: string }>
  /** Sessions that say they are running. */
  readonly running: ReadonlyArray<string>
}

interface Entry {
  readonly role: string
  readonly content: unknown
  readonly stopReason?: string
  readonly toolName?: string
}

const textOf = (content: unknown): string => (typeof content === "string" ? content : JSON.stringify(content))

const callsOf = ({ content }: Entry): number =>
  Array.isArray(content) ? content.filter((part: { readonly type?: string }) => part.type === "toolCall").length : 0

/** One message's entries: the message, calls and as many results, one answer. */
const problemIn = (entries: ReadonlyArray<Entry>): string | undefined => {
  const count = (role: string) => entries.filter((entry) => entry.role === role).length
  const answers = entries.filter((entry) => entry.role === "assistant" && callsOf(entry) === 0).length
  const calls = entries.reduce((sum, entry) => sum + callsOf(entry), 0)
  if (count("user") !== 1) return `${count("user")} entries of the user`
  if (answers !== 1) return `${answers} answers`
  return count("toolResult") === calls ? undefined : `${calls} calls and ${count("toolResult")} results`
}

const transcriptOf = (db: DatabaseSync, answered: ReadonlySet<number>): Inside["transcript"] => {
  const rows = db.prepare("SELECT run_id, message FROM transcript ORDER BY session_key, seq").all()
  const runs = new Map<string, Array<Entry>>()
  for (const row of rows) {
    const run = String(row["run_id"])
    runs.set(run, [...(runs.get(run) ?? []), JSON.parse(String(row["message"])) as Entry])
  }
  const seen = new Set<number>()
  const problems: Array<{ readonly id: number; readonly problem: string }> = []
  for (const entries of runs.values()) {
    const user = entries.find(({ role }) => role === "user")
    const message = messageIn(textOf(user?.content))
    if (message === undefined) continue
    const problem = seen.has(message.id) ? "told twice" : problemIn(entries)
    seen.add(message.id)
    if (problem !== undefined) problems.push({ id: message.id, problem })
  }
  return [...problems, ...[...answered].filter((id) => !seen.has(id)).map((id) => ({ id, problem: "not told" }))]
}

const columnsOf = (db: DatabaseSync, table: string): ReadonlySet<string> =>
  new Set(
    db
      .prepare(`PRAGMA table_info(${table})`)
      .all()
      .map((row) => String(row["name"]))
  )

/** Reads the database of a Gateway that has ended. `answered`: ids whose turn must be told. */
export const look = (file: string, answered: ReadonlySet<number>): Inside => {
  const db = new DatabaseSync(file, { readOnly: true })
  const strings = (sql: string) =>
    db
      .prepare(sql)
      .all()
      .map((row) => String(Object.values(row)[0]))
  // A message that was set aside waits for its owner, not for the Gateway.
  const aside = columnsOf(db, "channel_inbox").has("set_aside_at") ? "AND set_aside_at IS NULL" : ""
  const inside: Inside = {
    unfinished: strings("SELECT run_id FROM turns WHERE finished_at IS NULL"),
    waiting: strings(`SELECT seq FROM channel_inbox WHERE message IS NOT NULL ${aside}`).length,
    deliveries: Object.fromEntries(
      db
        .prepare("SELECT state, count(*) AS count FROM channel_outbox WHERE state <> 'sent' GROUP BY state")
        .all()
        .map((row) => [String(row["state"]), Number(row["count"])])
    ),
    transcript: transcriptOf(db, answered),
    running: strings("SELECT key FROM sessions WHERE status = 'running'")
  }
  db.close()
  return inside
}
