/**
 * One turn of the agent, asked for by code of this process.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SessionKey from "../../domain/SessionKey.ts"
import { type RunIdConflict, TurnNotAccepted, type TurnOutcome, TurnRequest, Turns } from "../../services/Turns.ts"
import * as Time from "../now.ts"

export interface AskOptions {
  /** The agent; the one that the conversation is with, or `main`, when left out. */
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

const decode = Schema.decodeUnknownEffect(TurnRequest)

/**
 * Asks the agent and waits for the end of its turn. The question is on the disk before it is worked on: it survives a crash, and
 * asked again with the same `runId` after one it is answered once. A turn that went wrong has the status `error`.
 */
export const ask = Effect.fn("Gateway.ask")(function* (
  text: string,
  options: AskOptions = {}
): Effect.fn.Return<TurnOutcome, TurnNotAccepted | RunIdConflict, Turns> {
  const turns = yield* Turns
  const { model, runId = `ask:${randomUUID()}`, sessionKey, timeoutMs } = options
  const agentId = options.agentId ?? (sessionKey === undefined ? undefined : SessionKey.agentIdOf(sessionKey)) ?? "main"
  const request = yield* decode({
    runId,
    sessionKey: sessionKey ?? `agent:${agentId}:main`,
    agentId,
    text,
    receivedAt: yield* Time.now,
    ...(model === undefined ? undefined : { model }),
    ...(timeoutMs === undefined ? undefined : { timeoutMs })
  }).pipe(Effect.mapError(({ message }) => new TurnNotAccepted({ message })))
  yield* turns.submit(request)
  return yield* turns.await(request.runId, request.sessionKey)
})
