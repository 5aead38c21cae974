/**
 * `voicewake.get`, `voicewake.set` and `talk.config`: what devices that listen and speak are told. This Gateway does neither
 * itself, so the methods by which OpenClaw's speaks for a client are absent.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { method } from "./method.ts"

const Open = Schema.Record(Schema.String, Schema.Unknown)
const optionalText = Schema.optional(Schema.String)

export const VoiceWakeTriggers = Schema.Struct({ triggers: Schema.Array(Schema.String) })

/** What a speech provider is set to; its key is a sentinel for who may not read it. */
const SpeechProvider = Schema.StructWithRest(Schema.Struct({ apiKey: Schema.optional(Schema.Unknown) }), [Open])

/** How devices speak by themselves. `resolved` is the provider that is chosen, or the only one. */
export const TalkSettings = Schema.Struct({
  provider: optionalText,
  providers: Schema.optional(Schema.Record(Schema.String, SpeechProvider)),
  /** Of a Gateway that has it: ours holds no spoken conversations. */
  realtime: Schema.optional(Schema.Unknown),
  resolved: Schema.optional(Schema.Struct({ provider: Schema.String, config: SpeechProvider })),
  consultThinkingLevel: optionalText,
  consultFastMode: Schema.optional(Schema.Boolean),
  speechLocale: optionalText,
  interruptOnSpeech: Schema.optional(Schema.Boolean),
  /** Milliseconds of silence after which somebody has finished. */
  silenceTimeoutMs: Schema.optional(Schema.Int)
})
export type TalkSettings = typeof TalkSettings.Type

export const VoiceMethods = RpcGroup.make(
  /** The words that wake a device's assistant. */
  method("voicewake.get", { access: "operator.read", params: Open, result: VoiceWakeTriggers }),
  /** Sets the words that wake a device's assistant. `triggers` is a list; what of it is no text counts as nothing. Answers with what was kept. */
  method("voicewake.set", {
    access: "operator.write",
    params: Schema.StructWithRest(Schema.Struct({ triggers: Schema.optional(Schema.Unknown) }), [Open]),
    result: VoiceWakeTriggers,
    repeat: "safe"
  }),
  /** How devices are to speak and listen. Keys of providers are shown to those who ask with `includeSecrets` and hold `operator.talk.secrets` or `operator.admin`. */
  method("talk.config", {
    access: "operator.read",
    params: Schema.Struct({ includeSecrets: Schema.optional(Schema.Boolean) }),
    result: Schema.Struct({
      config: Schema.Struct({
        talk: Schema.optional(TalkSettings),
        session: Schema.optional(Schema.Struct({ mainKey: optionalText })),
        ui: Schema.optional(Schema.Struct({ seamColor: optionalText })),
        clientHints: Schema.optional(Schema.Unknown)
      })
    })
  })
)
