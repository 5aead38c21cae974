/**
 * What the configuration refers to without it having a value here.
 */
import * as Effect from "effect/Effect"
import type { UnresolvedSecret } from "../client/precedence.ts"
import { substitute } from "../layers/config/substitute.ts"
import { Config } from "../services/Config.ts"
import { Environment } from "./Environment.ts"

/** Names keys and variables, never a value. */
export const unresolvedSecrets: Effect.Effect<
  ReadonlyArray<UnresolvedSecret>,
  Effect.Error<Config["Service"]["inspect"]>,
  Config | Environment
> = Effect.gen(function* () {
  const { variables } = yield* Environment
  const { composed } = yield* Effect.flatMap(Config, ({ inspect }) => inspect)
  return substitute(composed, variables).missing
})
