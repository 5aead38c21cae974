/**
 * `AgentRunner`: the model, its tools, the reply.
 */
import * as Toolkit from "effect/ai/Toolkit"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { AgentRunner, type PartialText } from "../../services/AgentRunner.ts"
import { AppTools } from "../../services/AppTools.ts"
import { Channels } from "../../services/ChannelRouter.ts"
import { Config } from "../../services/Config.ts"
import { EventBus } from "../../services/EventBus.ts"
import { ExecApprovals } from "../../services/ExecApprovals.ts"
import { Models } from "../../services/Models.ts"
import { NodeRegistry } from "../../services/NodeRegistry.ts"
import { Sessions } from "../../services/Sessions.ts"
import { SystemEvents } from "../../services/SystemEvents.ts"
import { Tracing } from "../../services/Tracing.ts"
import { makeAppCaller } from "./appTools.ts"
import { runCompaction } from "./compaction/turn.ts"
import { makeMessageHandler } from "./messageTool.ts"
import { makeNodesHandler } from "./nodesTool.ts"
import { makeRunEvents } from "./runEvents.ts"
import { AgentTools, makeAnswerer } from "./tools.ts"
import { runTurn, type TurnServices } from "./turn.ts"

/** Turns that were cut whose text can still be asked for: whoever cut one wants to keep how far it came. */
const KEPT_CUT = 64

export const layer: Layer.Layer<
  AgentRunner,
  never,
  Models | ExecApprovals | Sessions | NodeRegistry | Channels | EventBus | Config
> = Layer.effect(
  AgentRunner,
  Effect.gen(function* () {
    const bus = yield* EventBus
    const config = yield* Config
    const startedAt = yield* Clock.currentTimeMillis
    const app = yield* AppTools
    const answer = yield* makeAnswerer(
      {
        nodes: makeNodesHandler(yield* NodeRegistry, yield* ExecApprovals, config, startedAt),
        message: makeMessageHandler(yield* Channels, startedAt)
      },
      { call: yield* makeAppCaller(app), names: Object.keys(app.toolkit.tools) }
    )
    const systemEvents = yield* Effect.serviceOption(SystemEvents)
    const services: TurnServices = {
      models: yield* Models,
      sessions: yield* Sessions,
      config,
      noticed: Option.getOrElse(systemEvents, () => ({ take: () => Effect.succeed([]), putBack: () => Effect.void })),
      answer,
      toolkit: Toolkit.merge(AgentTools, app.toolkit),
      tracing: yield* Tracing
    }
    const running = new Map<string, () => PartialText>()
    const cut = new Map<string, PartialText>()

    const keep = (runId: string, partial: PartialText) => {
      cut.set(runId, partial)
      const [oldest] = cut.keys()
      if (cut.size > KEPT_CUT && oldest !== undefined) cut.delete(oldest)
    }

    return AgentRunner.of({
      run: Effect.fn("AgentRunner.run")(function* (request, steps) {
        const events = yield* makeRunEvents(bus, request)
        cut.delete(request.runId)
        running.set(request.runId, events.partial)
        const run =
          request.compact === undefined
            ? runTurn(services, request, steps, events)
            : runCompaction({ ...services, bus }, request, steps, events)
        return yield* run.pipe(
          Effect.onExit((exit) =>
            Exit.isSuccess(exit)
              ? Effect.void
              : Effect.andThen(
                  events.flush,
                  Effect.sync(() => keep(request.runId, events.partial()))
                )
          ),
          Effect.ensuring(Effect.sync(() => void running.delete(request.runId)))
        )
      }, Effect.scoped),
      partialText: Effect.fn("AgentRunner.partialText")((runId) =>
        Effect.sync(() => running.get(runId)?.() ?? cut.get(runId))
      )
    })
  })
)
