/** Dead letters from the command line to the database and back. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as Store from "../../src/layers/deadLetters/Store.ts"
import * as Storage from "../../src/layers/storage/Storage.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as ScriptedModel from "../../src/testing/ScriptedModel.ts"
import { home, run } from "../cli/kit.ts"
import { peer, request } from "../turns/kit.ts"

describe("openclaw channels dead-letters", () => {
  it.live("lists, shows, retries and drops what an earlier Gateway gave up; health and status count it", () =>
    Effect.gen(function* () {
      const stateDir = yield* home
      mkdirSync(join(stateDir, "state"), { mode: 0o700 })
      yield* Effect.gen(function* () {
        const store = yield* Store.make
        yield* store.add(request("r1", "one\u001b[2J", { replyTo: { peer } }), 3, "it stopped the Gateway", true)
        yield* store.add(request("r2", "two"), 3, "it stopped the Gateway")
        yield* store.add(request("r3", "three"), 3, "it stopped the Gateway")
      }).pipe(Effect.provide(Storage.layer({ filename: join(stateDir, ...Storage.DATABASE) })))
      const services = yield* Layer.build(
        GatewayTest.layer({ stateDir, models: ScriptedModel.layer([{ text: "hi" }]) })
      )
      const { endpoint, token } = Context.get(services, GatewayTest.GatewayTest)
      const setting = { home: yield* home }
      const plain = (...args: ReadonlyArray<string>) => run(setting, ...args, "--url", endpoint, "--token", token)
      const cli = (...args: ReadonlyArray<string>) => plain("channels", "dead-letters", ...args)
      const [one, two, three] = ["r1", "r2", "r3"].map((runId) => Store.idOf("turn", runId)) as [string, string, string]

      const listed = yield* cli("list")
      assert.strictEqual(listed.code, 0)
      for (const id of [one, two, three]) assert.include(listed.stdout, id)
      assert.deepInclude(JSON.parse((yield* cli("list", "--channel", "test", "--json")).stdout).deadLetters[0], {
        id: one,
        kind: "turn",
        channel: "test",
        attempts: 3
      })
      assert.include((yield* plain("health")).stdout, "Warning: 3 dead letters; `openclaw channels dead-letters list`")
      const { deliveryQueues } = JSON.parse((yield* plain("health", "--json")).stdout)
      assert.deepInclude(deliveryQueues.failed[0], { queueName: "turns", count: 2 })
      assert.deepInclude(deliveryQueues.ingressFailed[0], { channelId: "test", accountId: "default", count: 1 })
      assert.match((yield* plain("status")).stdout, /Given up: +3 dead letters/)
      assert.deepInclude(JSON.parse((yield* plain("status", "--json")).stdout).deadLetters, { total: 3, turn: 3 })

      const shown = yield* cli("show", one)
      assert.match(shown.stdout, /Tries: +3/)
      assert.include(shown.stdout, "one\\u001b[2J")
      assert.include(shown.stdout, "may do a second time what its tools did")
      assert.include((yield* cli("list", "--limit", "2")).stdout, "2 are shown of 3 of all kinds")
      const unknown = yield* cli("show", "nobody")
      assert.strictEqual(unknown.code, 1)
      assert.match(unknown.stderr, /no dead letter has the id nobody; `openclaw channels dead-letters list`/)
      assert.match((yield* cli("drop")).stderr, /Fix: .*dead-letters drop <id>.* or --all/)

      const retried = yield* cli("retry", two)
      assert.deepStrictEqual(retried, { stdout: `${two}: submitted anew as r2#2`, stderr: "", code: 0 })
      assert.include((yield* cli("retry", two)).stdout, "before; nothing was done now")
      assert.deepStrictEqual(JSON.parse((yield* cli("drop", one, "--json")).stdout), {
        id: one,
        kind: "turn",
        already: false
      })
      assert.strictEqual((yield* cli("retry", one)).code, 1)
      assert.strictEqual((yield* cli("drop", "--all", "--yes")).stdout, `${three}: dropped`)
      assert.strictEqual((yield* cli("list")).stdout, "No dead letters.")
      assert.notInclude((yield* plain("health")).stdout, "dead letter")

      // More than the Gateway gives at once.
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`
          WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1100)
          INSERT INTO dead_letters (id, run_id, session_key, attempts, error, received_at, failed_at, request)
          SELECT 'id' || n, 'run' || n, 'agent:main:main', 3, 'it stopped', 1, 1, ${JSON.stringify(request("many", "x"))} FROM numbers`
      }).pipe(Effect.provide(Storage.layer({ filename: join(stateDir, ...Storage.DATABASE) })))
      assert.strictEqual((yield* cli("drop", "--all", "--yes")).stdout.split("\n").length, 1100)
      assert.strictEqual((yield* cli("list")).stdout, "No dead letters.")
    }).pipe(Effect.scoped)
  )
})
