/**
 * How a turn begins: it is counted, and its message is put into the transcript.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { Sessions } from "../../services/Sessions.ts"
import type { TurnRequest } from "../../services/Turns.ts"
import type * as Incoming from "./Incoming.ts"
import type { Begun, Ledger } from "./Ledger.ts"
import * as Outcomes from "./Outcomes.ts"
import { stored } from "./Patience.ts"

/** Made before any turn runs. `isGuilty`: the turn is only to be given up. */
export const make = Effect.fnUntraced(function* (
  ledger: Ledger,
  incoming: Effect.Success<ReturnType<typeof Incoming.make>>,
  isGuilty: (begun: Begun) => boolean
) {
  const sql = yield* SqlClient.SqlClient
  const sessions = yield* Sessions

  /** Those of an earlier process: it may have died at what begins a turn. */
  const found = new Set(yield* stored("reading unfinished turns", ledger.unfinished))

  /** Puts the turn into the book and its message into the transcript. */
  return Effect.fnUntraced(function* (request: TurnRequest, charged: boolean) {
    const { replyTo, runId, sender, sessionKey } = request
    const isFound = found.delete(runId)
    if (isFound && charged) yield* stored("counting a start", ledger.charge(runId, 1))
    return yield* stored(
      "starting a turn",
      sql.withTransaction(
        Effect.gen(function* () {
          const begun = yield* ledger.begin(runId, charged && !isFound)
          if (begun.finished) return begun
          const dropped = begun.queue === "dropped" ? ({ how: "dropped" } as const) : undefined
          // It may be this that stops the Gateway each time.
          if (!isGuilty(begun)) {
            if (request.compact === undefined) yield* sessions.append([Outcomes.userEntry(request, dropped)])
            yield* incoming.gather(request, begun)
          }
          yield* sessions.touch(sessionKey, {
            status: "running",
            lastRunId: runId,
            ...(replyTo === undefined
              ? {}
              : {
                  channel: replyTo.peer.channel,
                  accountId: replyTo.peer.accountId,
                  chatType: replyTo.peer.chatType
                }),
            ...(replyTo?.peer.chatType === "direct" && sender?.displayName !== undefined
              ? { displayName: sender.displayName }
              : {})
          })
          return begun
        })
      )
    )
  })
})
