/**
 * One turn of the agent, asked for by code of this process.
 */
import { randomUUID } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { RunId } from "../../domain/Ids.ts"
import * as SessionKey from "../../domain/SessionKey.ts"
import { type RunIdConflict, type TurnNotAccepted, type TurnOutcome, Turns } from "../../services/Turns.ts"

export interface AskOptions {
  /** The agent; `main` when left out. */
  readonly agentId?: string
  /** The conversation; the agent's main one when left out. Whoever writes in it knows what was said there. */
  readonly sessionKey?: SessionKey.SessionKey
  /** The turn's idempotency key: the same again is the same turn, and is answered as it was. A new one when left out. */
  readonly runId?: string
  /** `provider/model` instead of the configured one. */
  readonly model?: string
  /** Milliseconds for the whole turn; the agent's own limit when left out. */
  readonly timeoutMs?: number
}

/**
 * Asks the agent and waits for the end of its turn. The question is on the disk before it is worked on: it survives a crash, and
 * asked again with the same `runId` after one it is answered once. A turn that went wrong has the status `error`.
 */
export const ask = Effect.fn("Gateway.ask")(function* (
  text: string,
  { agentId = "main", model, runId, sessionKey = SessionKey.main(agentId), timeoutMs }: AskOptions = {}
): Effect.fn.Return<TurnOutcome, TurnNotAccepted | RunIdConflict, Turns> {
  const turns = yield* Turns
  const id = RunId.make(runId ?? `ask:${randomUUID()}`)
  yield* turns.submit({
    runId: id,
    sessionKey,
    agentId,
    text,
    receivedAt: Math.floor(yield* Clock.currentTimeMillis),
    ...(model === undefined ? undefined : { model }),
    ...(timeoutMs === undefined ? undefined : { timeoutMs })
  })
  return yield* turns.await(id, sessionKey)
})
