/**
 * A node that is a Layer in this process: its commands are Effects, its connection is a function call.
 *
 * Params and payloads pass through JSON as they would on a socket, so that a command cannot tell the difference and
 * nothing is shared by reference.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberMap from "effect/FiberMap"
import * as Schema from "effect/Schema"
import type { NodeInvokeRequest } from "../../protocol/EventTable.ts"
import type { NodeInvokeProgressParams, NodeInvokeResultParams } from "../../protocol/methods/nodes.ts"
import type { NodeCommandHandler } from "../../services/NodeRegistry.ts"

const Json = Schema.fromJsonString(Schema.Unknown)
const parse = Schema.decodeUnknownExit(Json)
const print = Schema.encodeUnknownExit(Json)

type Result = Omit<NodeInvokeResultParams, "id" | "nodeId">

const failed = (code: string, message: string): Result => ({ ok: false, error: { code, message: message || code } })

const answer = (exit: Exit.Exit<unknown, { readonly message: string }>): Result => {
  if (Exit.isFailure(exit)) {
    const reason = exit.cause.reasons.find(Cause.isFailReason)
    return reason === undefined
      ? failed("INTERNAL", "the command crashed; the log has the cause")
      : failed("UNAVAILABLE", reason.error.message)
  }
  if (exit.value === undefined) return { ok: true }
  const payloadJSON = print(exit.value)
  return Exit.isSuccess(payloadJSON)
    ? { ok: true, payloadJSON: payloadJSON.value }
    : failed("INVALID_PAYLOAD", "the command's answer cannot be written as JSON")
}

/** The two ends of such a connection. Commands end with the scope, and each when nobody waits for it any longer. */
export const make = Effect.fnUntraced(function* (
  commands: Readonly<Record<string, NodeCommandHandler>>,
  gateway: {
    readonly complete: (result: NodeInvokeResultParams) => Effect.Effect<unknown>
    readonly progress: (said: NodeInvokeProgressParams) => Effect.Effect<unknown>
  }
) {
  const table = new Map(Object.entries(commands))
  const running = yield* FiberMap.make<string>()

  const run = (request: NodeInvokeRequest): Effect.Effect<unknown, { readonly message: string }> => {
    const handler = table.get(request.command)
    const params = parse(request.paramsJSON ?? "null")
    if (handler === undefined || Exit.isFailure(params)) {
      return Effect.fail({ message: `no such command: ${request.command}` })
    }
    let seq = 0
    return handler(params.value ?? undefined, {
      idempotencyKey: request.idempotencyKey ?? request.id,
      progress: (chunk) =>
        Effect.suspend(() => gateway.progress({ invokeId: request.id, nodeId: request.nodeId, seq: seq++, chunk }))
    })
  }

  return {
    send: (request: NodeInvokeRequest) =>
      Effect.suspend(() => run(request)).pipe(
        Effect.tapCause((cause) =>
          Cause.hasDies(cause) ? Effect.logError(`node command ${request.command} crashed`, cause) : Effect.void
        ),
        Effect.exit,
        Effect.flatMap((exit) => gateway.complete({ id: request.id, nodeId: request.nodeId, ...answer(exit) })),
        Effect.tapDefect((defect) => Effect.logError(`answering ${request.command} died`, defect)),
        FiberMap.run(running, request.id),
        Effect.asVoid
      ),
    cancel: (invokeId: string) => FiberMap.remove(running, invokeId),
    retire: FiberMap.clear(running)
  }
})
