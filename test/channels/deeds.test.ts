/** What a message asked for and is committed is seen to, also when its account is stopped at that moment. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type * as Admission from "../../src/layers/channels/Admission.ts"
import * as Emptying from "../../src/layers/channels/Emptying.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { ChannelAccess, Channels } from "../../src/services/ChannelRouter.ts"
import { inbound, makeChannel, tempDatabase } from "./kit.ts"

describe("a message whose account is stopped while it is committed", () => {
  it.effect("is carried out", () =>
    Effect.gen(function* () {
      const { channel } = makeChannel()
      let carriedOut = 0
      const admission = {
        judge: () => Effect.succeed({ decision: { kind: "admit" } }),
        act: () => Effect.succeed({ carryOut: Effect.sync(() => void carriedOut++) })
      } as unknown as Effect.Success<typeof Admission.make>
      const real = yield* SqlClient.SqlClient
      let stop: (() => void) | undefined
      const stopping = new Proxy(real, {
        get: (sql, name) =>
          name === "withTransaction"
            ? <A, E, R>(effect: Effect.Effect<A, E, R>) =>
                Effect.tap(sql.withTransaction(effect), () => Effect.sync(() => stop?.()))
            : Reflect.get(sql, name)
      })
      const aftermath = yield* FiberSet.make()
      const { empty, inbox } = yield* Emptying.make(channel, admission, aftermath).pipe(
        Effect.provideService(SqlClient.SqlClient, stopping)
      )
      yield* inbox.commit([inbound("/stop")], [], Effect.void)
      const emptying = yield* Effect.forkChild(empty)
      stop = () => emptying.interruptUnsafe()
      yield* Fiber.await(emptying)
      yield* FiberSet.awaitEmpty(aftermath)
      assert.strictEqual(carriedOut, 1)
      assert.deepStrictEqual(yield* inbox.waiting(10), [])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.unwrap(Effect.map(tempDatabase, (filename) => Storage.layer({ filename }))).pipe(
          Layer.merge(Layer.mock(Channels, {})),
          Layer.merge(Layer.mock(ChannelAccess, {}))
        )
      )
    )
  )
})
