/** `openclaw approvals` against a whole Gateway, and against this machine's own list. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import * as MockNode from "../../src/testing/MockNode.ts"
import { home, run } from "../cli/kit.ts"
import { decider } from "./kit.ts"

const cli = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const { endpoint, token } = yield* GatewayTest.GatewayTest
  const folder = yield* home
  return yield* run({ home: folder }, "approvals", ...args, "--url", String(endpoint), "--token", token)
})

describe("openclaw approvals", () => {
  it.live("shows what waits, takes a word, and says when it was said before", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* cli("pending")).stdout.trim(), "No pending approvals.")
      const kit = yield* GatewayTest.GatewayTest
      const { client } = yield* decider(kit)
      const operator = yield* kit.connect()
      yield* operator.call["exec.approval.request"]({
        id: "ask-1",
        command: "rm \u202Ex",
        ask: "always",
        twoPhase: true
      }).pipe(Stream.runDrain, Effect.forkScoped({ startImmediately: true }))
      yield* client.call["exec.approval.list"]({}).pipe(Effect.repeat({ until: (list) => list.length > 0 }))
      const shown = yield* cli("pending")
      assert.include(shown.stdout, String.raw`rm \u{202E}x`)
      assert.include(shown.stdout, "openclaw approvals resolve ask-1 allow-once|deny")
      const json = JSON.parse((yield* cli("pending", "--json")).stdout) as { readonly approvals: ReadonlyArray<object> }
      assert.deepInclude(json.approvals[0], { id: "ask-1", kind: "exec", allowedDecisions: ["allow-once", "deny"] })

      const always = yield* cli("resolve", "ask-1", "allow-always")
      assert.strictEqual(always.code, 1)
      assert.include(always.stderr, "allow-always is not possible here")
      const denied = yield* cli("resolve", "ask-1", "deny", "--reason", "not today")
      assert.strictEqual(denied.code, 0)
      assert.include(denied.stdout, "(not today)")
      assert.include((yield* cli("resolve", "ask-1", "deny")).stdout, "already resolved (same decision)")
      const late = yield* cli("resolve", "ask-1", "allow-once")
      assert.strictEqual(late.code, 1)
      assert.include(late.stderr, "already resolved: deny")
      const unknown = yield* cli("resolve", "nope", "deny")
      assert.strictEqual(unknown.code, 1)
      assert.include(unknown.stderr, "no approval has the id nope")
    }).pipe(Effect.scoped, Effect.provide(GatewayTest.layer()))
  )

  it.live("reads and changes the list of this machine, of the Gateway's and of a node", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* home
      const here = (...args: ReadonlyArray<string>) => run({ home: folder }, "approvals", ...args)
      assert.include((yield* here("get")).stdout, "No program is on the list.")
      assert.include((yield* here("allowlist", "add", "uname")).stdout, "uname runs unasked for *")
      assert.include((yield* here("allowlist", "add", "uname")).stdout, "was on the list already")
      const got = JSON.parse((yield* here("get", "--json")).stdout) as { readonly file: { readonly agents: object } }
      assert.property(got.file.agents, "*")
      assert.include((yield* here("allowlist", "remove", "uname")).stdout, "is taken from the list")
      yield* fs.writeFileString(`${folder}/new.json5`, "{ version: 1, defaults: { security: 'full', ask: 'off' } }")
      assert.include((yield* here("set", "--file", `${folder}/new.json5`)).stdout, "full")
      assert.strictEqual((yield* here("set")).code, 1)
      yield* fs.writeFileString(`${folder}/bad.json`, '{"version":2}')
      assert.include((yield* here("set", "--file", `${folder}/bad.json`)).stderr, "no list of exec approvals")

      assert.include((yield* cli("allowlist", "add", "--gateway", "--agent", "main", "/usr/bin/*")).stdout, "Gateway")
      assert.include((yield* cli("get", "--gateway")).stdout, "/usr/bin/*")
      const both = yield* cli("get", "--gateway", "--node", "attic")
      assert.include(both.stderr, "--node and --gateway")
      yield* MockNode.make({
        nodeId: "attic",
        commands: {
          "system.execApprovals.get": Effect.succeed({ path: "p", exists: false, hash: "h", file: { version: 1 } }),
          "system.execApprovals.set": (params) =>
            Effect.succeed({ path: "p", exists: true, hash: "i", file: (params as { readonly file: unknown }).file })
        }
      })
      assert.include((yield* cli("allowlist", "add", "--node", "attic", "git")).stdout, "node attic")
      assert.include((yield* cli("get", "--node", "cellar")).stderr, "unknown node: cellar")
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(GatewayTest.layer(), NodeServices.layer)))
  )
})
