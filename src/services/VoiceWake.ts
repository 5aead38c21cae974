/**
 * The words that wake a device's microphone. The Gateway hears nothing itself: it keeps the words for all devices and tells
 * them when somebody changes them.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ConnId } from "../domain/Ids.ts"

/** The words could not be read or kept. */
export class VoiceWakeStorageFailed extends Schema.TaggedError<VoiceWakeStorageFailed>()("VoiceWakeStorageFailed", {
  message: Schema.String
}) {}

export class VoiceWake extends Context.Service<
  VoiceWake,
  {
    /** The words as somebody set them, or those that hold from the beginning. Never empty. */
    readonly triggers: Effect.Effect<ReadonlyArray<string>, VoiceWakeStorageFailed>
    /**
     * Keeps other words and announces them: trimmed, without empty ones, at most 32 of at most 64 UTF-16 units. Where none is
     * left those of the beginning hold again. Returns what was kept.
     */
    readonly set: (words: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, VoiceWakeStorageFailed>
    /** Tells one connection; never behind a change that it is told of too. */
    readonly tell: (to: ConnId) => Effect.Effect<void, VoiceWakeStorageFailed>
  }
>()("openclaw/services/VoiceWake") {}
