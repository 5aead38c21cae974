/**
 * `AgentRunner`: the model, its tools, the reply.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AgentRunner } from "../../services/AgentRunner.ts"
import { Channels } from "../../services/ChannelRouter.ts"
import { Config } from "../../services/Config.ts"
import { EventBus } from "../../services/EventBus.ts"
import { Models } from "../../services/Models.ts"
import { NodeRegistry } from "../../services/NodeRegistry.ts"
import { Sessions } from "../../services/Sessions.ts"
import { makeMessageHandler } from "./messageTool.ts"
import { makeNodesHandler } from "./nodesTool.ts"
import { makeRunEvents } from "./runEvents.ts"
import { makeAnswerer } from "./tools.ts"
import { runTurn, type TurnServices } from "./turn.ts"

/** Interrupted turns whose text can still be asked for: whoever interrupted one wants to show how far it came. */
const KEPT_INTERRUPTED = 64

export const layer: Layer.Layer<AgentRunner, never, Models | Sessions | NodeRegistry | Channels | EventBus | Config> =
  Layer.effect(
    AgentRunner,
    Effect.gen(function* () {
      const bus = yield* EventBus
      const config = yield* Config
      const answer = yield* makeAnswerer({
        nodes: makeNodesHandler(yield* NodeRegistry, config),
        message: makeMessageHandler(yield* Channels)
      })
      const services: TurnServices = { models: yield* Models, sessions: yield* Sessions, config, answer }
      const running = new Map<string, () => string>()
      const interrupted = new Map<string, string>()

      const keep = (runId: string, text: string) => {
        interrupted.set(runId, text)
        const [oldest] = interrupted.keys()
        if (interrupted.size > KEPT_INTERRUPTED && oldest !== undefined) interrupted.delete(oldest)
      }

      return AgentRunner.of({
        run: Effect.fn("AgentRunner.run")(function* (request, steps) {
          const events = yield* makeRunEvents(bus, request)
          interrupted.delete(request.runId)
          running.set(request.runId, events.text)
          return yield* runTurn(services, request, steps, events).pipe(
            Effect.onInterrupt(() =>
              Effect.andThen(
                events.flush,
                Effect.sync(() => keep(request.runId, events.text()))
              )
            ),
            Effect.ensuring(Effect.sync(() => void running.delete(request.runId)))
          )
        }, Effect.scoped),
        partialText: Effect.fn("AgentRunner.partialText")((runId) =>
          Effect.sync(() => running.get(runId)?.() ?? interrupted.get(runId))
        )
      })
    })
  )
