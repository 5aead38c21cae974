/** A whole Gateway, and what a raw call of it says. */
import { assert } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { GatewayClient } from "../../src/client/GatewayClient.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"

export const gateway = (options: GatewayTest.GatewayTestOptions = {}) =>
  GatewayTest.layer(options).pipe(Layer.provide(NodeServices.layer))

type Client = GatewayClient["Service"]

/** The error that a call is answered with. */
export const refused = Effect.fnUntraced(function* (client: Client, method: string, params: unknown) {
  const error = yield* Effect.flip(client.request(method, params))
  assert(error._tag === "GatewayError", `${method}: ${error._tag}`)
  return { code: error.code, message: error.message, details: error.details }
})

/** Each method needs its scope. */
export const needs = Effect.fnUntraced(function* (scope: string, methods: ReadonlyArray<string>) {
  const kit = yield* GatewayTest.GatewayTest
  const client = yield* kit.connect({ scopes: ["operator.approvals"] })
  for (const method of methods) {
    const { code, message } = yield* refused(client, method, {})
    assert.deepStrictEqual({ method, code, message }, { method, code: "FORBIDDEN", message: `missing scope: ${scope}` })
  }
})

/** Params that are refused, and in which words. */
export const rejects = Effect.fnUntraced(function* (
  cases: ReadonlyArray<readonly [method: string, params: unknown, problem: string]>
) {
  const kit = yield* GatewayTest.GatewayTest
  const client = yield* kit.connect()
  for (const [method, params, problem] of cases) {
    const { code, message } = yield* refused(client, method, params)
    assert.deepStrictEqual(
      { code, message },
      { code: "INVALID_REQUEST", message: `invalid ${method} params: ${problem}` }
    )
  }
})
