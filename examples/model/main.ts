import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Response from "effect/ai/Response"
import { Gateway } from "openclaw"
import { stateDir } from "../stateDir.ts"

// Any LanguageModel of effect/ai will do; this one counts.
const Counter = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({
    generateText: () => Effect.succeed([{ type: "text", text: "1 2 3" }, done]),
    streamText: () =>
      Stream.make<ReadonlyArray<Response.StreamPartEncoded>>(
        { type: "text-start", id: "t" },
        ...["1 ", "2 ", "3"].map((delta) => ({ type: "text-delta" as const, id: "t", delta })),
        { type: "text-end", id: "t" },
        done
      )
  })
)
const done: Response.FinishPartEncoded = {
  type: "finish",
  reason: "stop",
  usage: { inputTokens: { total: 10 }, outputTokens: { total: 3 } }
}

const GatewayLive = Gateway.layerNode({
  stateDir,
  config: Gateway.config({ agents: { defaults: { model: "house/counter" } } }),
  listen: "none",
  models: Gateway.models({
    "house/counter": Counter,
    // A function is enough where rules are.
    "house/shout": Gateway.model(({ text }) => Effect.succeed(text.toUpperCase()))
  })
})

const program = Effect.gen(function* () {
  const counted = yield* Gateway.ask("Count, please.")
  yield* Console.log(`${counted.text} (${counted.provider}/${counted.model}, ${counted.usage?.totalTokens} tokens)`)
  const shouted = yield* Gateway.ask("hello", { model: "house/shout" })
  yield* Console.log(shouted.text)
})

program.pipe(
  Effect.provide(GatewayLive),
  Effect.provideService(References.MinimumLogLevel, "Warn"),
  NodeRuntime.runMain
)
