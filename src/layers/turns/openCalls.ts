/**
 * Tool calls that a turn made and that have no result when it ends: each gets one, so that whoever reads the transcript
 * knows that the call was made and that nobody saw its end.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { TranscriptMessage } from "../../protocol/methods/chat.ts"
import { Sessions, type TranscriptEntry } from "../../services/Sessions.ts"
import type { TurnRequest } from "../../services/Turns.ts"

/** Messages that are looked through: a turn's last step is among the newest of its session. */
const looked = 200

const decodeCall = Schema.decodeUnknownOption(
  Schema.Struct({ type: Schema.Literal("toolCall"), id: Schema.NonEmptyString, name: Schema.NonEmptyString })
)

const callsOf = ({ content }: TranscriptMessage) =>
  typeof content === "string" ? [] : content.flatMap((part) => Option.toArray(decodeCall(part)))

/** Answers the open calls of a turn that is about to end, once. */
export const close = Effect.fnUntraced(function* ({ runId, sessionKey }: TurnRequest) {
  const sessions = yield* Sessions
  const { messages } = yield* sessions.history(sessionKey, { limit: looked })
  const own = messages.filter((message) => message.runId === runId)
  const answered = new Set(own.filter(({ role }) => role === "toolResult").map(({ toolCallId }) => toolCallId))
  const timestamp = yield* Clock.currentTimeMillis
  const open = own
    .filter(({ role }) => role === "assistant")
    .flatMap(callsOf)
    .filter(({ id }) => !answered.has(id))
    .map(({ id, name }): TranscriptEntry => ({
      sessionKey,
      runId,
      dedupeKey: `${runId}:open:${id}`,
      message: {
        role: "toolResult",
        content: [{ type: "text", text: "interrupted, outcome unknown: the turn ended before the call had an answer" }],
        toolCallId: id,
        toolName: name,
        isError: true,
        runId,
        timestamp
      }
    }))
  if (open.length > 0) yield* sessions.append(open)
})
