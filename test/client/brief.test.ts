import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as BriefClient from "../../src/client/BriefClient.ts"
import { token } from "../../src/domain/Credential.ts"
import { isLoopback, parse } from "../../src/domain/Endpoint.ts"
import { MethodTable } from "../../src/protocol/MethodTable.ts"
import { type Answers, gateway } from "../cli/kit.ts"

const connected = Effect.fnUntraced(function* (answers: Answers) {
  const { requests, url } = yield* gateway(answers)
  const endpoint = yield* Effect.fromResult(parse(url, "the test"))
  assert.isTrue(isLoopback(endpoint))
  const client = yield* BriefClient.make({
    endpoint,
    credentials: [token("a-token-for-tests")],
    client: { id: "cli", mode: "cli", version: "1", platform: "linux" },
    scopes: ["operator.read"],
    callTimeout: "5 seconds"
  })
  return { client, requests }
})

describe("BriefClient", () => {
  it.live("checks params before it sends them and answers before it gives them", () =>
    Effect.gen(function* () {
      const { client, requests } = yield* connected({
        health: () => ({ ok: true, durationMs: 3 }),
        status: () => "no object",
        "config.get": () => ({ broken: true })
      })
      assert.strictEqual((yield* client.call.health({})).durationMs, 3)
      const wrong = yield* Effect.flip(client.call["node.describe"]({ nodeId: 5 as unknown as string }))
      assert.strictEqual(wrong._tag, "GatewayError")
      assert.match(wrong.message, /invalid node\.describe params/)
      const broken = yield* Effect.flip(client.call.status({}))
      assert.strictEqual(broken._tag, "ProtocolViolation")
      assert.match(broken.message, /status/)
      // Not one of the commonest: its row is found in the whole table.
      assert.strictEqual((yield* Effect.flip(client.call["config.get"]({})))._tag, "ProtocolViolation")
      assert.deepStrictEqual(
        requests.map(({ method }) => method),
        ["health", "status", "config.get"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("finds the row of every method, near or far", () =>
    Effect.gen(function* () {
      const { client } = yield* connected({})
      const calls = client.call as unknown as Readonly<
        Record<string, (params: unknown) => Effect.Effect<unknown, { readonly message: string }>>
      >
      for (const method of MethodTable.requests.keys()) {
        // No method takes a number: a row is found by what it says of that.
        const error = yield* Effect.flip(calls[method]?.(5) ?? Effect.void)
        assert.notInclude(String(error), "unknown method", method)
      }
      assert.match((yield* Effect.flip(calls["no.such"]?.({}) ?? Effect.void)).message, /unknown method: no\.such/)
    }).pipe(Effect.scoped)
  )

  it("leaves out of its calls what answers more than once", () => {
    const streamed = Array.from(MethodTable.requests).flatMap(([name, row]) =>
      RpcSchema.isStreamSchema(row.successSchema) ? [name] : []
    )
    assert.sameMembers(streamed, ["agent", "exec.approval.request"])
  })
})
