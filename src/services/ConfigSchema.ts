/**
 * The shape of `openclaw.json`, as far as this Gateway uses it. OpenClaw's own key names; other keys are kept in the file,
 * neither checked nor used, and `openclaw config validate` lists them. So a key stands here only when something reads it.
 * Every key is optional, so `{}` is valid. What OpenClaw reads only after a migration (`agents.list`) is read here as it
 * stands.
 */
import * as Schema from "effect/Schema"
import { Ids, atLeast, flag, natural, oneOf, positive, record, secret, strings, text } from "./ConfigFields.ts"
import { GatewaySection } from "./GatewaySection.ts"
import { DiscoverySection, PluginsSection } from "./DiscoverySection.ts"
import { MessagesSection, SessionSection } from "./SessionSection.ts"
import { TelegramSection } from "./TelegramSection.ts"

/** `"provider/model"`, or `{ primary, fallbacks }`. */
const ModelChoice = Schema.optional(
  Schema.Union([
    Schema.NonEmptyString,
    Schema.Struct({
      /** The model that is asked first. */
      primary: Schema.optional(Schema.NonEmptyString),
      /** Models that are asked in this order when the one before cannot answer. */
      fallbacks: strings
    })
  ])
)

/** `systemPrompt` and `maxSteps` are this Gateway's own keys. */
const agent = {
  /** What people call the agent. */
  name: text,
  /** What people see of the agent. */
  identity: Schema.optional(
    Schema.Struct({
      /** The name that is shown. */
      name: text,
      /** How the agent is, in a few words. */
      theme: text,
      /** A picture in one character. */
      emoji: text
    })
  ),
  /** The agent's model. @default `agents.defaults.model` */
  model: ModelChoice,
  /** What the model is told of its task, before everything else. Ours, not OpenClaw's. */
  systemPrompt: text,
  /** The agent that is meant where nobody names one. @default the first */
  default: flag
}

const AgentsSection = Schema.Struct({
  defaults: Schema.optional(
    Schema.Struct({
      /** The model of agents that name none, as `provider/model`. @default the built-in offline model */
      model: ModelChoice,
      /** The same for agents that have none of their own. Ours, not OpenClaw's. */
      systemPrompt: text,
      /** Seconds that a turn may take; 0 is no limit. @default 600 */
      timeoutSeconds: natural,
      /** Calls of the model in one turn. Ours, not OpenClaw's. @default 20 */
      maxSteps: positive,
      /** `enabled: false`: only when a model says that it was too much, and when somebody asks. `model` writes the summaries. */
      compaction: Schema.optional(
        Schema.Struct({
          /** By itself before a model's window is full. @default true */
          enabled: flag,
          /** Tokens of the newest messages that stay as they are. @default 20000 */
          keepRecentTokens: positive,
          /** The model that writes the summaries. @default the agent's model */
          model: Schema.optional(Schema.NonEmptyString)
        })
      )
    })
  ),
  /** The agents by id. */
  entries: record(Schema.Struct(agent)),
  /** The agents in the older form. */
  list: Schema.optional(
    Schema.Array(
      Schema.Struct({
        /** The agent's id. */
        id: Schema.NonEmptyString,
        ...agent
      })
    )
  )
})

const Provider = Schema.Struct({
  /** Address of its API. Known ones (anthropic, openai, openrouter, ollama) need none. */
  baseUrl: text,
  /** The key. @default the variable `<NAME>_API_KEY` of the environment */
  apiKey: secret,
  /** How it is spoken to: `openai-completions`, `openai-responses`, `anthropic-messages` or `ollama`. @default openai-completions */
  api: text,
  /** Headers that each request has besides. */
  headers: record(Schema.String),
  /** Seconds of silence after which a request is given up. @default 120 */
  timeoutSeconds: positive,
  /** Tokens that an answer may have. @default the provider's */
  maxTokens: positive,
  models: Schema.optional(
    Schema.Array(
      Schema.Struct({
        /** The model's id at the provider. */
        id: Schema.NonEmptyString,
        /** What people call it. */
        name: text,
        /** As the provider's, for this model. */
        api: text,
        /** Tokens that it reads at once; a conversation is compacted before they are used up. */
        contextWindow: positive,
        /** As the provider's, for this model. */
        maxTokens: positive,
        /** As the provider's, for this model. */
        headers: record(Schema.String)
      })
    )
  )
})

const ExecSection = Schema.Struct({
  /** The node on which the agent's programs run where it names none. */
  node: text,
  /** Seconds that such a program may take. */
  timeoutSeconds: positive,
  /** The older name of `timeoutSeconds`. */
  timeoutSec: positive
})

/** How devices speak by themselves; the Gateway only passes it on. */
const TalkSection = Schema.Struct({
  /** The speech provider that devices use. */
  provider: Schema.optional(Schema.NonEmptyString),
  providers: record(
    Schema.StructWithRest(
      Schema.Struct({
        /** The provider's key; `talk.config` shows it only to those who may see it. */
        apiKey: secret
      }),
      [Schema.Record(Schema.String, Schema.Unknown)]
    )
  ),
  /** The language that devices listen in, such as `en-US`. */
  speechLocale: text,
  /** A device stops speaking when somebody speaks to it. */
  interruptOnSpeech: flag,
  /** Milliseconds of silence after which a sentence is over. */
  silenceTimeoutMs: positive
})

/** `prefs.accent` before `seamColor`. */
const UiSection = Schema.Struct({
  /** The page's accent color. */
  seamColor: text,
  prefs: Schema.optional(
    Schema.Struct({
      /** The page's accent color; before `seamColor`. */
      accent: text
    })
  )
})

