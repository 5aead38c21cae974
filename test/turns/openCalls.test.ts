import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { RunId } from "../../src/domain/Ids.ts"
import { Sessions } from "../../src/services/Sessions.ts"
import { Turns } from "../../src/services/Turns.ts"
import { main, request, start, world } from "./kit.ts"

const call = (id: string) => ({ type: "toolCall", id, name: "nodes", arguments: {} }) as const

describe("a turn that ends while a tool call is open", () => {
  it.live("has a result behind each of its calls, once", () =>
    Effect.gen(function* () {
      const w = yield* world
      yield* Effect.gen(function* () {
        const sessions = yield* Sessions
        const turns = yield* Turns
        w.agent = ({ runId, sessionKey }) =>
          Effect.orDie(
            sessions.append([
              {
                sessionKey,
                runId,
                dedupeKey: "calls",
                message: { role: "assistant", content: [call("a"), call("b")], runId, timestamp: 1 }
              },
              {
                sessionKey,
                runId,
                dedupeKey: "result",
                message: {
                  role: "toolResult",
                  content: "done",
                  toolCallId: "a",
                  toolName: "nodes",
                  runId,
                  timestamp: 2
                }
              }
            ])
          ).pipe(Effect.andThen(Effect.die("the agent broke")))
        yield* turns.submit(request("run", "hello"))
        assert.strictEqual((yield* turns.await(RunId.make("run"), main)).error, "TurnDefect")
        const { messages } = yield* sessions.history(main)
        assert.deepStrictEqual(
          messages.map(({ role, toolCallId }) => [role, toolCallId]),
          [
            ["user", undefined],
            ["assistant", undefined],
            ["toolResult", "a"],
            ["toolResult", "b"],
            ["assistant", undefined]
          ]
        )
        assert.include(JSON.stringify(messages[3]?.content), "interrupted, outcome unknown")
      }).pipe(Effect.provide(start(w)))
    })
  )
})
