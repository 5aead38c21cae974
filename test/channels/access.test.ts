import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"
import * as Access from "../../src/layers/channels/ChannelAccess.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import { ChannelAccess } from "../../src/services/ChannelRouter.ts"
import { tempDatabase } from "./kit.ts"

const withAccess = <A, E>(
  use: (access: ChannelAccess["Service"]) => Effect.Effect<A, E, SqlClient.SqlClient | Scope.Scope>,
  filename?: string
) =>
  Effect.gen(function* () {
    const layer = Access.layer.pipe(Layer.provideMerge(Storage.layer({ filename: filename ?? (yield* tempDatabase) })))
    return yield* ChannelAccess.use(use).pipe(Effect.provide(layer))
  })

const sender = (senderId: string, accountId = "default") => ({ channel: "telegram", accountId, senderId })

describe("ChannelAccess", () => {
  it.effect("a code has eight letters that cannot be confused, and is the sender's until it expires", () =>
    withAccess((access) =>
      Effect.gen(function* () {
        const first = yield* access.request({ ...sender("7"), displayName: "Eve", username: "eve" })
        assert.match(first!.request.code, /^[A-HJ-NP-Z2-9]{8}$/)
        assert.strictEqual(first!.created, true)
        assert.strictEqual(first!.request.expiresAt - first!.request.createdAt, 3_600_000)
        yield* TestClock.adjust("59 minutes")
        const seen = { ...first!.request, lastSeenAt: first!.request.createdAt + 3_540_000 }
        assert.deepStrictEqual(yield* access.request(sender("7")), { ...first!, request: seen, created: false })
        assert.deepStrictEqual(yield* access.pending("telegram"), [seen])
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* access.pending(), [])
        assert.strictEqual(
          (yield* Effect.flip(access.approve("telegram", first!.request.code)))._tag,
          "AccessCodeNotFound"
        )
        const second = yield* access.request(sender("7"))
        assert.strictEqual(second!.created, true)
        assert.notStrictEqual(second!.request.code, first!.request.code)
      })
    )
  )

  it.effect("three wait per account; the fourth gets nothing until one is let in", () =>
    withAccess((access) =>
      Effect.gen(function* () {
        for (const id of ["1", "2", "3"]) assert.isDefined(yield* access.request(sender(id)))
        assert.isUndefined(yield* access.request(sender("4")))
        assert.isDefined(yield* access.request(sender("4", "work")))
        const [first] = yield* access.pending("telegram")
        yield* access.approve("telegram", first!.code)
        assert.isDefined(yield* access.request(sender("4")))
      })
    )
  )

  it.effect("approving lets in one sender of one account, once, whatever the case of the code", () =>
    withAccess((access) =>
      Effect.gen(function* () {
        const { request } = (yield* access.request(sender("7")))!
        assert.strictEqual((yield* Effect.flip(access.approve("other", request.code)))._tag, "AccessCodeNotFound")
        assert.strictEqual((yield* access.approve("telegram", ` ${request.code.toLowerCase()} `)).senderId, "7")
        const again = yield* Effect.flip(access.approve("telegram", request.code))
        assert.include(again.message, "codes expire after one hour")
        assert.deepStrictEqual(yield* access.allowed("telegram", "default"), ["7"])
        assert.deepStrictEqual(yield* access.allowed("telegram", "work"), [])
        assert.deepStrictEqual(yield* access.pending(), [])
      })
    )
  )

  it.effect("another process approves, and this one sees it", () =>
    Effect.gen(function* () {
      const filename = yield* tempDatabase
      yield* withAccess(
        (gateway) =>
          Effect.gen(function* () {
            const { request } = (yield* gateway.request(sender("7")))!
            yield* withAccess((cli) => cli.approve("telegram", request.code), filename)
            assert.deepStrictEqual(yield* gateway.allowed("telegram", "default"), ["7"])
          }),
        filename
      )
    })
  )

  it.effect("a broken store is AccessStorageFailed, and the message says what is broken", () =>
    withAccess((access) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`DROP TABLE channel_pairing_requests`
        yield* sql`DROP TABLE channel_pairing_allowed`
        for (const use of [access.allowed("telegram", "default"), access.request(sender("7")), access.pending()]) {
          const error = yield* Effect.flip(
            use as Effect.Effect<unknown, { readonly _tag: string; readonly message: string }>
          )
          assert.strictEqual(error._tag, "AccessStorageFailed")
          assert.include(error.message, "pairing store")
        }
      })
    )
  )
})
