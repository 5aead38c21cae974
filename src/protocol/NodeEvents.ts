/**
 * Payloads of `node.event` by which a node has an agent do something, or asks to hear what one does. The names are those
 * that OpenClaw's apps send; what an app adds besides is passed over.
 */
import * as Schema from "effect/Schema"
import { AddressOrNone, NameOrNone, SessionKeyOrNone, SessionKeyText } from "./text.ts"

/** UTF-16 units of what a person said or asked; an event with more is refused, as OpenClaw drops it. */
export const MAX_SAID = 20_000

const Said = Schema.String.pipe(Schema.check(Schema.isMaxLength(MAX_SAID)))
const id = Schema.optional(Schema.NullOr(NameOrNone))
const number = Schema.optional(Schema.NullOr(Schema.Finite))

/** What tells an event from every other of its node. A number counts by its whole part. */
const identity = {
  eventId: id,
  providerEventId: id,
  transcriptId: id,
  providerCallId: id,
  callId: id,
  sequence: number,
  seq: number,
  timestamp: number,
  ts: number,
  eventTimestamp: number
}

/** `voice.transcript`: what a device heard. Without a session key the main session is meant. */
export const VoiceTranscript = Schema.Struct({
  ...identity,
  text: Said,
  sessionKey: Schema.optional(Schema.NullOr(SessionKeyOrNone)),
  /** The word that woke the microphone, where the device says so. */
  voiceWakeTrigger: id
})
export type VoiceTranscript = typeof VoiceTranscript.Type

/** `agent.request`: what somebody shared or typed on a device. Without a session key the node has a session of its own. */
export const NodeAgentRequest = Schema.Struct({
  ...identity,
  message: Said,
  sessionKey: Schema.optional(Schema.NullOr(SessionKeyOrNone)),
  /** The reply goes to a channel: `channel` and `to`, or where the session was spoken in last. */
  deliver: Schema.optional(Schema.NullOr(Schema.Boolean)),
  channel: id,
  to: Schema.optional(Schema.NullOr(AddressOrNone)),
  /** The chat is told at once that the request arrived. */
  receipt: Schema.optional(Schema.NullOr(Schema.Boolean)),
  receiptText: Schema.optional(Schema.NullOr(Schema.String.pipe(Schema.check(Schema.isMaxLength(1_000))))),
  timeoutSeconds: Schema.optional(Schema.NullOr(Schema.Natural)),
  /** This Gateway takes none. */
  attachments: Schema.optional(Schema.NullOr(Schema.Array(Schema.Unknown)))
})
export type NodeAgentRequest = typeof NodeAgentRequest.Type

/** `chat.subscribe` and `chat.unsubscribe`. A node names its own session or one of its user's, as in the others. */
export const ChatFollowing = Schema.Struct({ sessionKey: SessionKeyText })

export type EventIdentity = Pick<VoiceTranscript, keyof typeof identity>

const text = (...candidates: ReadonlyArray<string | null | undefined>): string | undefined =>
  candidates.map((candidate) => candidate?.trim()).find((candidate) => candidate !== undefined && candidate !== "")
const whole = (...candidates: ReadonlyArray<number | null | undefined>): number | undefined => {
  const found = candidates.find((candidate) => candidate !== undefined && candidate !== null)
  return found === undefined ? undefined : Math.trunc(found)
}

/** By what an event with these words is known again; `undefined` when only they tell. */
export const eventName = (event: EventIdentity, words: string): string | undefined => {
  const own = text(event.eventId, event.providerEventId, event.transcriptId)
  if (own !== undefined) return `event:${own}`
  const call = text(event.providerCallId, event.callId)
  const place = whole(event.sequence, event.seq)
  const time = whole(event.timestamp, event.ts, event.eventTimestamp)
  if (call !== undefined && place !== undefined) return `call:${call}:${place}`
  if (call !== undefined && time !== undefined) return `call:${call}@${time}`
  return time === undefined ? undefined : `time:${time}:${words}`
}
