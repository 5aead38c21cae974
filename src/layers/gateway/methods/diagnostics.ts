/**
 * `diagnostics.trace`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { notFound, unavailable } from "../../../protocol/GatewayError.ts"
import { DiagnosticsMethods } from "../../../protocol/methods/diagnostics.ts"
import { Traces } from "../../../services/Traces.ts"
import { Access } from "../Access.ts"
import { storageFailed } from "./errors.ts"

/** A Gateway that is put together without tracing keeps nothing. */
const nothingKept = unavailable("this Gateway keeps no traces")

export const layer = DiagnosticsMethods.middleware(Access).toLayer(
  Effect.map(Effect.serviceOption(Traces), (traces) => ({
    "diagnostics.trace": ({ message }) =>
      Option.match(traces, {
        onNone: () => Effect.fail(nothingKept),
        onSome: ({ find }) =>
          Effect.mapError(find(message), (error) =>
            error._tag === "TraceNotFound" ? notFound(error.message) : storageFailed(error)
          )
      })
  }))
)
