/** Questions and answers over a real socket, without a node. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { GatewayClient } from "../../src/client/GatewayClient.ts"
import { escaped } from "../../src/layers/approvals/display.ts"
import * as GatewayTest from "../../src/testing/GatewayTest.ts"
import { conforms } from "../protocol/published.ts"
import { decider, plan } from "./kit.ts"

type Client = GatewayClient["Service"]

/** Asks, and waits until it waits. */
const ask = Effect.fnUntraced(function* (client: Client, params: Readonly<Record<string, unknown>>) {
  const frames: Array<Record<string, unknown>> = []
  const fiber = yield* client.call["exec.approval.request"]({ twoPhase: true, timeoutMs: 60_000, ...params }).pipe(
    Stream.runForEach((frame) => Effect.sync(() => frames.push(frame as Record<string, unknown>))),
    Effect.forkScoped({ startImmediately: true })
  )
  yield* Effect.sync(() => frames.length).pipe(Effect.repeat({ until: (count) => count > 0 }))
  return { frames, done: Fiber.join(fiber) }
})

const reasonOf = (error: unknown) => (error as { readonly details?: { readonly reason?: string } }).details?.reason

layer(GatewayTest.layer(), { timeout: 20_000, excludeTestServices: true })("exec.approval", (it) => {
  it.effect("is asked for, shown, decided once, and told to everybody", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const operator = yield* kit.connect()
      const { client, seen } = yield* decider(kit)
      const before = seen.length
      const params = {
        id: "first",
        command: "uname -s",
        systemRunPlan: plan,
        nodeId: "n1",
        host: "node",
        env: { A: "1" }
      }
      conforms("ExecApprovalRequestParams", { ...params, twoPhase: true, timeoutMs: 60_000 })
      const asked = yield* ask(operator, params)
      assert.deepInclude(asked.frames[0], { status: "accepted", id: "first", deliveryRoute: "approval-client" })
      const [waiting] = yield* client.call["exec.approval.list"]({})
      assert.strictEqual(waiting?.id, "first")
      assert.strictEqual(waiting?.request.command, "/usr/bin/uname -s")
      assert.deepStrictEqual(waiting?.request.envKeys, ["A"])
      assert.deepInclude(waiting?.request.systemRunPlan, { commandPreview: "uname -s" })
      assert.deepInclude(yield* client.call["exec.approval.get"]({ id: "fir" }), { id: "first", nodeId: "n1" })
      const shown = yield* client.call["approval.get"]({ id: "first" })
      conforms("ApprovalGetResult", shown)
      assert.strictEqual(shown.approval.status, "pending")

      const taken = yield* operator.call["exec.approval.request"]({ ...params, timeoutMs: 1_000 }).pipe(
        Stream.runCollect,
        Effect.flip
      )
      assert.strictEqual(taken.message, "approval id already pending")

      const wait = yield* operator.call["exec.approval.waitDecision"]({ id: "first" }).pipe(
        Effect.forkScoped({ startImmediately: true })
      )
      assert.deepStrictEqual(yield* client.call["exec.approval.resolve"]({ id: "first", decision: "allow-once" }), {
        ok: true
      })
      yield* asked.done
      assert.deepInclude(asked.frames[1], { id: "first", decision: "allow-once" })
      assert.deepInclude(yield* Fiber.join(wait), { decision: "allow-once", terminalReason: "user" })
      // The same word again is no error; another is.
      yield* client.call["exec.approval.resolve"]({ id: "first", decision: "allow-once" })
      const other = yield* Effect.flip(client.call["exec.approval.resolve"]({ id: "first", decision: "deny" }))
      assert.strictEqual(other.message, "approval already resolved")
      assert.strictEqual(reasonOf(other), "APPROVAL_ALREADY_RESOLVED")
      const again = yield* client.call["approval.resolve"]({ id: "first", kind: "exec", decision: "deny" })
      conforms("ApprovalResolveResult", again)
      assert.deepInclude(again.approval, { status: "allowed", decision: "allow-once", reason: "user" })
      assert.isFalse(again.applied)

      yield* Effect.sync(() => seen.length).pipe(Effect.repeat({ until: (count) => count >= before + 2 }))
      const [requested, resolved] = seen.slice(before)
      assert.deepInclude(requested, { name: "exec.approval.requested" })
      assert.deepInclude(requested?.payload, { id: "first", approvalKind: "exec" })
      assert.deepInclude(resolved?.payload, { id: "first", decision: "allow-once", resolvedBy: "cli" })
    })
  )

  it.effect("is denied at once where nobody can be told, and runs out where nobody answers", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const operator = yield* kit.connect()
      const alone = yield* operator.call["exec.approval.request"]({
        id: "alone",
        command: "x",
        host: "gateway",
        twoPhase: true
      }).pipe(Stream.runCollect)
      assert.deepStrictEqual(
        alone.map((frame) => "decision" in frame && frame.decision),
        [null]
      )
      const record = yield* operator.call["approval.get"]({ id: "alone" })
      conforms("ApprovalGetResult", record)
      assert.deepInclude(record.approval, { status: "denied", decision: "deny", reason: "no-route" })

      yield* decider(kit)
      const asked = yield* ask(operator, { id: "late", command: "x", host: "gateway", timeoutMs: 30 })
      yield* asked.done
      assert.deepInclude(asked.frames[1], { id: "late", decision: null })
      assert.deepInclude(yield* operator.call["exec.approval.waitDecision"]({ id: "late" }), {
        decision: null,
        terminalReason: "timeout"
      })
      const expired = yield* operator.call["approval.get"]({ id: "late" })
      conforms("ApprovalGetResult", expired)
      assert.strictEqual(expired.approval.status, "expired")
      const decided = yield* Effect.flip(operator.call["exec.approval.resolve"]({ id: "late", decision: "deny" }))
      assert.strictEqual(reasonOf(decided), "APPROVAL_ALREADY_RESOLVED")
    })
  )

  it.effect("is kept also where its asker leaves its names empty", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const operator = yield* kit.connect()
      const nameless = { ...plan, agentId: "", sessionKey: "" }
      for (const [id, params] of [
        ["nameless", { command: "x", agentId: "", sessionKey: "", host: "" }],
        ["nameless-plan", { systemRunPlan: nameless, cwd: "" }]
      ] as const) {
        yield* Stream.runDrain(operator.call["exec.approval.request"]({ id, ...params, suppressDelivery: true }))
        const record = yield* operator.call["approval.get"]({ id })
        conforms("ApprovalGetResult", record)
        assert.isNull(record.approval.presentation.agentId)
      }
      conforms("ApprovalHistoryResult", yield* operator.call["approval.history"]({}))
    })
  )

  it.effect("names what is wrong with a question and with an answer", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const { client } = yield* decider(kit)
      const operator = yield* kit.connect()
      const refused = (params: object) =>
        Effect.map(
          Effect.flip(Stream.runCollect(operator.call["exec.approval.request"](params as never))),
          ({ message }) => message
        )
      assert.strictEqual(yield* refused({}), "command is required")
      assert.strictEqual(yield* refused({ command: "x", host: "node" }), "nodeId is required for host=node")
      assert.strictEqual(
        yield* refused({ command: "x", host: "node", nodeId: "n" }),
        "systemRunPlan is required for host=node"
      )
      assert.include(yield* refused({ command: "x", id: "plugin:1" }), "are reserved")
      assert.include(yield* refused({ command: "x", id: ".." }), "cannot be part of a path")
      assert.strictEqual(
        yield* refused({ command: "x", systemRunPlan: { ...plan, commandText: "" } }),
        "systemRunPlan is empty"
      )
      const excess = yield* Effect.flip(operator.request("exec.approval.request", { command: "x", more: 1 }))
      assert.include(excess.message, "invalid exec.approval.request params")
      yield* ask(operator, { id: "no-always", command: "x", ask: "always" })
      yield* ask(operator, { id: "no-other", command: "x", unavailableDecisions: ["allow-always"] })
      const resolve = (id: string, decision: string) => client.call["exec.approval.resolve"]({ id, decision })
      const always = yield* Effect.flip(resolve("no-always", "allow-always"))
      assert.strictEqual(always.message, "allow-always is unavailable for this command")
      assert.strictEqual(reasonOf(always), "APPROVAL_ALLOW_ALWAYS_UNAVAILABLE")
      assert.strictEqual(
        (yield* Effect.flip(resolve("no-", "deny"))).message,
        "ambiguous approval id prefix; use the full id"
      )
      assert.strictEqual((yield* Effect.flip(resolve("no-always", "yes"))).message, "invalid decision")
      const unknown = yield* Effect.flip(resolve("nope", "deny"))
      assert.strictEqual(unknown.message, "unknown or expired approval id")
      assert.strictEqual(reasonOf(unknown), "APPROVAL_NOT_FOUND")
      assert.strictEqual(
        (yield* Effect.flip(client.call["approval.get"]({ id: "nope" }))).message,
        "approval not found"
      )
      assert.strictEqual(
        (yield* Effect.flip(client.call["exec.approval.waitDecision"]({ id: "nope" }))).message,
        "approval expired or not found"
      )
      // A word about another kind of question is no leave.
      const wrong = yield* client.call["approval.resolve"]({ id: "no-other", kind: "plugin", decision: "allow-once" })
      assert.deepInclude(wrong.approval, { status: "denied", reason: "malformed-verdict" })
      const grant = client.call["approval.resolve"]({
        id: "no-always",
        kind: "exec",
        decision: "deny",
        grantExpiresInDays: 3
      })
      assert.include((yield* Effect.flip(grant)).message, "automations")
      assert.deepInclude(yield* resolve("no-always", "deny"), { ok: true })
    })
  )

  it.effect("is for those with the scope, and shown to those that show approvals", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const reader = yield* kit.connect({ scopes: ["operator.read"], caps: ["approvals"] })
      for (const call of [
        reader.call["exec.approval.list"]({}),
        reader.call["exec.approval.resolve"]({ id: "x", decision: "deny" }),
        reader.call["approval.history"]({}),
        reader.call["exec.approvals.get"]({})
      ]) {
        assert.match((yield* Effect.flip(call as Effect.Effect<unknown, Error>)).message, /^missing scope: operator\./)
      }
      yield* decider(kit)
      const narrow = yield* kit.connect({ scopes: ["operator.approvals"], caps: ["approvals"] })
      const told = yield* Stream.runHead(narrow.on("exec.approval.requested")).pipe(
        Effect.forkScoped({ startImmediately: true })
      )
      yield* ask(narrow, { id: "narrow", command: "x" })
      assert.strictEqual((yield* Fiber.join(told))._tag, "Some")
      assert.strictEqual(
        (yield* Effect.flip(narrow.call["exec.approvals.get"]({}))).message,
        "missing scope: operator.admin"
      )
      yield* narrow.call["exec.approval.resolve"]({ id: "narrow", decision: "deny" })
    })
  )

  it.effect("has a history that is read page by page", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const { client } = yield* decider(kit)
      const operator = yield* kit.connect()
      for (const id of ["p1", "p2", "p3"]) {
        yield* ask(operator, { id, command: `echo ${id}` })
        yield* client.call["exec.approval.resolve"]({ id, decision: "deny" })
      }
      const ids: Array<string> = []
      let cursor: string | undefined
      do {
        const page = yield* client.call["approval.history"]({ limit: 2, ...(cursor === undefined ? {} : { cursor }) })
        conforms("ApprovalHistoryResult", page)
        ids.push(...page.items.map(({ id }) => id))
        cursor = page.nextCursor
      } while (cursor !== undefined)
      assert.strictEqual(new Set(ids).size, ids.length)
      for (const id of ["p1", "p2", "p3"]) assert.include(ids, id)
      assert.deepStrictEqual((yield* client.call["approval.history"]({ kind: "plugin" })).items, [])
      assert.strictEqual(
        (yield* Effect.flip(client.call["approval.history"]({ cursor: "zz" }))).message,
        "invalid approval.history cursor"
      )
      assert.deepStrictEqual(yield* client.call["plugin.approval.list"]({}), [])
      assert.deepStrictEqual(yield* client.call["openclaw.approval.list"]({}), [])
    })
  )

  it.effect("the list of the Gateway's own machine is read and replaced by its hash", () =>
    Effect.gen(function* () {
      const kit = yield* GatewayTest.GatewayTest
      const operator = yield* kit.connect()
      const empty = yield* operator.call["exec.approvals.get"]({})
      conforms("ExecApprovalsSnapshot", empty)
      assert.isFalse(empty.exists)
      assert.deepInclude(empty.resolvedDefaults, { security: "allowlist", ask: "on-miss" })
      const file = { version: 1 as const, agents: { main: { allowlist: [{ pattern: "echo", lastUsedAt: 5 }] } } }
      const set = yield* operator.call["exec.approvals.set"]({ file, baseHash: empty.hash })
      conforms("ExecApprovalsSnapshot", set)
      assert.isString(set.file.agents?.["main"]?.allowlist?.[0]?.id)
      const missing = yield* Effect.flip(operator.call["exec.approvals.set"]({ file }))
      assert.include(missing.message, "base hash required")
      const stale = yield* Effect.flip(operator.call["exec.approvals.set"]({ file, baseHash: empty.hash }))
      assert.include(stale.message, "changed since last load")
      const wrong = operator.call["exec.approvals.set"]({
        file: { version: 1, defaults: { security: "nope" } },
        baseHash: set.hash
      })
      assert.include((yield* Effect.flip(wrong)).message, "not an exec approvals document")
    })
  )
})

describe("what those who decide see (E2)", () => {
  it("hides nothing and stays whole", () => {
    assert.strictEqual(escaped("rm \u202Ea\u200Bb\nc\u00A0d"), String.raw`rm \u{202E}a\u{200B}b\u{A}c\u{A0}d`)
    assert.strictEqual(escaped("ä€🙂 ".repeat(3_000)).length, "ä€🙂 ".length * 3_000)
  })
})
