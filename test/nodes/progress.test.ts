/** What a command says before it answers. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { NodeId } from "../../src/domain/Ids.ts"
import * as Progress from "../../src/layers/nodes/progress.ts"
import { NodeRegistry } from "../../src/services/NodeRegistry.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { approvedNode } from "./approvedNode.ts"

const Order = Schema.Array(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 63 }))))

describe("chunks", () => {
  it.prop("come out once and in order, however they came", [Order], ([seqs]) => {
    const progress = Progress.make()
    const due = seqs.flatMap((seq) => progress.accept(seq, String(seq)) ?? [])
    const until = Array.from({ length: 65 }, (_, seq) => seq).findIndex((seq) => !seqs.includes(seq))
    assert.deepStrictEqual(
      due,
      Array.from({ length: until }, (_, seq) => String(seq))
    )
  })

  it("that are too far ahead, or were there, are dropped", () => {
    const progress = Progress.make()
    assert.isUndefined(progress.accept(64, "far"))
    assert.deepStrictEqual(progress.accept(0, "a"), ["a"])
    assert.isUndefined(progress.accept(0, "again"))
    assert.deepStrictEqual(progress.accept(64, "near"), [])
  })
})

describe("node.invoke.progress", () => {
  it.live("is taken from the node that was asked, and ignored when nobody listens", () =>
    Effect.gen(function* () {
      const { admin, id, node } = yield* approvedNode()
      const say = (params: object) =>
        node.request("node.invoke.progress", { invokeId: "none", nodeId: id, seq: 0, chunk: "x", ...params })
      assert.deepStrictEqual((yield* say({})).payload, { ok: true, ignored: true })
      assert.strictEqual((yield* say({ nodeId: "another" })).error?.message, "nodeId mismatch")
      for (const wrong of [{ seq: -1 }, { chunk: "x".repeat(16_385) }, { invokeId: "" }]) {
        assert.strictEqual((yield* say(wrong)).error?.code, "INVALID_REQUEST")
      }
      const asked = yield* admin.request("node.invoke.progress", {})
      assert.strictEqual(asked.error?.message, "unauthorized role: operator")
    }).pipe(Effect.scoped)
  )

  it.live("is shown, while the turn that asked waits, to those who watch it", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      yield* (yield* NodeRegistry).attach({
        nodeId: NodeId.make("oven"),
        commands: {
          "oven.bake": (_, { progress }) =>
            Effect.gen(function* () {
              yield* progress("mixing")
              yield* progress(", baking")
              return { done: true }
            })
        }
      })
      const operator = yield* kit.connect()
      const updates = yield* operator.events.pipe(
        Stream.filter(({ event }) => event === "agent"),
        Stream.map(({ payload }) => payload as { readonly data: Record<string, any> }),
        Stream.filter(({ data }) => data["phase"] === "update" || data["phase"] === "result"),
        Stream.take(3),
        Stream.runCollect,
        Effect.forkScoped({ startImmediately: true })
      )
      yield* operator.call["chat.send"]({ sessionKey: "main", message: "bake", idempotencyKey: "k" })
      const seen = yield* Fiber.join(updates)
      assert.deepStrictEqual(
        seen.map(({ data }) => [data["phase"], data["name"], data["partialResult"]?.content[0].text]),
        [
          ["update", "nodes", "mixing"],
          ["update", "nodes", "mixing, baking"],
          ["result", "nodes", undefined]
        ]
      )
      assert.strictEqual(new Set(seen.map(({ data }) => data["toolCallId"])).size, 1)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        GatewayTest.layer({
          models: ScriptedModel.layer([
            {
              toolCalls: [
                { name: "nodes", params: { action: "invoke", node: "oven", command: "oven.bake", params: {} } }
              ]
            },
            { text: "Baked." }
          ])
        })
      )
    )
  )
})
