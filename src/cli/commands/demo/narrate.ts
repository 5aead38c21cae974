/**
 * What the demo tells of each hop, taken from where it really happens: the Bot API server's calls, the operator's events,
 * and the node process's own output.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { GatewayClient } from "../../../client/GatewayClient.ts"
import type { BotApiServer } from "../../../testing/BotApi.ts"
import type { Hops } from "./hops.ts"

const MAX_KEPT = 40

/** A value as one line; text as it is. Ids are cut to what a person can tell apart. */
const shown = (value: unknown): string =>
  (Predicate.isString(value) ? value : (JSON.stringify(value) ?? "")).replaceAll(
    /\b([0-9a-f]{8})[0-9a-f]{56}\b/g,
    "$1…"
  )

/** The text that a tool gave back. */
const answer = (result: unknown): string => {
  const parts = Predicate.hasProperty(result, "content") && Array.isArray(result.content) ? result.content : []
  const texts = parts.flatMap((part: unknown) =>
    Predicate.hasProperty(part, "text") && Predicate.isString(part.text) ? [part.text] : []
  )
  return texts.join(" ")
}

const Line = Schema.fromJsonString(
  Schema.Struct({
    event: Schema.String,
    message: Schema.optional(Schema.String),
    invoke: Schema.optional(Schema.Literals(["asked", "answered"]))
  })
)
const decodeLine = Schema.decodeUnknownOption(Line)

/** What the node process says, as hops. Keeps the newest lines, for when it ends too early. */
const node = Effect.fnUntraced(function* (lines: Stream.Stream<string, unknown>, hops: Hops) {
  const kept: Array<string> = []
  const approved = yield* Deferred.make<void>()
  yield* lines.pipe(
    Stream.runForEach((line) => {
      kept.push(line)
      if (kept.length > MAX_KEPT) kept.shift()
      const notice = Option.getOrUndefined(decodeLine(line))
      if (notice?.message === undefined) return Effect.void
      if (notice.event === "Approved") return Effect.andThen(Deferred.succeed(approved, undefined), Effect.void)
      if (notice.event !== "Invoke") return Effect.void
      return notice.invoke === "asked"
        ? hops.hop("gateway", "node", `node.invoke: ${notice.message}`)
        : hops.hop("node", "gateway", `node.invoke.result: ${notice.message}`)
    }),
    Effect.ignore,
    Effect.forkScoped
  )
  return { output: () => kept, approved: Deferred.await(approved) }
})

/** The inside of every turn, as an operator on the WebSocket sees it. */
const turns = Effect.fnUntraced(function* (client: GatewayClient["Service"], hops: Hops) {
  const agent = client.on("agent").pipe(
    Stream.runForEach(({ data, sessionKey, stream }) => {
      if (stream === "lifecycle" && data["phase"] === "start") {
        return hops.hop("gateway", "agent", `turn starts in ${sessionKey ?? "a session"}`)
      }
      if (stream !== "tool") return Effect.void
      const name = shown(data["name"])
      return data["phase"] === "start"
        ? hops.hop("agent", "gateway", `calls ${name} ${shown(data["args"])}`)
        : hops.hop("gateway", "agent", `${name} answered ${shown(answer(data["result"]))}`)
    })
  )
  const chat = client
    .on("chat")
    .pipe(
      Stream.runForEach((event) =>
        event.state === "error"
          ? hops.hop("agent", "gateway", `the turn failed: ${event.errorMessage ?? "no reason given"}`)
          : Effect.void
      )
    )
  yield* Effect.forkScoped(Effect.ignore(agent))
  yield* Effect.forkScoped(Effect.ignore(chat))
})

/** What the Gateway does on the Bot API. */
const telegram = Effect.fnUntraced(function* (bot: BotApiServer, hops: Hops) {
  let seen = (yield* bot.calls).length
  const next = Effect.gen(function* () {
    yield* bot.awaitCall(() => true, seen + 1)
    const calls = yield* bot.calls
    for (const call of calls.slice(seen)) {
      if (call.method === "getUpdates") {
        const offset = call.params["offset"]
        if (offset !== undefined)
          yield* hops.hop(
            "gateway",
            "bot api",
            `getUpdates offset ${shown(offset)}: the message is stored, so it is confirmed`
          )
      } else {
        yield* hops.hop(
          "gateway",
          "bot api",
          `${call.method} ${shown(call.params["text"] ?? call.params["action"] ?? "")}`
        )
      }
    }
    seen = calls.length
  })
  yield* Effect.forkScoped(Effect.forever(next))
})

export const narrate = { node, turns, telegram }
