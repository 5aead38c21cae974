/**
 * How one row of the method table is declared.
 */
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"
import * as Rpc from "effect/rpc/Rpc"
import { type ErrorShape, GatewayError } from "../GatewayError.ts"
import { type MethodAccess, RequiredScope } from "../Role.ts"

/**
 * The annotation of a method that can answer `ok: false` with a payload: the error that a payload stands for, if it does.
 */
export const FailedAnswer = Context.Reference<(payload: unknown) => ErrorShape | undefined>(
  "openclaw/protocol/FailedAnswer",
  { defaultValue: () => () => undefined }
)

/** Params that must be empty: missing, `null` and `{}` all arrive as `{}`. An empty `Struct` would accept any value. */
export const NoParams = Schema.Record(Schema.String, Schema.Never)

interface Row<P extends Schema.Top, S extends Schema.Top> {
  readonly access: MethodAccess
  readonly params: P
  readonly result: S
}

/** A method that answers once. */
export const method = <const Name extends string, P extends Schema.Top, S extends Schema.Top>(
  name: Name,
  row: Row<P, S>
) =>
  Rpc.make(name, { payload: row.params, success: row.result, error: GatewayError }).annotate(RequiredScope, row.access)

/** A method that answers more than once under one request id, such as `agent`: accepted, then final. */
export const streamMethod = <const Name extends string, P extends Schema.Top, S extends Schema.Top>(
  name: Name,
  row: Row<P, S>
) =>
  Rpc.make(name, { payload: row.params, success: row.result, error: GatewayError, stream: true }).annotate(
    RequiredScope,
    row.access
  )
