/** What people decide about a session: its label, its model, whether it is pinned, archived or unread. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE sessions ADD COLUMN label TEXT`
  yield* sql`ALTER TABLE sessions ADD COLUMN model_override TEXT`
  yield* sql`ALTER TABLE sessions ADD COLUMN pinned_at INTEGER`
  yield* sql`ALTER TABLE sessions ADD COLUMN archived_at INTEGER`
  yield* sql`ALTER TABLE sessions ADD COLUMN marked_unread_at INTEGER`
  yield* sql`ALTER TABLE sessions ADD COLUMN last_read_at INTEGER`
  // When something was said, and when somebody said it to the agent.
  yield* sql`ALTER TABLE sessions ADD COLUMN last_activity_at INTEGER`
  yield* sql`ALTER TABLE sessions ADD COLUMN last_interaction_at INTEGER`
  // Of the last turn.
  yield* sql`ALTER TABLE sessions ADD COLUMN started_at INTEGER`
  yield* sql`ALTER TABLE sessions ADD COLUMN ended_at INTEGER`
  // What was said before counts too, or lists that ask for it would not show the session.
  yield* sql`
    UPDATE sessions SET
      last_activity_at = (
        SELECT created_at FROM transcript WHERE session_key = key ORDER BY seq DESC LIMIT 1
      ),
      last_interaction_at = (
        SELECT created_at FROM transcript WHERE session_key = key AND message ->> '$.role' = 'user'
        ORDER BY seq DESC LIMIT 1
      )`
  yield* sql`CREATE UNIQUE INDEX sessions_label ON sessions (agent_id, label) WHERE label IS NOT NULL`
  yield* sql`CREATE INDEX sessions_session_id ON sessions (session_id)`
})
