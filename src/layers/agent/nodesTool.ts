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
import type { ExecApprovals } from "../../services/ExecApprovals.ts"
import type { InvokeError, InvokeSuccess, NodeRegistry } from "../../services/NodeRegistry.ts"
import * as ApprovedCommand from "./approvedCommand.ts"
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

/** The registry's `invoke`, with a look at why it fails. */
const noting =
  (registry: NodeRegistry["Service"], onError: (error: InvokeError) => void): NodeRegistry["Service"]["invoke"] =>
  (options) =>
    Effect.tapError(registry.invoke(options), (error) => Effect.sync(() => onError(error)))

/** The handler of the `nodes` tool. `startedAt`: Unix milliseconds. */
export const makeNodesHandler = (
  registry: NodeRegistry["Service"],
  approvals: ExecApprovals["Service"],
  config: Config["Service"],
  startedAt: number
) => {
  const runApproved = ApprovedCommand.make(registry, approvals)
  return (params: NodesParams) =>
    Effect.gen(function* () {
      const { again, idempotencyKey, leftMs, progress, request, waits } = yield* CurrentToolCall
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
      // A question that was asked before a restart says on which node, and that the command has not run without its answer.
      const asked =
        again && params.action === "run"
          ? yield* Effect.option(approvals.find(ApprovedCommand.approvalIdOf(idempotencyKey)))
          : Option.none()
      const approvalNode = Option.isSome(asked) ? (asked.value.request.nodeId ?? undefined) : undefined
      const wanted = approvalNode ?? params.node ?? (params.action === "run" ? exec?.node : undefined)
      const nodes = yield* acts ? whenSettled(startedAt, list, (seen) => isSettled(seen, wanted)) : list
      const picked = pick(nodes, wanted)
      const node = yield* acts && again ? Effect.mapError(picked, ({ message }) => afterRestart(message)) : picked
      if (params.action === "describe") {
        const { displayName: _name, pathEnv: _path, remoteIp: _ip, ...rest } = node
        const skills = yield* registry.skills(node.nodeId)
        return resultText({ ...rest, ...summary(node), ...(skills.length === 0 ? undefined : { nodeSkills: skills }) })
      }

      if (acts && again && Option.isNone(asked) && node.caps?.includes(RECALL_CAP) !== true) {
        return yield* afterRestart(`${nameOf(node)} cannot tell what became of it`)
      }

      // The only node that is here now, or that the settings name now, may not be the one that was asked: that one may have
      // begun, and this one must not.
      const since = params.node === undefined && approvalNode === undefined ? undefined : request.receivedAt
      const answered = (command: string, answer: InvokeSuccess) =>
        resultText({ node: nameOf(node), command, result: payloadOf(answer) })
      const invoke = (
        command: string,
        commandParams: unknown,
        timeoutMs: number | undefined,
        onError: (error: InvokeError) => void = () => {}
      ) =>
        NodeCall.make({ ...registry, invoke: noting(registry, onError) }, node, {
          nodeId: NodeId.make(node.nodeId),
          command,
          params: commandParams,
          idempotencyKey,
          sessionKey: request.sessionKey,
          ...(timeoutMs === undefined ? undefined : { timeoutMs }),
          ...(progress === undefined ? undefined : { onProgress: progress })
        })(again ? { since } : undefined).pipe(Effect.map((answer) => answered(command, answer)))

      if (params.action === "run") {
        const [program] = params.argv ?? []
        if (program === undefined || program === "") return yield* failed("run needs argv: program and arguments")
        const seconds = exec?.timeoutSeconds ?? exec?.timeoutSec
        const timeoutMs = params.timeoutMs ?? (seconds === undefined ? undefined : seconds * 1000)
        const invokeTimeoutMs = timeoutMs === undefined ? undefined : Math.min(MAX_INVOKE_MS, timeoutMs + RUN_GRACE_MS)
        const approved = Effect.map(
          runApproved(
            {
              node,
              argv: params.argv ?? [],
              cwd: params.cwd,
              request,
              idempotencyKey,
              leftMs,
              waits,
              timeoutMs,
              invokeTimeoutMs
            },
            Option.getOrUndefined(asked)
          ),
          (answer) => answered(RUN, answer)
        )
        if (Option.isSome(asked)) return yield* approved
        let refused: InvokeError | undefined
        const commandParams = {
          command: params.argv,
          agentId: request.agentId,
          sessionKey: request.sessionKey,
          ...(params.cwd === undefined ? undefined : { cwd: params.cwd }),
          ...(timeoutMs === undefined ? undefined : { timeoutMs })
        }
        return yield* invoke(RUN, commandParams, invokeTimeoutMs, (error) => (refused = error)).pipe(
          Effect.catch((error) =>
            refused !== undefined && ApprovedCommand.needsApproval(refused) ? approved : Effect.fail(error)
          )
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
}
