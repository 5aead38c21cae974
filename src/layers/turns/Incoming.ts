/**
 * A turn's view of the messages that came while its session was busy: those that it answers besides its own, those that it
 * takes in as it runs, and itself, if there was no room for it.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { TurnSteps } from "../../services/AgentRunner.ts"
import { Sessions } from "../../services/Sessions.ts"
import type { Folded, TurnMessage, TurnOutcome, TurnRequest } from "../../services/Turns.ts"
import type { Begun, Ledger } from "./Ledger.ts"
import * as Outcomes from "./Outcomes.ts"
import { stored } from "./Patience.ts"
import { BEGIN, howGathered } from "./Queueing.ts"

/** What the sender of a message reads that a full queue had no room for. */
export const droppedText = "I did not get to this message: too many were waiting. Send it again if it still matters."

/** Characters of a message, and messages, that a summary keeps. */
const beginning = 160
const mostBeginnings = 50

const messageOf = ({ receivedAt, runId, sender, text }: TurnRequest): TurnMessage => ({
  runId,
  text,
  receivedAt,
  ...(sender === undefined ? undefined : { sender })
})

const beginningOf = (text: string): string => {
  const line = text.replaceAll(/\s+/g, " ").trim()
  return line.length > beginning ? `${line.slice(0, beginning)}…` : line
}

/** Several messages as one, by their beginnings. */
export const summaryOf = (requests: ReadonlyArray<TurnRequest>): string => {
  const kept = requests.slice(0, mostBeginnings).map(({ text }) => `- ${beginningOf(text)}`)
  const more = requests.length - kept.length
  return [
    "[More messages came than may wait. These are only how the oldest of them begin:]",
    ...kept,
    ...(more === 0 ? [] : [`[and ${more} more]`])
  ].join("\n")
}

export const make = Effect.fnUntraced(function* (ledger: Ledger) {
  const sql = yield* SqlClient.SqlClient
  const sessions = yield* Sessions
  const { queue } = ledger

  const record = (requests: ReadonlyArray<TurnRequest>, folded: Folded) =>
    sessions.append(requests.map((request) => Outcomes.userEntry(request, folded)))

  /** At the turn's begin, as part of its transaction. */
  const gather = Effect.fnUntraced(function* (request: TurnRequest, begun: Begun) {
    const { runId, sessionKey } = request
    if ((begun.queue !== "collect" && begun.queue !== "summarize") || begun.gathered) return
    yield* queue.gather(request, begun.queue)
    const others = yield* queue.taken(sessionKey, runId, BEGIN)
    if (others.length > 0) yield* record(others, { how: howGathered(begun.queue), into: runId })
  })

  /** The request with what it answers besides its own message. */
  const withGathered = Effect.fnUntraced(function* (request: TurnRequest, { queue: own }: Begun) {
    if (own !== "collect" && own !== "summarize") return request
    const others = yield* stored("reading collected messages", queue.taken(request.sessionKey, request.runId, BEGIN))
    if (own === "summarize") return { ...request, text: summaryOf([request, ...others]) }
    return others.length === 0 ? request : { ...request, collected: others.map(messageOf) }
  })

  const of = (request: TurnRequest): TurnSteps["incoming"] => {
    const { runId, sessionKey } = request
    const aimed = queue.aimed(sessionKey, runId)
    return {
      waiting: stored(
        "looking for messages to a running turn",
        Effect.map(aimed, (rows) => rows.length > 0)
      ),
      take: (step) =>
        stored(
          "taking messages into a running turn",
          Effect.gen(function* () {
            const taken = queue.taken(sessionKey, runId, step)
            // Almost always there is nothing, and only to write costs a wait for the disk.
            if ((yield* aimed).length === 0 && (yield* taken).length === 0) return []
            return yield* Effect.gen(function* () {
              yield* queue.hand(runId, step, yield* aimed)
              const requests = yield* taken
              if (requests.length > 0) yield* record(requests, { how: "steered", into: runId })
              return requests.map(messageOf)
            }).pipe(sql.withTransaction)
          })
        )
    }
  }

  /** There was no room for it: its sender is told, and no model is asked. */
  const drop = (
    request: TurnRequest,
    startedAt: number,
    fail: (request: TurnRequest, startedAt: number, error: string, text: string) => Effect.Effect<TurnOutcome>
  ): Effect.Effect<TurnOutcome> =>
    Effect.map(fail(request, startedAt, "MessageDropped", droppedText), (outcome) => ({
      ...outcome,
      folded: { how: "dropped" }
    }))

  return { gather, withGathered, of, drop }
})
