/**
 * The `nodes` tool over `NodeRegistry`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { NodeId } from "../../domain/Ids.ts"
import { NOT_REMEMBERED, RECALL_CAP, RESUMED_WITHIN_MS } from "../../protocol/EventTable.ts"
import type { NodeRow } from "../../protocol/methods/nodes.ts"
import type { Config } from "../../services/Config.ts"
import type { InvokeError, NodeRegistry } from "../../services/NodeRegistry.ts"
import { resultText } from "./output.ts"
import { whenSettled } from "./settling.ts"
import { CurrentToolCall, ToolFailed, type NodesParams } from "./tools.ts"

const RUN = "system.run"

/** Milliseconds that an invoke may take beyond the command's own limit. */
const RUN_GRACE_MS = 5000
/** Added to what a clock says that may have been put right meanwhile. */
const CLOCK_SLACK_MS = 5_000
const MAX_INVOKE_MS = 600_000

const nameOf = (node: NodeRow): string => node.displayName ?? node.nodeId

const summary = (node: NodeRow) => ({
  nodeId: node.nodeId,
  name: nameOf(node),
  platform: node.platform,
  connected: node.connected === true,
  commands: node.commands ?? []
})

const failed = (message: string) => Effect.fail(new ToolFailed({ message }))

/** A typed error in words for the model. Where the command may have run, it says so. */
const inWords = (node: NodeRow, error: InvokeError): ToolFailed => {
  const name = nameOf(node)
  switch (error._tag) {
    case "NodeDisconnected":
      return new ToolFailed({
        message: `interrupted, outcome unknown: ${name} disconnected while "${error.command}" ran; do not assume that it ran or that it did not`
      })
    case "InvokeTimeout":
      return new ToolFailed({
        message: `no answer, outcome unknown: ${name} did not answer "${error.command}" within ${error.timeoutMs} ms; it may still be running`
      })
    case "InvokeFailed":
      return new ToolFailed({ message: `${name} answered with an error (${error.code}): ${error.message}` })
    case "NodeNotConnected":
    case "CommandNotAllowed":
    case "IdempotencyConflict":
      return new ToolFailed({ message: error.message })
  }
}

const interrupted = (detail: string): ToolFailed =>
  new ToolFailed({
    message: `interrupted, outcome unknown: the Gateway restarted before it had an answer, and ${detail}; do not assume that it ran or that it did not`
  })

/** Why it cannot be told what became of a call that may have run before. Only the node's own answer tells. */
const recalled = (node: NodeRow, error: InvokeError): ToolFailed => {
  if (error._tag !== "InvokeFailed") return interrupted(error.message)
  return error.code === NOT_REMEMBERED ? interrupted(`${nameOf(node)} remembers nothing of it`) : inWords(node, error)
}

/**
 * How long ago a call of this turn was made at most, so that its node may begin it. Not told when that is so long that
 * a node begins nothing, or when the clock was set back before the turn.
 */
const askedAgo = (receivedAt: number, now: number) => {
  const askedAgoMs = Math.ceil(now - receivedAt) + CLOCK_SLACK_MS
  return now < receivedAt || askedAgoMs > RESUMED_WITHIN_MS ? undefined : { askedAgoMs }
}

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
      const node = yield* acts && again ? Effect.mapError(picked, ({ message }) => interrupted(message)) : picked
      if (params.action === "describe") {
        const { displayName: _name, pathEnv: _path, remoteIp: _ip, ...rest } = node
        return resultText({ ...rest, ...summary(node) })
      }

      if (acts && again && node.caps?.includes(RECALL_CAP) !== true) {
        return yield* interrupted(`${nameOf(node)} cannot tell what became of it`)
      }

      const now = yield* Clock.currentTimeMillis
      // The only node that is here now may not be the one that was asked: that one may have begun, and this one must not.
      const resumed = wanted === undefined ? undefined : askedAgo(request.receivedAt, now)
      const invoke = (command: string, commandParams: unknown, timeoutMs: number | undefined) =>
        registry
          .invoke({
            nodeId: NodeId.make(node.nodeId),
            command,
            params: commandParams,
            idempotencyKey,
            sessionKey: request.sessionKey,
            ...(again ? { recall: true, ...resumed } : undefined),
            ...(timeoutMs === undefined ? undefined : { timeoutMs })
          })
          .pipe(
            Effect.mapError((error) => (again ? recalled(node, error) : inWords(node, error))),
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
