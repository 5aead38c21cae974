/** Whose business a question is, what may be called by which id, and what those who decide are shown. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as DeviceIdentity from "../../src/client/DeviceIdentity.ts"
import type { GatewayClient } from "../../src/client/GatewayClient.ts"
import { commandText, honestPreview, honestText } from "../../src/domain/CommandLine.ts"
import { escaped } from "../../src/layers/approvals/display.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { decider, plan } from "./kit.ts"

type Client = GatewayClient["Service"]

const ask = Effect.fnUntraced(function* (client: Client, params: Readonly<Record<string, unknown>>) {
  const first = yield* Stream.runHead(
    client.call["exec.approval.request"]({ twoPhase: true, timeoutMs: 60_000, command: "x", ...params })
  )
  return first._tag === "Some" ? first.value : assert.fail("no answer")
})
const messageOf = <A, E extends { readonly message: string }, R>(call: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(call), ({ message }) => message)
const UNKNOWN = "unknown or expired approval id"

layer(GatewayTest.layer({ config: { commands: { ownerAllowFrom: ["telegram:4711"] } } }), {
  timeout: 20_000,
  excludeTestServices: true
})("exec.approval", (it) => {
  it.effect("is the business of who asked and of those with operator.admin, and of nobody else", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const all = yield* decider(kit)
      const mine = yield* kit.connect({ scopes: ["operator.approvals"], caps: ["approvals"] })
      const other = yield* kit.connect({ scopes: ["operator.approvals"], caps: ["approvals"] })
      const told = (client: Client) =>
        client.on("exec.approval.requested").pipe(
          Stream.map(({ id }) => id),
          Stream.take(1),
          Stream.runCollect,
          Effect.forkScoped({ startImmediately: true })
        )
      const othersFirst = yield* told(other)
      const minesFirst = yield* told(mine)
      yield* ask(mine, { id: "mine" })
      // Nobody but who asked could be told of this one.
      assert.deepInclude(yield* ask(other, { id: "others" }), { status: "accepted" })
      assert.deepStrictEqual(yield* Fiber.join(othersFirst), ["others"])
      assert.deepStrictEqual(yield* Fiber.join(minesFirst), ["mine"])

      const idsOf = (client: Client) =>
        Effect.map(client.call["exec.approval.list"]({}), (list) => list.map(({ id }) => id).sort())
      assert.deepStrictEqual(yield* idsOf(all.client), ["mine", "others"])
      assert.deepStrictEqual(yield* idsOf(other), ["others"])
      for (const call of [
        other.call["exec.approval.get"]({ id: "mine" }),
        other.call["exec.approval.resolve"]({ id: "mine", decision: "deny" }),
        other.call["exec.approval.resolve"]({ id: "mi", decision: "deny" })
      ]) {
        assert.strictEqual(yield* messageOf(call as Effect.Effect<unknown, Error>), UNKNOWN)
      }
      const wait = other.call["exec.approval.waitDecision"]({ id: "mine" })
      assert.strictEqual(yield* messageOf(wait), "approval expired or not found")
      // By its whole id also a device may decide, and a connection without one may not.
      assert.strictEqual(yield* messageOf(mine.call["approval.get"]({ id: "mine" })), "approval not found")
      const blind = mine.call["approval.resolve"]({ id: "mine", kind: "exec", decision: "allow-once" })
      assert.strictEqual(yield* messageOf(blind), "approval not found")
      const device = yield* kit.connect({
        scopes: ["operator.approvals"],
        device: yield* DeviceIdentity.ephemeral
      })
      assert.deepStrictEqual(yield* idsOf(device), [])
      assert.strictEqual((yield* device.call["approval.get"]({ id: "mine" })).approval.status, "pending")
      yield* mine.call["exec.approval.resolve"]({ id: "MI", decision: "deny" })
      const { approval } = yield* device.call["approval.resolve"]({ id: "others", kind: "exec", decision: "deny" })
      assert.strictEqual(approval.resolver?.kind, "device")
    })
  )

  it.effect("that is over lends its id to no other, and two who decide at once are one", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const { client } = yield* decider(kit)
      const operator = yield* kit.connect()
      yield* ask(operator, { id: "ab-1" })
      yield* ask(operator, { id: "ab-10", ask: "always" })
      const verdicts = yield* Effect.forEach(
        [
          [client, "deny"],
          [operator, "allow-once"]
        ] as const,
        ([who, decision]) => Effect.exit(who.call["exec.approval.resolve"]({ id: "ab-1", decision })),
        { concurrency: 2 }
      )
      assert.deepStrictEqual(verdicts.map(({ _tag }) => _tag).sort(), ["Failure", "Success"])
      const { approval } = yield* client.call["approval.get"]({ id: "ab-1" })
      yield* client.call["exec.approval.resolve"]({ id: "ab-1", decision: approval.decision! })
      assert.strictEqual(yield* messageOf(client.call["exec.approval.get"]({ id: "ab-1" })), UNKNOWN)
      assert.strictEqual((yield* client.call["approval.get"]({ id: "ab-10" })).approval.status, "pending")
      assert.strictEqual((yield* client.call["exec.approval.get"]({ id: "AB-" })).id, "ab-10")
      assert.strictEqual(yield* messageOf(client.call["exec.approval.get"]({ id: " " })), UNKNOWN)
      // A decision that it does not take is none that could allow it.
      const wrong = yield* client.call["approval.resolve"]({ id: "ab-10", kind: "exec", decision: "allow-always" })
      assert.isTrue(wrong.applied)
      assert.deepInclude(wrong.approval, { status: "denied", reason: "malformed-verdict" })
    })
  )

  it.effect("is told to whom its asker says, and waits untold only where that is asked for", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const operator = yield* kit.connect()
      const none = { command: "x", suppressDelivery: true }
      assert.deepInclude(yield* ask(operator, { ...none, id: "none" }), { decision: null })
      assert.deepInclude(yield* ask(operator, { ...none, id: "kept", requireDeliveryRoute: false }), {
        status: "accepted",
        deliveryRoute: "none"
      })
      const { client, seen } = yield* decider(kit)
      assert.deepInclude(yield* ask(operator, { ...none, id: "kept-too", requireDeliveryRoute: false }), {
        deliveryRoute: "none"
      })
      assert.deepInclude(yield* ask(operator, { id: "clients", deliverToApprovalClientsOnly: true }), {
        deliveryRoute: "approval-client"
      })
      for (const id of ["kept", "kept-too", "clients"]) {
        yield* client.call["exec.approval.resolve"]({ id, decision: "deny" })
      }
      yield* Effect.sync(() => seen.length).pipe(Effect.repeat({ until: (count) => count >= 4 }))
      const requested = seen.filter(({ name }) => name === "exec.approval.requested")
      assert.deepStrictEqual(
        requested.map(({ payload }) => payload["id"]),
        ["clients"]
      )
    })
  )

  it.effect("has an id that is safe to copy, and a text that is shown whole and says what would run", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const { client } = yield* decider(kit)
      const operator = yield* kit.connect()
      for (const id of ["a b", "x`y", "..", "i".repeat(129), "a/b"]) {
        const refused = yield* Effect.flip(ask(operator, { id }))
        assert.strictEqual(refused._tag, "GatewayError")
      }
      assert.match(yield* messageOf(ask(operator, { id: "a b" })), /^approval id must be 1-128 characters/)
      for (const command of ["x".repeat(16_385), "\u202E".repeat(3_000)]) {
        assert.strictEqual(yield* messageOf(ask(operator, { command })), "command exceeds exec approval display limit")
      }
      yield* ask(operator, {
        id: "lies",
        systemRunPlan: { ...plan, commandText: "ls", commandPreview: "ls \u202E" },
        nodeId: "n",
        host: "node",
        env: { "A\u202EB": "1" }
      })
      const [waiting] = yield* client.call["exec.approval.list"]({})
      assert.strictEqual(waiting?.request.command, "/usr/bin/uname -s")
      assert.deepStrictEqual(waiting?.request.envKeys, [String.raw`A\u{202E}B`])
      const { approval } = yield* client.call["approval.get"]({ id: "lies" })
      assert.deepInclude(approval.presentation, { commandText: "/usr/bin/uname -s", commandPreview: null })
      // In the name of a person on a channel only when that person may decide there.
      const by = (senderId: string) =>
        client.call["exec.approval.resolve"]({
          id: "lies",
          decision: "deny",
          reviewer: { channel: "telegram", accountId: "default", senderId }
        })
      assert.strictEqual(yield* messageOf(by("4712")), UNKNOWN)
      yield* by("4711")
      const decided = yield* client.call["approval.get"]({ id: "lies" })
      assert.deepStrictEqual(decided.approval.resolver, { kind: "channel", id: "telegram:4711" })
    })
  )
})

describe("the words for a command", () => {
  const Argv = Schema.NonEmptyArray(Schema.String)
  it.prop("are the vector's own, whatever came with it", { argv: Argv, text: Schema.String }, ({ argv, text }) => {
    const shown = honestText(text, argv)
    assert.include([text, commandText(argv)], shown)
    assert.strictEqual(honestText(shown, argv), shown)
    assert.notMatch(escaped(shown), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
  })

  it("keep those of other nodes, and drop a preview that says something else", () => {
    const argv = ["/usr/bin/printf", "%s $HOME", 'a "b"']
    const theirs = String.raw`/usr/bin/printf "%s $HOME" "a \"b\""`
    assert.strictEqual(honestText(theirs, argv), theirs)
    assert.strictEqual(honestText("printf x", argv), commandText(argv))
    assert.strictEqual(honestText("ls", ["/tmp/evil/sh", "-c", "ls"]), "/tmp/evil/sh -c ls")
    assert.strictEqual(honestPreview("uname -s", ["/usr/bin/uname", "-s"]), "uname -s")
    assert.strictEqual(honestPreview("ls", ["/usr/bin/rm", "-r"]), null)
  })
})
