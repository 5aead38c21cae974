/**
 * `voicewake.get`, `voicewake.set`, `talk.config`.
 */
import * as Effect from "effect/Effect"
import { invalidRequest, missingScope } from "../../../protocol/GatewayError.ts"
import { satisfies } from "../../../protocol/Role.ts"
import { type TalkSettings, VoiceMethods } from "../../../protocol/methods/voice.ts"
import { Config } from "../../../services/Config.ts"
import type { OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { VoiceWake } from "../../../services/VoiceWake.ts"
import { SENTINEL } from "../../config/wire/redacted.ts"
import { Access } from "../Access.ts"
import { CurrentConnection } from "../Connections.ts"
import { storageFailed } from "./errors.ts"

const TALK_SECRETS = "operator.talk.secrets"
/** The accent that says "whatever the theme has". */
const OF_THEME = "theme"

type Provider = NonNullable<TalkSettings["providers"]>[string]

const isText = (value: unknown): value is string => typeof value === "string"

const shown = ({ apiKey, ...rest }: { readonly apiKey?: string | undefined }, withSecrets: boolean): Provider => ({
  ...rest,
  ...(apiKey === undefined ? undefined : { apiKey: withSecrets ? apiKey : SENTINEL })
})

/** The settings that a device can use by itself; `undefined` when there are none. */
const talkOf = ({ talk }: OpenClawConfig, withSecrets: boolean): TalkSettings | undefined => {
  if (talk === undefined) return undefined
  const { interruptOnSpeech, provider, silenceTimeoutMs, speechLocale } = talk
  const providers = Object.fromEntries(
    Object.entries(talk.providers ?? {}).map(([name, settings]) => [name, shown(settings, withSecrets)])
  )
  const names = Object.keys(providers)
  const active = provider ?? (names.length === 1 ? names[0] : undefined)
  const settings: TalkSettings = {
    ...(interruptOnSpeech === undefined ? undefined : { interruptOnSpeech }),
    ...(silenceTimeoutMs === undefined ? undefined : { silenceTimeoutMs }),
    ...(speechLocale === undefined ? undefined : { speechLocale }),
    ...(names.length === 0 ? undefined : { providers }),
    ...(active === undefined
      ? undefined
      : { provider: active, resolved: { provider: active, config: providers[active] ?? {} } })
  }
  return Object.keys(settings).length === 0 ? undefined : settings
}

const seamColorOf = ({ ui }: OpenClawConfig): string | undefined => {
  const color = ui?.prefs?.accent ?? ui?.seamColor
  return color === OF_THEME ? undefined : color
}

export const layer = VoiceMethods.middleware(Access).toLayer(
  Effect.gen(function* () {
    const voiceWake = yield* VoiceWake
    const config = yield* Config
    return {
      "voicewake.get": () =>
        voiceWake.triggers.pipe(
          Effect.map((triggers) => ({ triggers })),
          Effect.mapError(storageFailed)
        ),
      "voicewake.set": ({ triggers }) =>
        Array.isArray(triggers)
          ? voiceWake.set(triggers.filter(isText)).pipe(
              Effect.map((kept) => ({ triggers: kept })),
              Effect.mapError(storageFailed)
            )
          : Effect.fail(invalidRequest("voicewake.set requires triggers: string[]")),
      "talk.config": Effect.fn("Gateway.talk.config")(function* ({ includeSecrets = false }) {
        const { scopes } = yield* CurrentConnection
        if (includeSecrets && !satisfies(scopes, "operator.admin") && !scopes.includes(TALK_SECRETS)) {
          return yield* missingScope(TALK_SECRETS, ["operator.read", TALK_SECRETS])
        }
        const current = yield* Effect.mapError(config.get, storageFailed)
        const talk = talkOf(current, includeSecrets)
        const mainKey = current.session?.mainKey
        const seamColor = seamColorOf(current)
        return {
          config: {
            ...(talk === undefined ? undefined : { talk }),
            ...(mainKey === undefined ? undefined : { session: { mainKey } }),
            ...(seamColor === undefined ? undefined : { ui: { seamColor } })
          }
        }
      })
    }
  })
)
