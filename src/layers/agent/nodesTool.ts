/**
 * The `nodes` tool over `NodeRegistry`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { NodeId } from "../../domain/Ids.ts"
import { RECALL_CAP } from "../../protocol/EventTable.ts"
import type { NodeRow } from "../../protocol/methods/nodes.ts"
import type { Config } from "../../services/Config.ts"
import type { NodeRegistry } from "../../services/NodeRegistry.ts"
import * as NodeCall from "./nodeCall.ts"
import { afterRestart, nameOf } from "./nodeCall.ts"
import { resultText } from "./output.ts"
import { whenSettled } from "./settling.ts"
import { CurrentToolCall, ToolFailed, type NodesParams } from "./tools.ts"

const RUN = "system.run"

/** Milliseconds that an invoke may take beyond the command's own limit. */
const RUN_GRACE_MS = 5000
const MAX_INVOKE_MS = 600_000

const summary = (node: NodeRow) => ({
  nodeId: node.nodeId,
  name: nameOf(node),
  platform: node.platform,
  connected: node.connected === true,
  commands: node.commands ?? []
})

const failed = (message: string) => Effect.fail(new ToolFailed({ message }))

/** The rows that a name means: an exact id, else an exact name, else the beginning of an id or a name. */
const matching = (nodes: ReadonlyArray<NodeRow>, wanted: string): ReadonlyArray<NodeRow> => {
  const low = wanted.trim().toLowerCase()
  const by = (is: (node: NodeRow) => boolean) => nodes.filter(is)
  const steps = [
    by((node) => node.nodeId.toLowerCase() === low),
    by((node) => node.displayName?.toLowerCase() === low),
    by((node) => node.nodeId.toLowerCase().startsWith(low) || (node.displayName ?? "").toLowerCase().startsWith(low))
  ]
  return steps.find((found) => found.length > 0) ?? []
}

const describeAll = (nodes: ReadonlyArray<NodeRow>): string =>
  nodes.map((node) => `${nameOf(node)} (${node.nodeId.slice(0, 12)})`).join(", ")

const pick = (nodes: ReadonlyArray<NodeRow>, wanted: string | undefined) => {
  if (wanted === undefined) {
    const here = nodes.filter((node) => node.connected === true)
    const [only, another] = here
    if (only === undefined) return failed("no node is connected")
    return another === undefined ? Effect.succeed(only) : failed(`say which node: ${describeAll(here)}`)
  }
  const [found, another] = matching(nodes, wanted)
  if (found === undefined) {
    return failed(
      nodes.length === 0
        ? `there is no node "${wanted}"; none is known`
        : `there is no node "${wanted}"; known: ${describeAll(nodes)}`
    )
  }
  return another === undefined
    ? Effect.succeed(found)
    : failed(`"${wanted}" could be any of: ${describeAll(matching(nodes, wanted))}`)
}

const parseJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

const payloadOf = (answer: { readonly payload?: unknown; readonly payloadJSON?: string | null }): unknown =>
  answer.payload ??
  (typeof answer.payloadJSON === "string"
    ? Option.getOrElse(parseJson(answer.payloadJSON), () => answer.payloadJSON)
    : null)

/** Whether a node that is meant is here, or none that is known could be meant. */
const isSettled = (nodes: ReadonlyArray<NodeRow>, wanted: string | undefined): boolean => {
  const meant = wanted === undefined ? nodes : matching(nodes, wanted)
  return meant.length === 0 || meant.some((node) => node.connected === true)
}

/** The handler of the `nodes` tool. `startedAt`: Unix milliseconds. */
export const makeNodesHandler =
  (registry: NodeRegistry["Service"], config: Config["Service"], startedAt: number) => (params: NodesParams) =>
    Effect.gen(function* () {
      const { again, idempotencyKey, request } = yield* CurrentToolCall
      const list = Effect.mapError(
        registry.list,
        () => new ToolFailed({ message: "the list of nodes could not be read" })
      )
      if (params.action === "list") return resultText({ nodes: (yield* list).map(summary) })
      const { tools } = yield* Effect.mapError(
        config.get,
        () => new ToolFailed({ message: "the Gateway's configuration cannot be used" })
      )
      const exec = tools?.exec
      const acts = params.action === "invoke" || params.action === "run"
      const wanted = params.node ?? (params.action === "run" ? exec?.node : undefined)
      const nodes = yield* acts ? whenSettled(startedAt, list, (seen) => isSettled(seen, wanted)) : list
      const picked = pick(nodes, wanted)
      const node = yield* acts && again ? Effect.mapError(picked, ({ message }) => afterRestart(message)) : picked
      if (params.action === "describe") {
        const { displayName: _name, pathEnv: _path, remoteIp: _ip, ...rest } = node
        return resultText({ ...rest, ...summary(node) })
      }

      if (acts && again && node.caps?.includes(RECALL_CAP) !== true) {
        return yield* afterRestart(`${nameOf(node)} cannot tell what became of it`)
      }

      // The only node that is here now, or that the settings name now, may not be the one that was asked: that one may have
      // begun, and this one must not.
      const since = params.node === undefined ? undefined : request.receivedAt
      const invoke = (command: string, commandParams: unknown, timeoutMs: number | undefined) =>
        NodeCall.make(registry, node, {
          nodeId: NodeId.make(node.nodeId),
          command,
          params: commandParams,
          idempotencyKey,
          sessionKey: request.sessionKey,
          ...(timeoutMs === undefined ? undefined : { timeoutMs })
        })(again ? { since } : undefined).pipe(
          Effect.map((answer) => resultText({ node: nameOf(node), command, result: payloadOf(answer) }))
        )

      if (params.action === "run") {
        const [program] = params.argv ?? []
        if (program === undefined || program === "") return yield* failed("run needs argv: program and arguments")
        const seconds = exec?.timeoutSeconds ?? exec?.timeoutSec
        const timeoutMs = params.timeoutMs ?? (seconds === undefined ? undefined : seconds * 1000)
        return yield* invoke(
          RUN,
          {
            command: params.argv,
            agentId: request.agentId,
            sessionKey: request.sessionKey,
            ...(params.cwd === undefined ? undefined : { cwd: params.cwd }),
            ...(timeoutMs === undefined ? undefined : { timeoutMs })
          },
          timeoutMs === undefined ? undefined : Math.min(MAX_INVOKE_MS, timeoutMs + RUN_GRACE_MS)
        )
      }

      if (params.command === undefined) return yield* failed("invoke needs command")
      // A model must not be able to hand in an approval, or change what is approved.
      if (params.command === RUN || params.command === `${RUN}.prepare`) {
        return yield* failed('use action "run" to run a program')
      }
      if (params.command.startsWith("system.execApprovals")) {
        return yield* failed(`"${params.command}" is for operators only`)
      }
      return yield* invoke(params.command, params.params ?? {}, params.timeoutMs)
    })
