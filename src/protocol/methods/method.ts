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

/**
 * What becomes of a method that is asked twice, because the first answer was lost with its connection: `safe`, nothing
 * more than once; `keyed`, the Gateway carries it out once per `idempotencyKey`; `never`, it may happen twice.
 */
export type Repeat = "safe" | "keyed" | "never"

/** The annotation of every row. A name that the table does not have is not repeated. */
export const Repeating = Context.Reference<Repeat>("openclaw/protocol/Repeating", { defaultValue: () => "never" })

/** Where a row does not say: what asks for no more than reading, and what is named after it, only reads. */
const repeatOf = (name: string, access: MethodAccess): Repeat =>
  access === "any" || access === "operator.read" || /\.(get|list)$/.test(name) ? "safe" : "never"

/** Params that must be empty: missing, `null` and `{}` all arrive as `{}`. An empty `Struct` would accept any value. */
export const NoParams = Schema.Record(Schema.String, Schema.Never)

interface Row<P extends Schema.Top, S extends Schema.Top> {
  readonly access: MethodAccess
  readonly params: P
  readonly result: S
  /** Left out: `safe` for what only reads by its access or its name (`….get`, `….list`), else `never`. */
  readonly repeat?: Repeat
}

/** A method that answers once. */
export const method = <const Name extends string, P extends Schema.Top, S extends Schema.Top>(
  name: Name,
  row: Row<P, S>
) =>
  Rpc.make(name, { payload: row.params, success: row.result, error: GatewayError })
    .annotate(RequiredScope, row.access)
    .annotate(Repeating, row.repeat ?? repeatOf(name, row.access))

/** A method that answers more than once under one request id, such as `agent`: accepted, then final. */
export const streamMethod = <const Name extends string, P extends Schema.Top, S extends Schema.Top>(
  name: Name,
  row: Row<P, S>
) =>
  Rpc.make(name, { payload: row.params, success: row.result, error: GatewayError, stream: true })
    .annotate(RequiredScope, row.access)
    .annotate(Repeating, row.repeat ?? repeatOf(name, row.access))
