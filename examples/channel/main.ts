import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import { Gateway } from "openclaw"
import { stateDir } from "../stateDir.ts"

// The app's own chat: a guestbook, as two queues.
class Guestbook extends Context.Service<
  Guestbook,
  { readonly written: Queue.Queue<Record<"id" | "guest" | "text", string>>; readonly answers: Queue.Queue<string> }
>()("app/Guestbook") {
  static readonly layer = Layer.effect(
    Guestbook,
    Effect.all({
      written: Queue.unbounded<Record<"id" | "guest" | "text", string>>(),
      answers: Queue.unbounded<string>()
    })
  )
}

const GuestbookChannel = Layer.unwrap(
  Effect.map(Guestbook, ({ answers, written }) =>
    Gateway.channel({
      id: "guestbook",
      // An entry counts as read once it is on the disk; the same id again is the same entry.
      incoming: Stream.map(Stream.fromQueue(written), ({ guest, id, text }) => ({ id, text, chatId: guest })),
      send: ({ peer, text }) => Effect.asVoid(Queue.offer(answers, `to ${peer.chatId}: ${text}`))
    })
  )
)

const GatewayLive = Gateway.layerNode({
  stateDir,
  config: Gateway.config({ session: { dmScope: "per-channel-peer" } }),
  listen: "none",
  extensions: GuestbookChannel,
  models: Gateway.models({ "house/host": Gateway.model(({ text }) => Effect.succeed(`Thank you for "${text}"`)) })
}).pipe(Layer.provideMerge(Guestbook.layer))

const program = Effect.gen(function* () {
  const { answers, written } = yield* Guestbook
  yield* Queue.offer(written, { id: "1", guest: "Ada", text: "What a place!" })
  yield* Queue.offer(written, { id: "1", guest: "Ada", text: "What a place!" })
  yield* Queue.offer(written, { id: "1", guest: "Bob", text: "Nice soup." })
  const both = [yield* Queue.take(answers), yield* Queue.take(answers)]
  yield* Console.log(both.sort().join("\n"))
  yield* Console.log(`${yield* Queue.size(answers)} more`)
})

program.pipe(
  Effect.provide(GatewayLive),
  Effect.provideService(References.MinimumLogLevel, "Warn"),
  NodeRuntime.runMain
)
