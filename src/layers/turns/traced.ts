/**
 * A turn and its delivery as spans of the trace that the message belongs to.
 */
import * as Effect from "effect/Effect"
import { type FlowSpan, Tracing } from "../../services/Tracing.ts"
import type { TurnOutcome, TurnRequest } from "../../services/Turns.ts"
import type { Courier } from "../channels/deliverPatiently.ts"
import type { Delivered } from "./Delivery.ts"
import type { Begun } from "./Ledger.ts"

const ended = (span: FlowSpan, outcome: TurnOutcome) => {
  span.annotate({
    outcome: outcome.status,
    model: outcome.model,
    provider: outcome.provider,
    inputTokens: outcome.usage?.inputTokens,
    outputTokens: outcome.usage?.outputTokens,
    toolCalls: outcome.toolCalls,
    textChars: outcome.text.length,
    foldedHow: outcome.folded?.how,
    undelivered: outcome.undelivered === undefined ? undefined : true
  })
  if (outcome.status === "error") span.fail(outcome.error ?? "TurnFailed")
}

type Waiting = Pick<Courier, "since" | "waits">

export const make = Effect.map(Tracing, (tracing) => ({
  /** From its start to its end, or from where it resumed: the same trace, another span. */
  turn: <E, R>(request: TurnRequest, begun: Begun, effect: Effect.Effect<TurnOutcome, E, R>) => {
    const { agentId, receivedAt, replyTo, runId, sessionKey } = request
    const attributes = {
      runId,
      sessionKey,
      agentId,
      channel: replyTo?.peer.channel,
      ...(begun.resumed
        ? { resumed: true, attempt: begun.attempts }
        : { waitedMs: Math.max(0, begun.startedAt - receivedAt) })
    }
    return tracing.span("turn", { parent: begun.trace, runId, attributes }, (span) =>
      Effect.tap(effect, (outcome) => Effect.sync(() => ended(span, outcome)))
    )
  },

  /** Its tries are one span; what they wait for is in it. */
  delivery: <E, R>(
    { replyTo }: TurnRequest,
    { text }: TurnOutcome,
    waiting: Waiting,
    deliver: (waiting: Waiting) => Effect.Effect<Delivered, E, R>
  ) =>
    tracing.span("deliver", { attributes: { channel: replyTo?.peer.channel, textChars: text.length } }, (span) => {
      let attempts = 1
      const waits: Courier["waits"] = (wait) => {
        attempts += 1
        return waiting.waits === undefined ? wait : waiting.waits(wait)
      }
      return Effect.tap(deliver({ ...waiting, waits }), (delivered) =>
        Effect.sync(() => {
          span.annotate({ attempts })
          if (delivered._tag === "Delivered") span.annotate({ messages: delivered.messageIds.length })
          else span.fail("NotDelivered")
        })
      )
    })
}))
