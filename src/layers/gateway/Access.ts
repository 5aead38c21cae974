/**
 * Who may call what: one check for every method, from the table's `RequiredScope` annotation.
 *
 * It is the middleware of every method, and it also decides between two wrongs of one request (no right to call, bad
 * params): the missing right is what the caller is told.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as GatewayError from "../../protocol/GatewayError.ts"
import { accessOf, MethodTable } from "../../protocol/MethodTable.ts"
import { type MethodAccess, satisfies } from "../../protocol/Role.ts"
import { Tracing } from "../../services/Tracing.ts"
import { type Connection, Connections, CurrentConnection } from "./Connections.ts"
import { traced } from "./traced.ts"

/** More calls of the other role's methods in a row than this close the connection. */
const MAX_ROLE_VIOLATIONS = 10

/** Runs before every handler, and gives it its connection. */
export class Access extends RpcMiddleware.Service<Access, { provides: CurrentConnection }>()(
  "openclaw/layers/gateway/Access",
  { error: GatewayError.GatewayError }
) {}

const roleFits = (connection: Connection, access: MethodAccess): boolean =>
  access === "any" || (access === "node") === (connection.role === "node")

const unauthorizedRole = (connection: Connection): GatewayError.GatewayError => {
  connection.roleViolations++
  return GatewayError.invalidRequest(`unauthorized role: ${connection.role}`)
}

/** Closes a connection that goes on calling the other role's methods. To be called once its last answer is written. */
export const closeOffenderUnsafe = (connection: Connection): void => {
  if (connection.roleViolations > MAX_ROLE_VIOLATIONS) {
    connection.socket.closeUnsafe(1008, "repeated unauthorized calls")
  }
}

/** Why a connection may not call a method, or `undefined`. Counts calls of the other role's methods. */
export const denyUnsafe = (connection: Connection, method: string): GatewayError.GatewayError | undefined => {
  const access = accessOf(method)
  if (!roleFits(connection, access)) {
    // A node host announces more than every Gateway understands (`node.skills.update`); that is no attack.
    return connection.role === "node" && method.startsWith("node.") && !MethodTable.requests.has(method)
      ? GatewayError.invalidRequest(`unknown method: ${method}`)
      : unauthorizedRole(connection)
  }
  connection.roleViolations = 0
  if (access === "any" || access === "node" || satisfies(connection.scopes, access)) return undefined
  return GatewayError.missingScope(access)
}

export const layer: Layer.Layer<Access, never, Connections> = Layer.effect(
  Access,
  Effect.gen(function* () {
    const connections = yield* Connections
    const tracing = yield* Tracing
    return Access.of((handler, { client, requestId, rpc }) => {
      const connection = connections.get(client.id)
      if (connection === undefined) return Effect.interrupt
      const denied = denyUnsafe(connection, rpc._tag)
      if (denied !== undefined) return Effect.fail(denied)
      const traceparent = connection.inFlight.get(String(requestId))?.traceparent
      const attributes = { connId: connection.connId, client: connection.client.id }
      return traced(tracing, rpc._tag, traceparent, attributes, handler).pipe(
        Effect.provideService(CurrentConnection, connection),
        Effect.tapCause((cause) =>
          Cause.hasDies(cause)
            ? Effect.logError(`${rpc._tag} failed for a reason that nobody foresaw`, cause)
            : Effect.void
        )
      )
    })
  })
)
