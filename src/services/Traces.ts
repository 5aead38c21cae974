/**
 * What became of one message, as the Gateway kept it: its spans.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Trace } from "../protocol/methods/diagnostics.ts"

export type { Trace, TraceSpan } from "../protocol/methods/diagnostics.ts"

/** Nothing is kept of what was asked for. */
export class TraceNotFound extends Schema.TaggedError<TraceNotFound>()("TraceNotFound", { asked: Schema.String }) {
  override get message() {
    return this.asked === ""
      ? "no trace is kept yet: no message came since this Gateway traces them.\nFix: send one, then ask again."
      : `no trace is kept of ${JSON.stringify(this.asked.slice(0, 80))}.\nFix: name a run id, a session key, a message's id in its chat or a trace id; \`openclaw trace --last\` shows the newest. Old ones are forgotten.`
  }
}

/** The storage cannot be read. */
export class TracesUnavailable extends Schema.TaggedError<TracesUnavailable>()("TracesUnavailable", {
  message: Schema.String
}) {}

export class Traces extends Context.Service<
  Traces,
  {
    /**
     * The newest trace that fits: a run id, a session key, a message's id in its chat, a trace id; of everything without
     * `asked`. What goes on right now is in it.
     */
    readonly find: (asked?: string) => Effect.Effect<Trace, TraceNotFound | TracesUnavailable>
  }
>()("openclaw/services/Traces") {}
