/**
 * One call of a node's command for the model, and what becomes of one whose answer was lost on its way: the node that may
 * have run it is asked.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { NOT_REMEMBERED, RECALL_CAP, RESUMED_WITHIN_MS } from "../../protocol/EventTable.ts"
import type { NodeRow } from "../../protocol/methods/nodes.ts"
import type {
  InvokeError,
  InvokeOptions,
  InvokeSuccess,
  NodeDisconnected,
  NodeRegistry
} from "../../services/NodeRegistry.ts"
import { ToolFailed } from "./tools.ts"

/** Added to what a clock says that may have been put right meanwhile. */
const CLOCK_SLACK_MS = 5_000
/** How long a node that went may take to be back: one whose program crashed is started again within seconds. */
const BACK_WITHIN = "10 seconds"
const LOOK_AGAIN = "200 millis"
/** A node that goes whenever it is asked is not asked for ever. */
const MOST_QUESTIONS = 3

export const nameOf = (node: NodeRow): string => node.displayName ?? node.nodeId

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

const unknown = (why: string, detail: string): ToolFailed =>
  new ToolFailed({
    message: `interrupted, outcome unknown: ${why}, and ${detail}; do not assume that it ran or that it did not`
  })

/** Nobody can tell what became of a call that may have run before the Gateway's last start. */
export const afterRestart = (detail: string): ToolFailed =>
  unknown("the Gateway restarted before it had an answer", detail)

/** What a node that was asked after a call said of it. Only its own answer tells, and not that it cannot tell. */
const recalled = (node: NodeRow, error: InvokeError, why: (detail: string) => ToolFailed): ToolFailed => {
  if (error._tag !== "InvokeFailed") return why(error.message)
  return error.code === NOT_REMEMBERED ? why(`${nameOf(node)} answered: ${error.message}`) : inWords(node, error)
}

/**
 * How long ago a call was made at most, so that its node may begin it. Not told when that is so long that
 * a node begins nothing, or when the clock was set back since.
 */
const askedAgo = (since: number, now: number) => {
  const askedAgoMs = Math.ceil(now - since) + CLOCK_SLACK_MS
  return now < since || askedAgoMs > RESUMED_WITHIN_MS ? undefined : { askedAgoMs }
}

const isGone = (error: InvokeError) => error._tag === "NodeDisconnected" || error._tag === "NodeNotConnected"

/**
 * The call. Given `again`, it may have been made before and is asked after; `since` is when at the earliest, in Unix
 * milliseconds, when it certainly was this node's. A node that remembers and goes in the middle is waited for and asked.
 */
export const make = (registry: NodeRegistry["Service"], node: NodeRow, options: InvokeOptions) => {
  const ask = Effect.fnUntraced(function* (since: number | undefined) {
    const now = yield* Clock.currentTimeMillis
    const resumed = since === undefined ? undefined : askedAgo(since, now)
    return yield* registry.invoke({ ...options, recall: true, ...resumed })
  })

  const isBack = Effect.map(registry.list, (nodes) =>
    nodes.some((row) => row.nodeId === node.nodeId && row.connected === true && row.caps?.includes(RECALL_CAP) === true)
  )
  const back = isBack.pipe(
    Effect.orElseSucceed(() => false),
    Effect.tap((is) => (is ? Effect.void : Effect.sleep(LOOK_AGAIN))),
    Effect.repeat({ until: (is) => is }),
    Effect.timeoutOrElse({ duration: BACK_WITHIN, orElse: () => Effect.succeed(false) })
  )

  const askWhenBack = Effect.fnUntraced(function* (
    lost: NodeDisconnected,
    since: number | undefined
  ): Effect.fn.Return<InvokeSuccess, ToolFailed> {
    const disconnected = (detail: string) => unknown(`${nameOf(node)} disconnected while "${lost.command}" ran`, detail)
    if (node.caps?.includes(RECALL_CAP) !== true) return yield* inWords(node, lost)
    for (let question = 1; ; question++) {
      if (!(yield* back)) return yield* inWords(node, lost)
      const answer = yield* Effect.result(ask(since))
      if (answer._tag === "Success") return answer.success
      if (!isGone(answer.failure) || question === MOST_QUESTIONS) {
        return yield* recalled(node, answer.failure, disconnected)
      }
    }
  })

  return Effect.fnUntraced(function* (again: { readonly since: number | undefined } | undefined) {
    const since = again === undefined ? yield* Clock.currentTimeMillis : again.since
    return yield* (again === undefined ? registry.invoke(options) : ask(since)).pipe(
      Effect.catch((error) => {
        if (error._tag === "NodeDisconnected") return askWhenBack(error, since)
        return Effect.fail(again === undefined ? inWords(node, error) : recalled(node, error, afterRestart))
      })
    )
  })
}
