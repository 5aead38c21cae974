/**
 * Why a turn failed, in one plain sentence for whoever wrote the message. No stack, no secret, no address.
 */
import * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { CONTEXT_LENGTH, secondsOfSilence, STREAM_CUT, UNKNOWN_MODEL } from "../models/errors.ts"
import { keyVariable } from "../models/providers.ts"

/** The error tags of a turn's outcome. */
export const TurnErrorTag = Schema.Literals([
  "ModelUnavailable",
  "ModelFailed",
  "TurnExhausted",
  "TurnTimedOut",
  "CompactionFailed",
  "SessionStorageFailed",
  "Internal"
])

export const TurnFailure = Schema.Struct({
  tag: TurnErrorTag,
  /** One plain sentence. */
  message: Schema.String,
  kind: Schema.Literals(["refusal", "timeout", "rate_limit", "context_length", "unknown"])
})
export type TurnFailure = typeof TurnFailure.Type

export const failure = (
  tag: TurnFailure["tag"],
  message: string,
  kind: TurnFailure["kind"] = "unknown"
): TurnFailure => ({ tag, message, kind })

interface ModelName {
  readonly ref: string
  readonly provider: string
  readonly model: string
}

const modelFailed = (message: string, kind?: TurnFailure["kind"]) => failure("ModelFailed", message, kind)

/** A failed model call. `begun` says that part of the answer had come. */
export const explain = (error: AiError.AiError, { model, provider, ref }: ModelName, begun: boolean): TurnFailure => {
  const { reason } = error
  const at = `models.providers.${provider}`
  switch (reason._tag) {
    case "AuthenticationError":
      return modelFailed(
        reason.kind === "InsufficientPermissions"
          ? `${provider} does not let this key use ${model}; give the key that permission or choose another model in agents.defaults.model.`
          : `${provider} refused the key; set a valid one as ${at}.apiKey in openclaw.json or as ${keyVariable(provider)} in the Gateway's environment.`
      )
    case "RateLimitError": {
      const wait = reason.retryAfter === undefined ? undefined : Math.ceil(Duration.toSeconds(reason.retryAfter))
      return modelFailed(
        wait === undefined
          ? `${provider} takes no more requests for the moment; try again later.`
          : `${provider} takes no more requests for the moment; try again in ${wait} s.`,
        "rate_limit"
      )
    }
    case "QuotaExhaustedError":
      return modelFailed(`The account at ${provider} has no quota left; check its billing.`, "rate_limit")
    case "InternalProviderError":
      return modelFailed(
        /^HTTP \d+$/.test(reason.description)
          ? `${provider} has trouble of its own (${reason.description}); try again later.`
          : `${provider} has trouble of its own; try again later.`
      )
    case "NetworkError": {
      const silence = secondsOfSilence(reason.description)
      if (silence !== undefined) {
        return modelFailed(
          `${provider} sent nothing for ${silence} s, so I stopped waiting; try again, or set ${at}.timeoutSeconds higher.`,
          "timeout"
        )
      }
      return modelFailed(
        begun || reason.description === STREAM_CUT
          ? `The connection to ${provider} broke off before the answer was complete; try again.`
          : `${provider} could not be reached; check the network and ${at}.baseUrl.`
      )
    }
    case "ContentPolicyError":
      return modelFailed(`${provider} refused to answer because of its content policy.`, "refusal")
    case "InvalidRequestError":
      if (reason.parameter === UNKNOWN_MODEL) {
        return modelFailed(`${provider} does not know the model ${model}; check agents.defaults.model.`)
      }
      if (reason.constraint === CONTEXT_LENGTH) {
        return modelFailed(`This conversation has become too long for ${ref}; start a new session.`, "context_length")
      }
      return modelFailed(
        `${provider} refused the request${reason.description ? `: ${reason.description.replace(/\.$/, "")}` : ""}.`
      )
    case "InvalidResponseError":
    case "InvalidOutputError":
    case "StructuredOutputError":
      return modelFailed(`${provider} answered something that could not be read; try again or choose another model.`)
    default:
      return modelFailed(`The call of ${ref} failed; the Gateway's log has the cause.`)
  }
}
