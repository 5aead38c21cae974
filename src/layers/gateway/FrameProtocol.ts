/**
 * The OpenClaw frame format as the transport of `effect/rpc`: `req` frames become requests, exits and stream values become
 * `res` frames.
 *
 * Requests get an id of our own, because a client may use one id twice at a time and must get both answers.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { FromClientEncoded, FromServerEncoded, ResponseExitEncoded } from "effect/rpc/RpcMessage"
import * as RpcServer from "effect/rpc/RpcServer"
import { RequestFrame } from "../../protocol/Frame.ts"
import { ErrorShape, internal, invalidRequest, unavailable } from "../../protocol/GatewayError.ts"
import { accessOf, failedAnswer, MethodTable } from "../../protocol/MethodTable.ts"
import { wireCodec } from "../../protocol/wireCodec.ts"
import { closeOffenderUnsafe, denyUnsafe } from "./Access.ts"
import { closeRetiredUnsafe, type Connection, Connections, respondUnsafe } from "./Connections.ts"
import { decodeFrame, decodeParams } from "./decode.ts"
import type { GatewayLimits } from "./options.ts"
import { parseJson } from "./parseJson.ts"

/** Bytes of a request, besides those of the methods that carry what people wrote or what machines made. */
const USUAL_BYTES = 1_048_576
const carriers: ReadonlySet<string> = new Set(["agent", "chat.send", "node.event", "node.invoke", "node.invoke.result"])

/** Where connections hand in their messages. */
export class Dispatcher extends Context.Service<
  Dispatcher,
  {
    /** Answers or starts one message of a connection that finished the handshake. */
    readonly dispatch: (connection: Connection, data: Uint8Array) => Effect.Effect<void>
    /** The connection is gone: its running requests are interrupted. */
    readonly disconnect: (connection: Connection) => Effect.Effect<void>
    /** From now on requests are refused; those that run go on. */
    readonly refuseNew: Effect.Effect<void>
    readonly isStopping: () => boolean
  }
>()("openclaw/layers/gateway/Dispatcher") {}

const refuseUnsafe = (connection: Connection, id: string, error: ErrorShape): void => {
  respondUnsafe(connection, id, { error })
  closeOffenderUnsafe(connection)
}

/** The error that a failed exit carries; a defect becomes `INTERNAL`, without its text. */
const errorOf = (exit: Extract<ResponseExitEncoded["exit"], { readonly _tag: "Failure" }>): ErrorShape => {
  for (const reason of exit.cause) {
    if (reason._tag === "Fail") {
      const shape = decodeShape(reason.error)
      if (Option.isSome(shape)) return shape.value
    }
  }
  return exit.cause.some((reason) => reason._tag === "Interrupt")
    ? unavailable("the request was interrupted", { retryable: true }).wire
    : internal().wire
}

/** `effect/rpc` tells of an answer that it cannot encode by a text, or by the error itself. */
const isUnfit = Schema.is(
  Schema.Union([
    Schema.String.pipe(Schema.check(Schema.isStartingWith("Failed to encode response"))),
    Schema.Struct({ name: Schema.Literal("SchemaError"), message: Schema.String })
  ])
)

/** Why an answer could not be encoded, if that is how its call ended. Nobody else hears of it: its handler was done. */
const unfitOf = (exit: ResponseExitEncoded["exit"]): string | undefined => {
  if (exit._tag === "Success") return undefined
  for (const reason of exit.cause) {
    if (reason._tag !== "Die" || !isUnfit(reason.defect)) continue
    return typeof reason.defect === "string" ? reason.defect : reason.defect.message
  }
  return undefined
}

const decodeShape = Schema.decodeUnknownOption(ErrorShape)

const isId = Schema.is(RequestFrame.fields.id)
/** The id to answer a bad frame under. */
const idOf = (json: unknown): string =>
  typeof json === "object" && json !== null && "id" in json && isId(json.id) ? json.id : "invalid"

type Limits = Pick<GatewayLimits, "maxInFlight" | "maxInFlightBytes">

const busy = (what: string) =>
  unavailable(`${what} already run on this connection; wait for one to end`, { retryable: true, retryAfterMs: 250 })
    .wire

