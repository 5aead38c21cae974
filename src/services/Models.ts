/**
 * Language models by reference: `anthropic/claude-…`, `openai/gpt-…`, `<provider of models.providers>/<id>`, `builtin/offline`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as LanguageModel from "effect/ai/LanguageModel"

/** No model can answer: unknown reference, no key, or the provider refuses. `message` is fit for a chat. */
export class ModelUnavailable extends Schema.TaggedError<ModelUnavailable>()("ModelUnavailable", {
  model: Schema.String,
  reason: Schema.Literals(["not-configured", "unknown-provider", "missing-key", "load-failed"]),
  message: Schema.String
}) {}

export interface ResolvedModel {
  /** The full reference, `provider/id`. */
  readonly ref: string
  readonly provider: string
  readonly model: string
  readonly service: LanguageModel.LanguageModel
  /** Tokens that it reads at once, as far as the configuration says. */
  readonly contextWindow?: number
  /** The next of the configured choices, for when this one cannot answer. */
  readonly next?: Effect.Effect<ResolvedModel, ModelUnavailable>
}

export class Models extends Context.Service<
  Models,
  {
    /**
     * Resolves a reference, or the agent's configured choices when none is given: the first that can be used, the others
     * behind it. Loads the provider's package on first use.
     */
    readonly resolve: (ref?: string, agentId?: string) => Effect.Effect<ResolvedModel, ModelUnavailable>
    /** The default reference, `undefined` when none is configured. */
    readonly defaultRef: Effect.Effect<string | undefined>
  }
>()("openclaw/services/Models") {}
