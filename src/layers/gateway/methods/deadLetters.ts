/**
 * `channels.deadLetters.*`.
 */
import * as Effect from "effect/Effect"
import { type GatewayError, invalidRequest, notFound } from "../../../protocol/GatewayError.ts"
import { DeadLetterMethods } from "../../../protocol/methods/deadLetters.ts"
import { type DeadLetterNotFound, DeadLetters, type DeadLettersUnavailable } from "../../../services/DeadLetters.ts"
import { now } from "../../now.ts"
import { Access } from "../Access.ts"
import { deliveryFailed, storageFailed } from "./errors.ts"

const explain = (error: DeadLetterNotFound | DeadLettersUnavailable): GatewayError =>
  error._tag === "DeadLetterNotFound" ? notFound(error.message, { details: { id: error.id } }) : storageFailed(error)

export const layer = DeadLetterMethods.middleware(Access).toLayer(
  Effect.gen(function* () {
    const letters = yield* DeadLetters
    return {
      "channels.deadLetters.list": Effect.fn("Gateway.channels.deadLetters.list")(function* (params) {
        const { channel, kind, limit } = params
        return {
          ts: yield* now,
          counts: yield* letters.counts,
          deadLetters: yield* letters.list({
            ...(channel === undefined ? undefined : { channel }),
            ...(kind === undefined ? undefined : { kind }),
            ...(limit === undefined ? undefined : { limit })
          })
        }
      }, Effect.mapError(storageFailed)),
      "channels.deadLetters.show": ({ id }) => Effect.mapError(letters.find(id), explain),
      "channels.deadLetters.retry": ({ id }) =>
        Effect.mapError(letters.retry(id), (error) => {
          switch (error._tag) {
            case "DeadLetterNotFound":
            case "DeadLettersUnavailable":
              return explain(error)
            case "DeadLetterNotRetryable":
              return invalidRequest(error.message, { details: { id } })
            case "ChannelNotConfigured":
            case "DeliveryFailed":
              return deliveryFailed(error)
          }
        }),
      "channels.deadLetters.drop": ({ id }) => Effect.mapError(letters.drop(id), explain)
    }
  })
)