const make = Effect.fnUntraced(function* (limits: Limits) {
  const connections = yield* Connections
  const disconnects = yield* Queue.unbounded<number>()
  const clientIds = new Set<number>()
  let counter = 0
  let stopping = false
  let write: (clientId: number, data: FromClientEncoded) => Effect.Effect<void> = () => Effect.void

  const send = (clientId: number, response: FromServerEncoded): Effect.Effect<void> =>
    Effect.suspend(() => {
      const connection = connections.get(clientId)
      if (connection === undefined) return Effect.void
      switch (response._tag) {
        case "Chunk": {
          const request = connection.inFlight.get(String(response.requestId))
          if (request === undefined) return Effect.void
          for (const payload of response.values) {
            respondUnsafe(connection, request.id, { payload, error: failedAnswer(request.method, payload) })
          }
          return Effect.void
        }
        case "Exit": {
          const key = String(response.requestId)
          const request = connection.inFlight.get(key)
          if (request === undefined) return Effect.void
          connection.inFlight.delete(key)
          connection.inFlightBytes -= request.bytes
          const unfit = unfitOf(response.exit)
          if (response.exit._tag === "Failure") refuseUnsafe(connection, request.id, errorOf(response.exit))
          else if (response.exit.value !== undefined)
            respondUnsafe(connection, request.id, { payload: response.exit.value })
          closeRetiredUnsafe(connection)
          return unfit === undefined
            ? Effect.void
            : Effect.logError(`what ${request.method} was to answer does not fit its row: ${unfit}`)
        }
        case "Defect":
          return Effect.logError("a request could not be served", response.defect)
        default:
          return Effect.void
      }
    })

  const protocol = yield* RpcServer.Protocol.make((run) => {
    write = run
    return Effect.succeed({
      disconnects,
      send,
      end: () => Effect.void,
      clientIds: Effect.sync(() => clientIds),
      initialMessage: Effect.succeedNone,
      supportsAck: false,
      supportsTransferables: false,
      supportsSpanPropagation: false,
      supportsNotifications: false,
      codecFor: wireCodec
    })
  })

  /** What a request is answered at once, when it is not to be run. */
  const refuse = (connection: Connection, method: string, bytes: number): ErrorShape | undefined => {
    if (method === "connect") {
      const denied = denyUnsafe(connection, method)
      return (denied ?? invalidRequest("connect is only valid as the first request")).wire
    }
    if (!MethodTable.requests.has(method)) {
      return (denyUnsafe(connection, method) ?? invalidRequest(`unknown method: ${method}`)).wire
    }
    if (stopping && accessOf(method) !== "node") {
      return unavailable("gateway stopping; retry shortly", { retryable: true, retryAfterMs: 1000 }).wire
    }
    if (bytes > USUAL_BYTES && !carriers.has(method)) {
      return (denyUnsafe(connection, method) ?? invalidRequest(`${method} takes at most ${USUAL_BYTES} bytes`)).wire
    }
    if (connection.inFlight.size >= limits.maxInFlight) return busy(`${limits.maxInFlight} requests`)
    if (connection.inFlight.size > 0 && connection.inFlightBytes + bytes > limits.maxInFlightBytes) {
      return busy("requests of too many bytes")
    }
    return undefined
  }

  const dispatch = (connection: Connection, data: Uint8Array): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (connection.retired !== undefined) return Effect.void
      const parsed = parseJson(data)
      // OpenClaw ignores what is no JSON once a connection stands.
      if (parsed === undefined) return Effect.void
      const refused = (id: string, error: ErrorShape) => Effect.sync(() => refuseUnsafe(connection, id, error))
      const badFrame = (id: string, problem: string) =>
        refused(id, invalidRequest(`invalid request frame: ${problem}`).wire)
      if (parsed._tag === "Refused") return badFrame(idOf(parsed), parsed.problem)
      const decoded = decodeFrame(parsed.json)
      if (Result.isFailure(decoded)) return badFrame(idOf(parsed.json), decoded.failure)
      const frame = decoded.success
      const bytes = data.byteLength
      const refusal = refuse(connection, frame.method, bytes)
      if (refusal !== undefined) return refused(frame.id, refusal)
      const params = decodeParams(frame.method, frame.params)
      if (Result.isFailure(params)) {
        const denied = denyUnsafe(connection, frame.method)
        return refused(frame.id, (denied ?? invalidRequest(`invalid ${frame.method} params: ${params.failure}`)).wire)
      }
      const id = String(++counter)
      connection.inFlight.set(id, { id: frame.id, method: frame.method, bytes, traceparent: frame.traceparent })
      connection.inFlightBytes += bytes
      clientIds.add(connection.clientId)
      return write(connection.clientId, {
        _tag: "Request",
        id,
        tag: frame.method,
        payload: frame.params ?? {},
        headers: []
      })
    })

  const dispatcher = Dispatcher.of({
    dispatch,
    disconnect: (connection) =>
      Effect.suspend(() => {
        clientIds.delete(connection.clientId)
        connection.inFlight.clear()
        connection.inFlightBytes = 0
        return Effect.asVoid(Queue.offer(disconnects, connection.clientId))
      }),
    refuseNew: Effect.sync(() => {
      stopping = true
    }),
    isStopping: () => stopping
  })
  return Context.make(RpcServer.Protocol, protocol).pipe(Context.add(Dispatcher, dispatcher))
})

/** The transport and its way in. */
export const layer = (limits: Limits): Layer.Layer<RpcServer.Protocol | Dispatcher, never, Connections> =>
  Layer.effectContext(make(limits))
