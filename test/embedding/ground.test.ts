/**
 * What a Gateway stands on in an app: the configuration as a value, the app's database, and another Gateway beside it.
 */
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { Config, Gateway, NodeRegistry } from "../../src/index.ts"

const folder = () => mkdtempSync(join(tmpdir(), "openclaw-own-"))
const base = () => ({ stateDir: folder(), config: Gateway.config({}), listen: "none" as const })
const parrot = Gateway.models({ "house/parrot": Gateway.model(({ text }) => Effect.succeed(text)) })

describe("the configuration as a value", () => {
  it.live("is checked, changed and told of like a file", () =>
    Effect.gen(function* () {
      const config = yield* Config
      assert.strictEqual((yield* config.get).gateway?.port, 18_800)
      const next = yield* config.changes.pipe(
        Stream.take(1),
        Stream.runCollect,
        Effect.forkChild({ startImmediately: true })
      )
      yield* config.set("gateway.port", 18_801)
      assert.strictEqual((yield* config.get).gateway?.port, 18_801)
      assert.strictEqual((yield* Effect.flip(config.set("gateway.port", "no"))).message.includes("gateway.port"), true)
      assert.isTrue(yield* config.unset("gateway.port"))
      assert.deepStrictEqual((yield* config.inspect).problems, [])
      assert.deepStrictEqual(yield* config.unusedKeys, [])
      yield* Effect.yieldNow
      next.interruptUnsafe()
    }).pipe(Effect.provide(Gateway.config({ gateway: { port: 18_800 } })))
  )

  it.live("that is wrong starts nothing, and has its variables put in", () =>
    Effect.gen(function* () {
      const wrong = yield* Effect.flip(
        Effect.scoped(Layer.build(Gateway.layerNode({ ...base(), config: Gateway.config({ gateway: { port: 0 } }) })))
      )
      assert.include(wrong.message, "the app's configuration has 1 problem")
      const filled = yield* Effect.provide(
        Effect.flatMap(Config, ({ get }) => get),
        Gateway.config({ gateway: { customBindHost: "${HOST_NAME}" } }, { env: { HOST_NAME: "here" } })
      )
      assert.strictEqual(filled.gateway?.customBindHost, "here")
    })
  )
})

describe("the database", () => {
  const platform = (filename: string) =>
    Layer.mergeAll(Gateway.stateDir({ root: folder() }), Gateway.database({ filename }), Gateway.config({})).pipe(
      Layer.provideMerge(Layer.mergeAll(NodeServices.layer, NodeHttpClient.layerNodeHttp))
    )

  it.live("is the app's to open, and the Gateway's alone", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* Gateway.ask("hello")
      const [found] = yield* sql<{ readonly n: number }>`SELECT COUNT(*) AS n FROM turns`
      assert.strictEqual(found?.n, 1)
    }).pipe(
      Effect.provide(
        Gateway.layer({ listen: "none", models: parrot }).pipe(
          Layer.provideMerge(platform(join(folder(), "gateway.sqlite")))
        )
      )
    )
  )

  it.live("of another program is left as it is", () =>
    Effect.gen(function* () {
      const file = join(folder(), "app.sqlite")
      const db = new DatabaseSync(file)
      db.exec("CREATE TABLE customers (id INTEGER)")
      db.close()
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Gateway.layer().pipe(Layer.provide(platform(file))))))
      assert.include(error.message, "customers")
    })
  )

  it.live("that may lose what it confirmed is refused", () =>
    Effect.gen(function* () {
      const relaxed = Layer.effect(
        SqlClient.SqlClient,
        Effect.tap(SqlClient.SqlClient, (sql) =>
          sql.withTransaction(Effect.void).pipe(Effect.andThen(sql`PRAGMA synchronous = OFF`))
        )
      ).pipe(Layer.provideMerge(platform(join(folder(), "gateway.sqlite"))))
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Gateway.layer().pipe(Layer.provide(relaxed)))))
      assert.include(error.message, "synchronous = FULL")
    })
  )
})

describe("two Gateways of one app", () => {
  it.live("share nothing, though they are built together", () =>
    Effect.gen(function* () {
      const memo = yield* Layer.makeMemoMap
      const scope = yield* Effect.scope
      const house = (name: string) =>
        Gateway.layerNode({
          ...base(),
          models: Gateway.models({ "house/name": Gateway.model(() => Effect.succeed(name)) }),
          extensions: Gateway.node({ id: name, commands: {} })
        })
      const [one, other] = yield* Effect.all(
        [Layer.buildWithMemoMap(house("one"), memo, scope), Layer.buildWithMemoMap(house("other"), memo, scope)],
        { concurrency: 2 }
      )
      assert.strictEqual((yield* Effect.provide(Gateway.ask("?"), one)).text, "one")
      assert.strictEqual((yield* Effect.provide(Gateway.ask("?"), other)).text, "other")
      const ids = Effect.flatMap(NodeRegistry, ({ list }) =>
        Effect.map(list, (rows) => rows.map(({ nodeId }) => nodeId))
      )
      assert.deepStrictEqual([yield* Effect.provide(ids, one), yield* Effect.provide(ids, other)], [["one"], ["other"]])
    }).pipe(Effect.scoped)
  )
})
