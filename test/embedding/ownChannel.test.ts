/**
 * A channel that an app brings: what comes in is answered once, what does not leave is tried again, and its name is its own.
 */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { ChannelRouter, Channels, Gateway, RunId, Turns } from "../../src/index.ts"

const base = () => ({
  stateDir: mkdtempSync(join(tmpdir(), "openclaw-own-")),
  config: Gateway.config({}),
  listen: "none" as const
})
const parrot = Gateway.models({ "house/parrot": Gateway.model(({ text }) => Effect.succeed(text)) })

describe("a channel", () => {
  it.live("answers each entry once, tries again what did not leave, and lets in whom its policy says", () =>
    Effect.gen(function* () {
      const inbox = yield* Queue.unbounded<Gateway.Incoming>()
      const sent = yield* Queue.unbounded<string>()
      let broken = true
      const chat = Gateway.channel({
        id: "chat",
        incoming: Stream.fromQueue(inbox),
        policy: { dmPolicy: "allowlist", allowFrom: ["ada"] },
        send: ({ peer, text }) =>
          Effect.suspend(() => {
            if (!broken) return Effect.as(Queue.offer(sent, `${peer.chatId}: ${text}`), "id")
            broken = false
            return Effect.fail({ message: "try later" })
          })
      })
      const context = yield* Layer.build(Gateway.layerNode({ ...base(), models: parrot, extensions: chat }))
      yield* Queue.offerAll(inbox, [
        { id: "1", chatId: "eve", text: "let me in" },
        { id: "1", chatId: "ada", text: "hello" },
        { id: "1", chatId: "ada", text: "hello" },
        { id: "2", chatId: "ada", text: "again" }
      ])
      assert.include(yield* Queue.take(sent), "ada: ")
      assert.include(yield* Queue.take(sent), "again")
      assert.strictEqual(yield* Queue.size(sent), 0)
      const { channels } = yield* Effect.provide(
        Effect.flatMap(Channels, ({ status }) => status()),
        context
      )
      assert.containSubset(channels, { chat: { running: true, configured: true } })
    }).pipe(Effect.scoped)
  )

  it.live("whose sending dies tells that nobody knows what left, and goes on", () =>
    Effect.gen(function* () {
      const inbox = yield* Queue.unbounded<Gateway.Incoming>()
      const sent = yield* Queue.unbounded<string>()
      const chat = Gateway.channel({
        id: "chat",
        incoming: Stream.fromQueue(inbox),
        send: ({ text }) =>
          text.includes("boom") ? Effect.die(new Error("boom")) : Effect.asVoid(Queue.offer(sent, text))
      })
      const context = yield* Layer.build(Gateway.layerNode({ ...base(), models: parrot, extensions: chat }))
      yield* Queue.offer(inbox, { id: "1", chatId: "ada", text: "boom" })
      yield* Queue.offer(inbox, { id: "2", chatId: "ada", text: "hello" })
      assert.include(yield* Queue.take(sent), "hello")
      const found = Effect.flatMap(Turns, ({ find }) => find(RunId.make("chat:chat:ada:1")))
      const known = yield* Effect.provide(found, context)
      assert.include(known?.outcome?.undelivered, "boom")
    }).pipe(Effect.scoped)
  )

  it.effect("has a name that can stand in session keys, and not Telegram's", () =>
    Effect.forEach(["", "a:b", "telegram", "Telegram", "x".repeat(65), "-x"], (id) =>
      Effect.gen(function* () {
        const made = Gateway.channel({ id, incoming: Stream.empty, send: () => Effect.void })
        const error = yield* Effect.flip(Effect.scoped(Layer.build(made)))
        assert.strictEqual(error._tag, "ChannelIdInvalid")
        assert.include(error.message, JSON.stringify(id))
      })
    ).pipe(Effect.provideService(ChannelRouter, ChannelRouter.of({} as ChannelRouter["Service"])))
  )

  it.live("that ends or fails is begun anew", () =>
    Effect.gen(function* () {
      let begun = 0
      const twice = yield* Queue.unbounded<void>()
      const failing = Gateway.channel({
        id: "failing",
        incoming: Stream.unwrap(
          Effect.gen(function* () {
            begun++
            yield* Queue.offer(twice, undefined)
            return begun === 1 ? Stream.empty : Stream.fail({ message: "gone" })
          })
        ),
        send: () => Effect.void
      })
      const context = yield* Layer.build(Gateway.layerNode({ ...base(), extensions: failing }))
      yield* Queue.take(twice)
      yield* Queue.take(twice)
      const status = Effect.flatMap(Channels, ({ status }) => status())
      yield* Effect.provide(status, context).pipe(
        Effect.delay("10 millis"),
        Effect.repeat({ until: ({ channels }) => JSON.stringify(channels).includes("gone") })
      )
      assert.isTrue(Context.getOption(context, ChannelRouter)._tag === "Some")
    }).pipe(Effect.scoped)
  )
})
