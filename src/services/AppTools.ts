/**
 * Tools that the app around the Gateway gives to the agent, besides its own two.
 *
 * They are `effect/ai` tools: parameters by Schema, a handler that is an Effect with the app's own services. Whether a call that
 * a crash cut off may be made again is the tool's to say, by `Tool.Idempotent` or `Tool.Readonly`; without either the model is told
 * "interrupted, outcome unknown".
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import type { RunId } from "../domain/Ids.ts"
import type { SessionKey } from "../domain/SessionKey.ts"

/** The agent's own tools. Their names are taken. */
export const OWN_TOOLS: ReadonlySet<string> = new Set(["nodes", "message"])

/** A tool of the app has the name of one of the agent's own. */
export class ToolNameTaken extends Schema.TaggedError<ToolNameTaken>()("ToolNameTaken", { name: Schema.String }) {
  override get message() {
    return `the agent has a tool "${this.name}" of its own.\nFix: give the app's tool another name.`
  }
}

/** A tool of the app says that a person has to agree to its calls, which are asked about only by the agent's own tools. */
export class ToolApprovalUnsupported extends Schema.TaggedError<ToolApprovalUnsupported>()("ToolApprovalUnsupported", {
  name: Schema.String
}) {
  override get message() {
    return `the app's tool "${this.name}" has needsApproval, but nobody is asked about calls of an app's tools.\nFix: ask in its handler and fail where the answer is no, and leave needsApproval out.`
  }
}

/** The call that a handler answers. A tool that wants it names it among its `dependencies`. */
export class ToolCall extends Context.Service<
  ToolCall,
  {
    readonly runId: RunId
    readonly sessionKey: SessionKey
    readonly agentId: string
    /** The same for every run of the same call of the same turn, also after a restart. */
    readonly idempotencyKey: string
    /** It may have been carried out already, in part or whole. Only tools that are idempotent or read-only see this. */
    readonly again: boolean
    /** Shows those who watch the turn what the call came to so far. */
    readonly progress: (text: string) => Effect.Effect<void>
  }
>()("openclaw/services/ToolCall") {}

export interface AppToolset {
  readonly toolkit: Toolkit.Any
  /** The handlers, by the toolkit's own keys. */
  readonly handlers: Context.Context<never>
  /** What the app provided to them: goes before what the Gateway has under the same name. */
  readonly services: Context.Context<never>
}

/** The app's tools; none where nothing provides any. */
export const AppTools = Context.Reference<AppToolset>("openclaw/services/AppTools", {
  defaultValue: () => ({ toolkit: Toolkit.empty, handlers: Context.empty(), services: Context.empty() })
})

/** No tools, whatever is around. */
export const none: Layer.Layer<never> = Layer.sync(AppTools, () => AppTools.defaultValue())

/** What is asked of a toolkit's handlers besides the call itself. */
export type ToolServices<Tools extends Record<string, Tool.Any>> = Exclude<
  Tool.HandlerServices<Tools[keyof Tools]>,
  ToolCall
>

/** Gives a toolkit to the agents of the Gateway that this Layer is provided to. `handlers` is what `toolkit.toLayer` makes. */
export const layer = <Tools extends Record<string, Tool.Any>, E, R>(
  toolkit: Toolkit.Toolkit<Tools>,
  handlers: Layer.Layer<Tool.HandlersFor<Tools>, E, R>
): Layer.Layer<never, E | ToolApprovalUnsupported | ToolNameTaken, R | ToolServices<Tools>> =>
  Layer.effect(
    AppTools,
    Effect.gen(function* () {
      const taken = Object.keys(toolkit.tools).find((name) => OWN_TOOLS.has(name))
      if (taken !== undefined) return yield* new ToolNameTaken({ name: taken })
      const unasked = Object.values(toolkit.tools).find(({ needsApproval = false }) => needsApproval !== false)
      if (unasked !== undefined) return yield* new ToolApprovalUnsupported({ name: unasked.name })
      const built = yield* Effect.context<Tool.HandlersFor<Tools>>()
      const services = yield* Effect.context<ToolServices<Tools>>()
      return { toolkit, handlers: built, services }
    })
  ).pipe(Layer.provide(handlers))
