/**
 * Where a provider's key comes from.
 */
import * as EnvConfig from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { OpenClawConfig } from "../../services/ConfigSchema.ts"
import type { ProviderTarget } from "./providers.ts"

export interface ProviderKey {
  readonly value: Redacted.Redacted
  readonly source: "config" | "env"
}

/** The key of the configuration, else of the environment. An empty one is none. */
export const keyOf = Effect.fnUntraced(function* (
  target: Pick<ProviderTarget, "name" | "keyVariable">,
  config: OpenClawConfig,
  environment: ConfigProvider.ConfigProvider
): Effect.fn.Return<ProviderKey | undefined> {
  const own = config.models?.providers?.[target.name]?.apiKey
  if (own !== undefined && own !== "") return { value: Redacted.make(own), source: "config" }
  const found = yield* EnvConfig.option(EnvConfig.Redacted(target.keyVariable)).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, environment),
    Effect.orElseSucceed(() => Option.none<Redacted.Redacted>())
  )
  return Option.match(
    Option.filter(found, (key) => Redacted.value(key) !== ""),
    { onNone: () => undefined, onSome: (value): ProviderKey => ({ value, source: "env" }) }
  )
})
