/**
 * `Tools` over the same handlers that a turn's calls have.
 */
import * as AiError from "effect/ai/AiError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { RunId } from "../../domain/Ids.ts"
import { AppTools } from "../../services/AppTools.ts"
import { Channels } from "../../services/ChannelRouter.ts"
import { Config } from "../../services/Config.ts"
import { ExecApprovals } from "../../services/ExecApprovals.ts"
import { NodeRegistry } from "../../services/NodeRegistry.ts"
import { ToolCallFailed, ToolInputInvalid, ToolNotFound, Tools } from "../../services/Tools.ts"
import * as Time from "../now.ts"
import { makeAppCaller } from "./appTools.ts"
import { makeMessageHandler } from "./messageTool.ts"
import { makeNodesHandler } from "./nodesTool.ts"
import { AgentTools, type Caller, makeCaller, type ToolFailed } from "./tools.ts"

const problem = (error: ToolFailed | AiError.AiError): ToolInputInvalid | ToolCallFailed => {
  if (!AiError.isAiError(error)) return new ToolCallFailed({ message: error.message })
  return error.reason._tag === "ToolParameterValidationError"
    ? new ToolInputInvalid({ message: error.reason.description })
    : new ToolCallFailed({ message: error.reason.message })
}

const make = Effect.gen(function* () {
  const startedAt = yield* Clock.currentTimeMillis
  const approvals = yield* ExecApprovals
  const app = yield* AppTools
  const own = yield* makeCaller({
    nodes: makeNodesHandler(yield* NodeRegistry, approvals, yield* Config, startedAt),
    message: makeMessageHandler(yield* Channels, startedAt)
  })
  const apps = yield* makeAppCaller(app)
  const call: Caller = (asked, current) => own(asked, current) ?? apps(asked, current)
  return Tools.of({
    takes: (tool, argument) => {
      const known: Readonly<Record<string, { readonly parametersSchema: unknown }>> = {
        ...app.toolkit.tools,
        ...AgentTools.tools
      }
      const fields = (known[tool]?.parametersSchema as { readonly fields?: object } | undefined)?.fields
      return Object.hasOwn(known, tool) && fields !== undefined && Object.hasOwn(fields, argument)
    },
    invoke: Effect.fn("Tools.invoke")(function* (invocation) {
      const { agentId, args, gone = Effect.never, idempotencyKey, name, sessionKey } = invocation
      const takeBack = gone.pipe(
        Effect.andThen(approvals.withdraw(idempotencyKey)),
        Effect.catch((error) => Effect.logWarning(`a question of ${idempotencyKey} waits on: ${error.message}`)),
        // That ends the wait.
        Effect.andThen(Effect.never)
      )
      const running = call(
        { id: idempotencyKey, name, params: args },
        {
          request: { runId: RunId.make(idempotencyKey), sessionKey, agentId, text: "", receivedAt: yield* Time.now },
          idempotencyKey,
          again: false,
          waits: (wait) => Effect.raceFirst(wait, takeBack)
        }
      )
      if (running === undefined) return yield* new ToolNotFound({ name })
      return yield* Effect.mapError(running, problem)
    })
  })
})

export const layer: Layer.Layer<Tools, never, ExecApprovals | NodeRegistry | Channels | Config> = Layer.effect(
  Tools,
  make
)
