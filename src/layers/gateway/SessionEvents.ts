/**
 * From changes of sessions to `sessions.changed` and `session.message`, once they are stored, for those who asked.
 *
 * As long as nobody asks nothing is read. Who was away looks into `chat.history`: no event is sent twice or later.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import { agentIdOf, type SessionKey } from "../../domain/SessionKey.ts"
import type { EventPayload } from "../../protocol/EventTable.ts"
import type { SessionRow } from "../../protocol/methods/sessions.ts"
import { EventBus } from "../../services/EventBus.ts"
import { type SessionChange, Sessions } from "../../services/Sessions.ts"
import { Supervisor } from "../../services/Supervisor.ts"
import * as Time from "../now.ts"
import { Connections } from "./Connections.ts"
import * as SessionRows from "./SessionRows.ts"
import * as Subscriptions from "./Subscriptions.ts"

/** Sessions of which is known what was announced last. */
const REMEMBERED = 1_000

/** How often what was changed is read again where it could not be, and the pauses before that and before storage is asked again. */
const READS_AGAIN = 2
const PAUSE = "100 millis"
const PAUSE_UNTIL_STORED = "1 second"

/** What can be taken back is `null` then: a page keeps what an event does not name. */
const takenBack = {
  label: null,
  displayName: null,
  derivedTitle: null,
  lastMessagePreview: null,
  lastRunError: null,
  archivedAt: null,
  pinnedAt: null,
  markedUnreadAt: null
}

const placeOf = (sessionKey: SessionKey, session: SessionRow | undefined) => {
  const agentId = agentIdOf(sessionKey)
  return {
    ...(session === undefined ? undefined : takenBack),
    ...session,
    sessionKey,
    ...(agentId === undefined ? undefined : { agentId }),
    ...(session === undefined ? undefined : { session })
  }
}

/** Announces until the scope closes. Subscribed when it returns. */
export const run = Effect.gen(function* () {
  const sessions = yield* Sessions
  const events = yield* EventBus
  const connections = yield* Connections
  const supervisor = yield* Supervisor
  const changes = yield* sessions.changes
  /** The newest message of a session that was announced: one that is written again after its storage failed is told twice. */
  const announced = new Map<SessionKey, number>()

  const isTold = (sessionKey: SessionKey, seq: number): boolean => (announced.get(sessionKey) ?? 0) >= seq
  const note = (sessionKey: SessionKey, seq: number): void => {
    announced.delete(sessionKey)
    announced.set(sessionKey, seq)
    const oldest = announced.size > REMEMBERED ? announced.keys().next().value : undefined
    if (oldest !== undefined) announced.delete(oldest)
  }

  const tellMessage = Effect.fnUntraced(function* (sessionKey: SessionKey, seq: number, session: SessionRow) {
    if (isTold(sessionKey, seq)) return
    const { messages } = yield* sessions.page(sessionKey, { limit: 1, after: seq - 1 })
    const message = messages[0]
    if (message?.__openclaw?.seq !== seq) return
    note(sessionKey, seq)
    const payload: EventPayload<"session.message"> = {
      ...placeOf(sessionKey, session),
      message,
      messageSeq: seq,
      ...(message.__openclaw.id === undefined ? undefined : { messageId: message.__openclaw.id })
    }
    yield* events.publish("session.message", payload)
  })

  const tell = Effect.fnUntraced(function* ({ phase, reason, seq, sessionKey }: SessionChange) {
    const now = yield* Time.now
    const row = yield* sessions.describe(sessionKey, { includeDerivedTitles: true, includeLastMessage: true })
    const session = row === undefined ? undefined : SessionRows.fill(yield* SessionRows.settings, [row], now)[0]
    if (session === undefined || reason === "delete") announced.delete(sessionKey)
    if (seq !== undefined) return session === undefined ? undefined : yield* tellMessage(sessionKey, seq, session)
    const runId = phase === undefined ? undefined : session?.lastRunId
    yield* events.publish("sessions.changed", {
      ...placeOf(sessionKey, reason === "delete" ? undefined : session),
      ts: now,
      ...(reason === undefined ? undefined : { reason }),
      ...(reason === "compact" ? { compacted: true } : undefined),
      ...(phase === undefined ? undefined : { phase }),
      ...(runId === undefined ? undefined : { runId })
    })
  })

  const isHeard = () => {
    for (const { subscriptions } of connections.all()) if (!Subscriptions.isNone(subscriptions)) return true
    return false
  }

  /** Each by itself: what cannot be read of one keeps nobody from hearing of the others. */
  const tellPatiently = (change: SessionChange) =>
    tell(change).pipe(
      Effect.retry({ times: READS_AGAIN, schedule: Schedule.spaced(PAUSE) }),
      Effect.catchCauseIf(
        (cause) => !Cause.hasInterrupts(cause),
        (cause) => Effect.logWarning(`a change of ${change.sessionKey} was not announced`, cause)
      )
    )
  const stored = Effect.catch(sessions.stored, (error) =>
    // Told once: it may last.
    Effect.logWarning(`changes of sessions are announced later: ${error.message}`).pipe(
      Effect.andThen(Effect.retry(Effect.delay(sessions.stored, PAUSE_UNTIL_STORED), Schedule.forever))
    )
  )

  const announce = Effect.flatMap(PubSub.takeAll(changes), (batch) =>
    isHeard() ? Effect.andThen(stored, Effect.forEach(batch, tellPatiently, { discard: true })) : Effect.void
  )
  yield* supervisor.supervise("gateway/sessions", Effect.forever(announce), { restart: "always" })
})
