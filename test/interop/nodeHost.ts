/**
 * A node host of one program with the Gateway of the other: pairing, approval of its commands, invokes, programs that are run
 * with and without somebody's approval.
 */
import * as Effect from "effect/Effect"
import * as Rig from "../gateway/rig.ts"
import type { Ground, Program } from "./ground.ts"
import { differs, type Results } from "./Results.ts"
import { answerTo, ask, operator, pendingOf, type Side, startNode, until } from "./Side.ts"

interface NodeRow {
  readonly nodeId: string
  readonly displayName?: string
  readonly connected?: boolean
  readonly commands?: ReadonlyArray<string>
}

const expect = (holds: boolean, what: string, saw: unknown) =>
  holds ? Effect.void : Effect.fail(differs(`${what}: ${JSON.stringify(saw)?.slice(0, 500)}`))

let invokes = 0
const invoke = (raw: Rig.Raw, nodeId: string, command: string, params: object) =>
  answerTo(raw, "node.invoke", { nodeId, command, params, idempotencyKey: `interop-${invokes++}`, timeoutMs: 20_000 })

const hasRun = (answer: Rig.Frame) =>
  expect(
    answer.ok === true && answer.payload?.payload?.exitCode === 0 && /interop/.test(answer.payload.payload.stdout),
    "system.run",
    answer.payload ?? answer.error
  )

/** Asks for this policy on the node, as `openclaw approvals set` does. */
const setPolicy = Effect.fnUntraced(function* (raw: Rig.Raw, nodeId: string, security: string, asks: string) {
  const now = yield* ask(raw, "exec.approvals.node.get", { nodeId })
  const file = { ...now.file, version: 1, defaults: { ...now.file?.defaults, security, ask: asks } }
  return yield* ask(raw, "exec.approvals.node.set", { nodeId, file, baseHash: now.hash })
})

const argv = ["echo", "interop"]

export const run = Effect.fnUntraced(function* (ground: Ground, results: Results, program: Program, side: Side) {
  const client =
    program.name === side.name ? `baseline node run` : `${program.name === "theirs" ? "their" : "our"} node run`
  const name = `porch-${program.name}-${side.name}`
  const raw = yield* operator(side)
  // A request for approval needs somebody else who can be asked.
  const approver = yield* operator(side, { caps: ["approvals"] }, Rig.makeDevice())
  let nodeId = ""
  const step = <E, R>(what: string, effect: Effect.Effect<unknown, E, R>) => results.step(client, what, effect)
  const row = Effect.map(ask(raw, "node.list"), (list) =>
    (list.nodes as ReadonlyArray<NodeRow>).find((node) => node.displayName === name)
  )

  yield* startNode(ground, program, side, name)
  const paired = yield* step(
    "pairs its device and asks for its commands",
    Effect.gen(function* () {
      const pending = yield* pendingOf(raw, name)
      nodeId = pending.nodeId
      const devices = yield* ask(raw, "device.pair.list")
      yield* expect(
        devices.paired.some((device: { deviceId: string }) => device.deviceId === nodeId),
        "not among the paired devices",
        devices
      )
      yield* ask(raw, "node.pair.approve", { requestId: pending.requestId })
    })
  )
  if (!paired) return
  yield* step(
    "is approved without a new connection",
    until(
      "is connected with its commands",
      Effect.map(row, (node) => (node?.connected === true && node.commands?.includes("system.run") ? true : undefined)),
      20
    )
  )
  yield* step(
    "system.which",
    Effect.gen(function* () {
      const answer = yield* invoke(raw, nodeId, "system.which", { bins: ["sh", "no-such-program"] })
      const bins = answer.payload?.payload?.bins
      yield* expect(typeof bins?.sh === "string" && !("no-such-program" in bins), "system.which", answer)
    })
  )
  yield* step(
    "system.run, allowed",
    Effect.gen(function* () {
      yield* setPolicy(raw, nodeId, "full", "off")
      yield* hasRun(yield* invoke(raw, nodeId, "system.run", { command: argv }))
    })
  )
  yield* step(
    "system.run, refused without approval",
    Effect.gen(function* () {
      yield* setPolicy(raw, nodeId, "full", "always")
      const refused = yield* invoke(raw, nodeId, "system.run", { command: argv })
      yield* expect(
        refused.ok === false && /approval required/i.test(refused.error?.message ?? ""),
        "not refused",
        refused.error ?? refused.payload
      )
    })
  )
  yield* step(
    "system.run, approved once",
    Effect.gen(function* () {
      const common = { agentId: "main", sessionKey: "agent:main:main" }
      const prepared = yield* invoke(raw, nodeId, "system.run.prepare", { command: argv, ...common })
      const plan = prepared.payload?.payload?.plan
      yield* expect(plan !== undefined, "system.run.prepare", prepared.error ?? prepared.payload)
      const asked = yield* ask(raw, "exec.approval.request", {
        command: plan.commandText,
        commandArgv: plan.argv,
        systemRunPlan: plan,
        cwd: plan.cwd,
        nodeId,
        host: "node",
        ...common,
        timeoutMs: 60_000,
        twoPhase: true
      })
      yield* until(
        "the event exec.approval.requested",
        Effect.sync(() =>
          approver.frames.find(({ event, payload }) => event === "exec.approval.requested" && payload.id === asked.id)
        ),
        10
      )
      const list = yield* ask(approver, "exec.approval.list")
      yield* expect(Array.isArray(list) && list.some(({ id }) => id === asked.id), "not in exec.approval.list", list)
      yield* ask(approver, "exec.approval.resolve", { id: asked.id, decision: "allow-once" })
      const decided = yield* ask(raw, "exec.approval.waitDecision", { id: asked.id })
      yield* expect(decided.decision === "allow-once", "exec.approval.waitDecision", decided)
      const approved = {
        command: plan.argv,
        rawCommand: plan.commandText,
        cwd: plan.cwd,
        ...common,
        systemRunPlan: plan,
        approved: true,
        approvalDecision: "allow-once",
        runId: asked.id
      }
      yield* hasRun(yield* invoke(raw, nodeId, "system.run", approved))
    })
  )
  yield* step(
    "system.run, denied",
    Effect.gen(function* () {
      const runId = "no-such-approval"
      const denied = yield* invoke(raw, nodeId, "system.run", {
        command: argv,
        approved: true,
        approvalDecision: "allow-once",
        runId
      })
      yield* expect(denied.ok === false, "ran without an approval", denied.payload)
    })
  )
}, Effect.scoped)
