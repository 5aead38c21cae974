/**
 * The Bot API, a process of its own that keeps a journal. Prints a line once it listens. Its parent tells it by message what
 * people write and which calls to spoil; what came of it stands in the journal.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Queue from "effect/Queue"
import * as BotApi from "../../../src/testing/BotApi.ts"

const [port, journal, token] = process.argv.slice(2) as [string, string, string]

/** What the parent asks for. */
export type Order = { readonly text: BotApi.UserText } | { readonly fault: BotApi.Fault }

const orders = Stream.callback<Order>((queue) =>
  Effect.sync(() => {
    process.on("message", (order: Order) => void Queue.offerUnsafe(queue, order))
    // Without its parent nobody would end it.
    process.on("disconnect", () => process.exit(0))
  })
)

const program = Effect.gen(function* () {
  const bot = yield* BotApi.serve({ port: Number(port), journal, token })
  yield* Effect.sync(() => process.stdout.write("ready\n"))
  yield* Stream.runForEach(orders, (order) => ("text" in order ? bot.sendText(order.text) : bot.fault(order.fault)))
}).pipe(Effect.scoped)

NodeRuntime.runMain(program)
