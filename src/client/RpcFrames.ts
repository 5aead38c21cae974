/**
 * Gateway frames as a transport of `effect/rpc`: its client encodes params and decodes answers by the method table.
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as RpcClient from "effect/rpc/RpcClient"
import { RpcClientDefect, RpcClientError } from "effect/rpc/RpcClientError"
import { type FromServerEncoded, RequestId } from "effect/rpc/RpcMessage"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type GatewayError, invalidRequest } from "../protocol/GatewayError.ts"
import { MethodTable } from "../protocol/MethodTable.ts"
import { wireCodec } from "../protocol/wireCodec.ts"
import * as Calls from "./Calls.ts"
import { deadline, expired } from "./deadline.ts"
import { type CallError, ConnectionClosed, printable, ProtocolViolation, RequestTimeout } from "./errors.ts"
import { randomId } from "./ids.ts"
import type { Answer, Link } from "./Link.ts"

const asRpcError = (error: CallError) =>
  new RpcClientError({ reason: new RpcClientDefect({ message: error.message, cause: error }) })

const exit = (requestId: string, value: Extract<FromServerEncoded, { _tag: "Exit" }>["exit"]): FromServerEncoded => ({
  _tag: "Exit",
  requestId,
  exit: value
})

/** The messages of `effect/rpc` that one answer stands for. */
const messagesOf = (id: string, method: string, answer: Answer): ReadonlyArray<FromServerEncoded> => {
  switch (answer._tag) {
    case "Ok": {
      if (!Calls.streams(method)) return [exit(id, { _tag: "Success", value: answer.payload })]
      const chunk: FromServerEncoded = { _tag: "Chunk", requestId: id, values: [answer.payload] }
      return answer.more ? [chunk] : [chunk, exit(id, { _tag: "Success", value: undefined })]
    }
    case "Refused":
      return [
        exit(id, { _tag: "Failure", cause: [{ _tag: "Fail", error: { _tag: "GatewayError", ...answer.error.wire } }] })
      ]
    case "Broken":
      return [
        exit(id, {
          _tag: "Failure",
          cause: [{ _tag: "Die", defect: { _tag: answer.error._tag, problem: answer.error.problem } }]
        })
      ]
    case "Closed":
      return [{ _tag: "ClientProtocolError", error: asRpcError(answer.error) }]
  }
}

/** The `RpcClient.Protocol` of one connection. */
export const protocol = (link: Link): Effect.Effect<RpcClient.Protocol["Service"]> =>
  RpcClient.Protocol.make((write) =>
    Effect.succeed({
      supportsAck: false,
      supportsTransferables: false,
      codecFor: wireCodec,
      send: (clientId, message) => {
        switch (message._tag) {
          case "Request": {
            const id = String(message.id)
            const onAnswer = (answer: Answer) => {
              // Whatever it says of itself: nobody waits for a second one.
              if (answer._tag === "Ok" && !Calls.streams(message.tag)) link.forget(id)
              return Effect.forEach(messagesOf(id, message.tag, answer), (reply) => write(clientId, reply), {
                discard: true
              })
            }
            return Effect.mapError(link.send({ id, method: message.tag, params: message.payload }, onAnswer), (error) =>
              asRpcError(
                new ConnectionClosed({
                  code: error.code,
                  reason: error.reason,
                  request: { method: message.tag, sent: false }
                })
              )
            )
          }
          case "Interrupt":
            return Effect.sync(() => link.forget(String(message.requestId)))
          default:
            return Effect.void
        }
      }
    })
  )

const isCallError = (error: unknown): error is CallError =>
  error instanceof ConnectionClosed || error instanceof RequestTimeout || error instanceof ProtocolViolation

/** The failure that `effect/rpc` wrapped, with the method's name on it. */
const unwrap = (method: string) => (error: GatewayError | RpcClientError) => {
  if (error._tag === "GatewayError") return error
  const cause = error.reason._tag === "RpcClientDefect" ? error.reason.cause : undefined
  if (!isCallError(cause)) return new ProtocolViolation({ problem: `${method}: ${error.message}` })
  return cause._tag === "ConnectionClosed" && cause.request === undefined
    ? new ConnectionClosed({ code: cause.code, reason: cause.reason, request: { method, sent: true } })
    : cause
}

/** The only defects of a call are answers that do not fit; anything else stays a defect. */
const violation = (method: string, cause: Cause.Cause<unknown>): ProtocolViolation | undefined => {
  for (const reason of cause.reasons) {
    if (!Cause.isDieReason(reason)) continue
    const { defect } = reason
    if (Schema.isSchemaError(defect))
      return new ProtocolViolation({ problem: printable(`${method}: ${defect.message}`) })
    if (Predicate.isTagged(defect, "ProtocolViolation") && Predicate.hasProperty(defect, "problem")) {
      return new ProtocolViolation({ problem: `${method}: ${String(defect.problem)}` })
    }
  }
  return undefined
}

type Flat<A> = (method: string, params: unknown) => A

/** A method of the table by its name: params checked, answers decoded, one deadline. */
export interface GeneralCalls {
  readonly one: Calls.OneCall
  readonly many: Calls.ManyCall
}

/** The calls of one connection. */
export const calls = Effect.fnUntraced(function* (
  link: Link,
  callTimeout: Duration.Input
): Effect.fn.Return<GeneralCalls, never, Scope.Scope> {
  const client = yield* RpcClient.make(MethodTable, {
    flatten: true,
    spanPrefix: "GatewayClient",
    generateRequestId: () => RequestId(randomId())
  }).pipe(Effect.provideService(RpcClient.Protocol, yield* protocol(link)))
  // One function for all rows; `Calls.make` gives every row its own type back.
  const one = client as unknown as Flat<Effect.Effect<unknown, GatewayError | RpcClientError>>
  const many = client as unknown as Flat<Stream.Stream<unknown, GatewayError | RpcClientError>>

  const checked = Effect.fnUntraced(function* (method: string, params: unknown) {
    const row = MethodTable.requests.get(method)
    if (row === undefined) return yield* invalidRequest(`unknown method: ${method}`)
    // A union of all rows' schemas; each checks its own params.
    const schema: Schema.Codec<unknown> = row.payloadSchema as unknown as Schema.Codec<unknown>
    return yield* schema
      .makeEffect(params ?? {})
      .pipe(
        Effect.mapError((issue) =>
          invalidRequest(`invalid ${method} params: ${printable(new Schema.SchemaError(issue).message)}`)
        )
      )
  })

  return {
    one: (method, params, options) => {
      const duration = deadline(params, options, callTimeout)
      return checked(method, params).pipe(
        Effect.flatMap((payload) => one(method, payload)),
        Effect.mapError(unwrap(method)),
        Effect.catchCause((cause) => {
          const broken = violation(method, cause)
          return broken === undefined ? Effect.failCause(cause) : Effect.fail(broken)
        }),
        Effect.timeoutOrElse({ duration, orElse: () => expired(method, duration, true) })
      )
    },
    many: (method, params, options) =>
      Stream.unwrap(Effect.map(checked(method, params), (payload) => many(method, payload))).pipe(
        Stream.mapError(unwrap(method)),
        Stream.catchCause((cause) => {
          const broken = violation(method, cause)
          return broken === undefined ? Stream.failCause(cause) : Stream.fail(broken)
        }),
        (answers) =>
          Calls.bounded(answers, {
            method,
            duration: deadline(params, options, callTimeout),
            whole: options.timeout !== undefined,
            sent: () => true
          })
      )
  }
})
