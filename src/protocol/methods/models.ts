/**
 * `models.list`, `models.authStatus`: the language models of the configuration, and whether they can be used.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { Name, NameOrNone, SessionKeyText } from "../text.ts"
import { method } from "./method.ts"

export const ModelChoice = Schema.Struct({
  id: Schema.NonEmptyString,
  name: Schema.NonEmptyString,
  provider: Schema.NonEmptyString,
  /** `default`, `fallback`. */
  tags: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  available: Schema.optional(Schema.Boolean),
  unavailableReason: Schema.optional(Schema.Literals(["missing-auth", "auth-failed", "cooldown"])),
  contextWindow: Schema.optional(Schema.Natural),
  /** It can be told how much to think. No model here can. */
  reasoning: Schema.optional(Schema.Boolean),
  thinkingLevels: Schema.optional(Schema.Array(Schema.Struct({ id: Schema.String, label: Schema.String }))),
  thinkingDefault: Schema.optional(Schema.NonEmptyString),
  input: Schema.optional(Schema.Array(Schema.String))
})
export type ModelChoice = typeof ModelChoice.Type

/** `static`: there is a key that does not expire; `missing`: one is needed and there is none. */
export const ProviderAuth = Schema.Struct({
  provider: Schema.NonEmptyString,
  authProvider: Schema.optional(Schema.NonEmptyString),
  displayName: Schema.NonEmptyString,
  status: Schema.String,
  profiles: Schema.Array(Schema.Unknown),
  apiKey: Schema.optional(Schema.Struct({ source: Schema.String }))
})
export type ProviderAuth = typeof ProviderAuth.Type

export const ModelsMethods = RpcGroup.make(
  /** The models that may be chosen. Each view is the configuration's: this Gateway has no other catalogue, and prepares nothing. */
  method("models.list", {
    access: "operator.read",
    params: Schema.Struct({
      agentId: Schema.optional(Name),
      /** The agent of this session is meant. */
      sessionKey: Schema.optional(SessionKeyText),
      /** Only this provider's. */
      provider: Schema.optional(Name),
      /** Each with what it can be given. */
      includeDetails: Schema.optional(Schema.Boolean),
      includeProviderCapabilities: Schema.optional(Schema.Boolean),
      preparedOnly: Schema.optional(Schema.Boolean),
      refresh: Schema.optional(Schema.Boolean),
      view: Schema.optional(Schema.Literals(["default", "configured", "provider-config", "all"]))
    }).pipe(
      Schema.check(
        Schema.makeFilter(
          ({
            preparedOnly,
            refresh
          }: {
            readonly preparedOnly?: boolean | undefined
            readonly refresh?: boolean | undefined
          }) => !(preparedOnly === true && refresh === true),
          { expected: "preparedOnly or refresh, not both" }
        )
      )
    ),
    result: Schema.Struct({ models: Schema.Array(ModelChoice) })
  }),
  /** Which model providers have a key, and where it comes from. The keys are not shown. */
  method("models.authStatus", {
    access: "operator.read",
    params: Schema.Struct({ refresh: Schema.optional(Schema.Boolean), agentId: Schema.optional(NameOrNone) }),
    result: Schema.Struct({ ts: Schema.Natural, providers: Schema.Array(ProviderAuth) })
  })
)
