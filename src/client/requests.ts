/**
 * Calls by name, their params and answers unchecked.
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { GatewayError } from "../protocol/GatewayError.ts"
import { type CallOptions, deadline, expired } from "./deadline.ts"
import { type CallError, ConnectionClosed } from "./errors.ts"
import { randomId } from "./ids.ts"
import type * as Link from "./Link.ts"

export interface RequestOptions extends CallOptions {
  /** Waits for the second answer of a method that first answers `accepted`. */
  readonly expectFinal?: boolean | undefined
}

/** Calls any method by name, its params and its answer unchecked, as `openclaw gateway call` does. */
export type Request = (
  method: string,
  params?: unknown,
  options?: RequestOptions
) => Effect.Effect<unknown, GatewayError | CallError>

/** The same end of the connection, told to one caller. */
const during = (error: ConnectionClosed, method: string, sent: boolean) =>
  new ConnectionClosed({ code: error.code, reason: error.reason, request: { method, sent } })

/** The requests of one connection. */
export const requests = (link: Link.Link, callTimeout: Duration.Input): Request =>
  Effect.fn("GatewayClient.request")(function* (method: string, params?: unknown, requestOptions: RequestOptions = {}) {
    const id = randomId()
    const duration = deadline(params, requestOptions, callTimeout)
    const result = yield* Deferred.make<unknown, GatewayError | CallError>()
    const onAnswer = (answer: Link.Answer): Effect.Effect<unknown> => {
      switch (answer._tag) {
        case "Ok":
          if (answer.more && requestOptions.expectFinal === true) return Effect.void
          link.forget(id)
          return Deferred.succeed(result, answer.payload)
        case "Closed":
          return Deferred.fail(result, during(answer.error, method, true))
        default:
          return Deferred.fail(result, answer.error)
      }
    }
    return yield* link
      .send({ id, method, params: params ?? {} }, (answer) => Effect.asVoid(onAnswer(answer)))
      .pipe(
        Effect.mapError((error) => during(error, method, false)),
        Effect.andThen(Deferred.await(result)),
        Effect.timeoutOrElse({ duration, orElse: () => expired(method, duration, true) }),
        Effect.ensuring(Effect.sync(() => link.forget(id)))
      )
  })
