/**
 * The files of messages that are on their way out. They survive a restart and go when their message is delivered.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A file could not be kept or read. */
export class OutboundFileFailed extends Schema.TaggedError<OutboundFileFailed>()("OutboundFileFailed", {
  message: Schema.String
}) {}

export class OutboundFiles extends Context.Service<
  OutboundFiles,
  {
    /** Keeps bytes under an id made of lower case hex digits; the same again is no change. */
    readonly keep: (id: string, bytes: Uint8Array) => Effect.Effect<void, OutboundFileFailed>
    /** `undefined` when nothing is kept under the id. */
    readonly read: (id: string) => Effect.Effect<Uint8Array | undefined, OutboundFileFailed>
    readonly forget: (id: string) => Effect.Effect<void, OutboundFileFailed>
    /** Everything that is kept. */
    readonly ids: Effect.Effect<ReadonlyArray<string>, OutboundFileFailed>
  }
>()("openclaw/services/OutboundFiles") {}
