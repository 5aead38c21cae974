/**
 * The agent's tools, called by an operator without a turn of a model.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SessionKey } from "../domain/SessionKey.ts"

/** There is no tool of this name. */
export class ToolNotFound extends Schema.TaggedError<ToolNotFound>()("ToolNotFound", { name: Schema.String }) {
  override get message() {
    return `Tool not available: ${this.name}`
  }
}

/** The arguments do not fit the tool; nothing was done. */
export class ToolInputInvalid extends Schema.TaggedError<ToolInputInvalid>()("ToolInputInvalid", {
  message: Schema.String
}) {}

/** The tool could not do it, or does not know whether it did; `message` tells. */
export class ToolCallFailed extends Schema.TaggedError<ToolCallFailed>()("ToolCallFailed", {
  message: Schema.String
}) {}

/** A call. The same `idempotencyKey` again is the same call, as far as the tool can tell. */
export interface ToolInvocation {
  readonly name: string
  readonly args: Readonly<Record<string, unknown>>
  /** The conversation on whose behalf it is called. */
  readonly sessionKey: SessionKey
  readonly agentId: string
  readonly idempotencyKey: string
  /** Completes when whoever called is gone: then a question that the call asked of a person is taken back. */
  readonly gone?: Effect.Effect<void>
}

export class Tools extends Context.Service<
  Tools,
  {
    /** Whether a tool of this name takes an argument of that name. */
    readonly takes: (tool: string, argument: string) => boolean
    /** Calls a tool and gives its result, as a model reads it. */
    readonly invoke: (
      invocation: ToolInvocation
    ) => Effect.Effect<string, ToolNotFound | ToolInputInvalid | ToolCallFailed>
  }
>()("openclaw/services/Tools") {}