const LoggingSection = Schema.Struct({
  /** The least level that the log file has. @default info */
  level: oneOf("silent", "fatal", "error", "warn", "info", "debug", "trace"),
  /** The least level on the terminal. @default `level` */
  consoleLevel: oneOf("silent", "fatal", "error", "warn", "info", "debug", "trace"),
  /** How the terminal shows it. @default pretty */
  consoleStyle: oneOf("pretty", "compact", "json")
})

/**
 * `enabled: false` traces and counts nothing. `otel` sends what is traced and counted to a collector: an address that ends in
 * `/v1/…` counts for its signal, else the three paths are put behind `endpoint`.
 */
const DiagnosticsSection = Schema.Struct({
  /** `false`: there is no `/metrics`, and no collector is sent anything. `openclaw trace` works either way. @default true */
  enabled: flag,
  otel: Schema.optional(
    Schema.Struct({
      /** Sends what is traced and counted to a collector. @default false */
      enabled: flag,
      /** The collector's address. Paths such as `/v1/traces` are put behind it. @default `OTEL_EXPORTER_OTLP_ENDPOINT`, else http://127.0.0.1:4318 */
      endpoint: text,
      /** Another address for traces. */
      tracesEndpoint: text,
      /** Another address for metrics. */
      metricsEndpoint: text,
      /** Taken, and not used: no logs are sent. */
      logsEndpoint: text,
      /** How it is sent. @default http/protobuf */
      protocol: oneOf("http/protobuf", "http/json"),
      /** The name that the collector shows. @default `OTEL_SERVICE_NAME`, else openclaw */
      serviceName: text,
      /** Headers for the collector, such as its key. */
      headers: record(Schema.String),
      /** Sends traces. @default true */
      traces: flag,
      /** Sends metrics. @default true */
      metrics: flag,
      /** Taken, and not done: no logs are sent, and the log says so. @default false */
      logs: flag,
      /** Which part of the traces is sent, from 0 to 1. @default 1 */
      sampleRate: Schema.optional(Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1 })))),
      /** Milliseconds between two exports of metrics. @default 60000 */
      flushIntervalMs: Schema.optional(atLeast(1_000))
    })
  )
})

/** Findings of `openclaw security audit` that somebody accepted. The texts are looked for whatever their case. */
const SecuritySection = Schema.Struct({
  audit: Schema.optional(
    Schema.Struct({
      suppressions: Schema.optional(
        Schema.Array(
          Schema.Struct({
            /** The finding's id. */
            checkId: Schema.NonEmptyString,
            /** Only where the title has this text. */
            titleIncludes: Schema.optional(Schema.NonEmptyString),
            /** Only where the details have this text. */
            detailIncludes: Schema.optional(Schema.NonEmptyString),
            /** Why it was accepted. */
            reason: text
          })
        )
      )
    })
  )
})

export const OpenClawConfig = Schema.Struct({
  gateway: Schema.optional(GatewaySection),
  discovery: Schema.optional(DiscoverySection),
  plugins: Schema.optional(PluginsSection),
  channels: Schema.optional(Schema.Struct({ telegram: Schema.optional(TelegramSection) })),
  agents: Schema.optional(AgentsSection),
  models: Schema.optional(Schema.Struct({ providers: record(Provider) })),
  tools: Schema.optional(Schema.Struct({ exec: Schema.optional(ExecSection) })),
  /** The bot's owners, as `telegram:<id>`. */
  commands: Schema.optional(
    Schema.Struct({
      /** Who may decide whether a command runs, as `telegram:<id>`. @default nobody */
      ownerAllowFrom: Ids
    })
  ),
  session: Schema.optional(SessionSection),
  messages: Schema.optional(MessagesSection),
  talk: Schema.optional(TalkSection),
  ui: Schema.optional(UiSection),
  logging: Schema.optional(LoggingSection),
  diagnostics: Schema.optional(DiagnosticsSection),
  security: Schema.optional(SecuritySection),
  /** Variables for `${NAME}` that the process itself does not have. */
  env: Schema.optional(
    Schema.Struct({
      /** Values by name. */
      vars: record(Schema.String)
    })
  )
})
export type OpenClawConfig = typeof OpenClawConfig.Type
export type TelegramAccountConfig = Omit<(typeof TelegramSection)["Type"], "accounts" | "defaultAccount">
export type AgentConfig = NonNullable<NonNullable<OpenClawConfig["agents"]>["list"]>[number]

/** A model as it may be chosen: for one agent or for all. */
export type ModelChoice = typeof ModelChoice.Type

/** The reference that a choice names first. */
export const primaryModel = (choice: ModelChoice): string | undefined =>
  typeof choice === "string" ? choice : choice?.primary

/** The configured agents in the file's order, from `agents.entries` and from the older `agents.list`. An id counts once. */
export const agentsOf = (config: OpenClawConfig): ReadonlyArray<AgentConfig> => {
  const entries = Object.entries(config.agents?.entries ?? {})
    .filter(([id]) => id !== "")
    .map(([id, entry]) => ({ ...entry, id }))
  const known = new Set(entries.map(({ id }) => id))
  return [...entries, ...(config.agents?.list ?? []).filter(({ id }) => !known.has(id))]
}

/** The agent that answers where no binding says otherwise: the one marked `default`, else the first, else `main`. */
export const defaultAgentId = (config: OpenClawConfig): string => {
  const agents = agentsOf(config)
  return (agents.find((entry) => entry.default === true) ?? agents[0])?.id ?? "main"
}
