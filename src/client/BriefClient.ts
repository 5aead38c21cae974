/**
 * A client for a few questions and no events: it loads the rows of the methods that it is asked for, and not the table of
 * all methods and events.
 *
 * When to use: a command that asks once and ends, where loading takes longer than the answer. Everything else uses
 * `GatewayClient`, whose calls these are.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { HelloOk } from "../protocol/Connect.ts"
import { invalidRequest } from "../protocol/GatewayError.ts"
import type { Calls } from "./Calls.ts"
import { connect, type ConnectOptions } from "./Connect.ts"
import type { CallOptions } from "./deadline.ts"
import { type ConnectError, type ConnectionClosed, printable, ProtocolViolation } from "./errors.ts"
import * as Link from "./Link.ts"
import { type Request, requests } from "./requests.ts"

/** Methods that answer more than once. */
type Streamed = "agent" | "exec.approval.request"

export interface BriefClient {
  readonly hello: HelloOk
  readonly closed: Effect.Effect<ConnectionClosed>
  readonly request: Request
  readonly call: Omit<Calls, Streamed>
}

interface Row {
  readonly payloadSchema: Schema.Top
  readonly successSchema: Schema.Top
}

type Rows = ReadonlyMap<string, Row>

const system = () => import("../protocol/methods/system.ts").then(({ SystemMethods }) => SystemMethods.requests)
const nodes = () => import("../protocol/methods/nodes.ts").then(({ NodeMethods }) => NodeMethods.requests)
const devices = () => import("../protocol/methods/devices.ts").then(({ DeviceMethods }) => DeviceMethods.requests)
const sessions = () => import("../protocol/methods/sessions.ts").then(({ SessionMethods }) => SessionMethods.requests)
const table = () => import("../protocol/MethodTable.ts").then(({ MethodTable }) => MethodTable.requests)

/** Where the rows of the commonest questions lie; all others are found in the whole table. */
const NEAR: Readonly<Record<string, () => Promise<Rows>>> = {
  health: system,
  status: system,
  "channels.status": system,
  "system-presence": system,
  "node.list": nodes,
  "node.describe": nodes,
  "node.pair.list": nodes,
  "device.pair.list": devices,
  "sessions.list": sessions
}

const rowOf = Effect.fnUntraced(function* (method: string) {
  const rows = yield* Effect.promise<Rows>(NEAR[method] ?? table)
  return rows.get(method) ?? (yield* invalidRequest(`unknown method: ${method}`))
})

/** A row's schemas need nothing but themselves. */
const codec = (schema: Schema.Top) => schema as Schema.Codec<unknown>

const explained = (issue: Schema.SchemaError) => printable(issue.message)

/** One call: params checked, the answer decoded. */
const asked = (request: Request) =>
  Effect.fnUntraced(function* (method: string, params: unknown, options: CallOptions) {
    const { payloadSchema, successSchema } = yield* rowOf(method)
    const payload = yield* codec(payloadSchema)
      .makeEffect(params ?? {})
      .pipe(
        Effect.mapError((issue) => new Schema.SchemaError(issue)),
        Effect.flatMap(Schema.encodeEffect(codec(payloadSchema))),
        Effect.mapError((error) => invalidRequest(`invalid ${method} params: ${explained(error)}`))
      )
    return yield* Effect.flatMap(request(method, payload, options), (answer) =>
      Effect.mapError(
        Schema.decodeUnknownEffect(codec(successSchema))(answer),
        (error) => new ProtocolViolation({ problem: `${method}: ${explained(error)}` })
      )
    )
  })

export interface BriefOptions extends ConnectOptions {
  /** Deadline of a call that says nothing else. */
  readonly callTimeout: Duration.Input
}

/** Connects, authenticates and stays connected until the scope closes. */
export const make: (options: BriefOptions) => Effect.Effect<BriefClient, ConnectError, Scope.Scope> = Effect.fnUntraced(
  function* (options) {
    const { connection, hello } = yield* connect(options)
    const link = yield* Link.make({ connection, hello, onEvent: () => {}, onGap: () => Effect.void })
    const request = requests(link, options.callTimeout)
    const call = asked(request)
    const calls = new Proxy(
      {},
      {
        get: (_, method) =>
          typeof method === "string"
            ? (params: unknown, callOptions: CallOptions = {}) => call(method, params, callOptions)
            : undefined
      }
    )
    // Each name is a method's; its row says what it takes and gives, as it does for the type.
    return { hello, closed: link.closed, request, call: calls as BriefClient["call"] }
  }
)
