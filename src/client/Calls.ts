/**
 * The typed client's shape: one function per row of the method table, and what a caller may say about one call.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as Stream from "effect/Stream"
import { type HelloOk, KEPT_KEYS } from "../protocol/Connect.ts"
import type { GatewayError } from "../protocol/GatewayError.ts"
import { type Method, MethodTable, repeatOf } from "../protocol/MethodTable.ts"
import { type CallOptions, expired } from "./deadline.ts"
import type { CallError, RequestTimeout } from "./errors.ts"

export type { CallOptions }

/**
 * Every method of the table by name. A method that answers once is an `Effect`; one that answers more than once, such
 * as `agent`, is a `Stream` of its answers. Fails with `GatewayError` when the Gateway refused (or when the params do
 * not fit the method's schema, as the Gateway would answer), else with a `CallError`.
 */
export type Calls = {
  readonly [Row in Method as Row["_tag"]]: (
    params: Rpc.PayloadConstructor<Row>,
    options?: CallOptions
  ) => Rpc.Success<Row> extends Stream.Stream<infer A, infer E, infer _R>
    ? Stream.Stream<A, E | CallError>
    : Effect.Effect<Rpc.Success<Row>, Rpc.Error<Row> | CallError>
}

export type OneCall = (
  method: string,
  params: unknown,
  options: CallOptions
) => Effect.Effect<unknown, GatewayError | CallError>
export type ManyCall = (
  method: string,
  params: unknown,
  options: CallOptions
) => Stream.Stream<unknown, GatewayError | CallError>

/** Whether a method of the table answers more than once. */
export const streams = (method: string): boolean => {
  const row = MethodTable.requests.get(method)
  return row !== undefined && RpcSchema.isStreamSchema(row.successSchema)
}

/** Builds the typed client from its two general forms. Both decode what they return by the row's schema. */
export const make = (one: OneCall, many: ManyCall): Calls =>
  // The keys and the kind of each function come from the table that the type is derived from.
  Object.fromEntries(
    Array.from(MethodTable.requests.keys(), (method) => [
      method,
      streams(method)
        ? (params: unknown, options: CallOptions = {}) => many(method, params, options)
        : (params: unknown, options: CallOptions = {}) => one(method, params, options)
    ])
  ) as unknown as Calls

/** Bounds a stream of answers: the whole of it when the caller gave a `timeout`, else the time to its first answer. */
export const bounded = <A, E, R>(
  answers: Stream.Stream<A, E, R>,
  about: {
    readonly method: string
    readonly duration: Duration.Duration
    readonly whole: boolean
    readonly sent: () => boolean
  }
): Stream.Stream<A, E | RequestTimeout, R> =>
  Stream.suspend(() => {
    let answered = false
    const late = Effect.andThen(
      Effect.sleep(about.duration),
      Effect.suspend(() =>
        answered && !about.whole ? Effect.never : expired(about.method, about.duration, about.sent())
      )
    )
    return answers.pipe(
      Stream.tap(() =>
        Effect.sync(() => {
          answered = true
        })
      ),
      Stream.interruptWhen(late)
    )
  })

/**
 * Asking twice does no more than asking once: the method only reads, or the Gateway knows the request by its key.
 * `node.invoke` is not among them: not every node remembers keys.
 */
export const repeatable = (method: string, params: unknown): boolean => {
  switch (repeatOf(method)) {
    case "safe":
      return true
    case "keyed":
      return Predicate.hasProperty(params, "idempotencyKey") && Predicate.isString(params.idempotencyKey)
    case "never":
      return false
  }
}

/**
 * Whether a repeatable call that one connection lost may go over another: a key is worth nothing at a Gateway that was started
 * anew meanwhile and forgot it.
 */
export const mayFollow = (method: string, lost: HelloOk, next: HelloOk): boolean =>
  repeatOf(method) === "safe" ||
  next.features.capabilities?.includes(KEPT_KEYS) === true ||
  (next.server.bootId !== undefined && next.server.bootId === lost.server.bootId)
