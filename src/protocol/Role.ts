/**
 * Roles and scopes: who a connection is and what it may call.
 */
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"

export const Role = Schema.Literals(["operator", "node"])
export type Role = typeof Role.Type

/** Operator scopes. Unknown scope strings are accepted and echoed, as OpenClaw does; they grant nothing. */
export const OperatorScope = Schema.Literals([
  "operator.read",
  "operator.write",
  "operator.admin",
  "operator.approvals",
  "operator.pairing"
])
export type OperatorScope = typeof OperatorScope.Type

/**
 * What a method asks of its caller: one operator scope, the node role, or `any` for a method that every authenticated
 * connection may call (`health`).
 */
export type MethodAccess = OperatorScope | "node" | "any"

/** The annotation on every Rpc of the table. A method without one is for admins, as in OpenClaw. */
export const RequiredScope = Context.Reference<MethodAccess>("openclaw/protocol/RequiredScope", {
  defaultValue: () => "operator.admin"
})

/** `operator.admin` satisfies every operator scope; `operator.write` satisfies `operator.read`. */
export const satisfies = (granted: ReadonlyArray<string>, required: OperatorScope): boolean =>
  granted.includes("operator.admin") ||
  granted.includes(required) ||
  (required === "operator.read" && granted.includes("operator.write"))

const isOperatorScope = Schema.is(OperatorScope)

/** A scope that we know is covered by a stronger one; an unknown scope only by itself. */
export const covers = (granted: ReadonlyArray<string>, scope: string): boolean =>
  isOperatorScope(scope) ? satisfies(granted, scope) : granted.includes(scope)
