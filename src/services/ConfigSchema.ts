/**
 * The shape of `openclaw.json`, as far as this Gateway uses it. OpenClaw's own key names; other keys are kept in the file,
 * neither checked nor used, and `openclaw config validate` lists them. So a key stands here only when something reads it.
 * Every key is optional, so `{}` is valid. What OpenClaw reads only after a migration (`agents.list`) is read here as it
 * stands.
 */
import * as Schema from "effect/Schema"
import { atLeast, flag, natural, oneOf, positive, record, secret, strings, text } from "./ConfigFields.ts"
import { GatewaySection } from "./GatewaySection.ts"
import { DiscoverySection, PluginsSection } from "./DiscoverySection.ts"

/** A channel's ids: numbers are accepted too; whoever compares them reads both as text. */
const Ids = Schema.optional(Schema.Array(Schema.Union([Schema.String, Schema.Finite])))

/** `"provider/model"`, or `{ primary, fallbacks }`. */
const ModelChoice = Schema.optional(
  Schema.Union([
    Schema.NonEmptyString,
    Schema.Struct({ primary: Schema.optional(Schema.NonEmptyString), fallbacks: strings })
  ])
)

const dmPolicy = oneOf("pairing", "allowlist", "open", "disabled")
const groupPolicy = oneOf("open", "allowlist", "disabled")

const TelegramGroup = Schema.Struct({ enabled: flag, requireMention: flag, allowFrom: Ids, groupPolicy })

const telegramAccount = {
  enabled: flag,
  name: text,
  botToken: secret,
  tokenFile: text,
  apiRoot: text,
  dmPolicy,
  allowFrom: Ids,
  groupPolicy,
  groupAllowFrom: Ids,
  groups: record(TelegramGroup),
  timeoutSeconds: positive,
  /** Who decides in a chat whether a command runs, and whether they are told of it there. */
  execApprovals: Schema.optional(
    Schema.Struct({ enabled: Schema.optional(Schema.Union([Schema.Boolean, Schema.Literal("auto")])), approvers: Ids })
  ),
  /** Where questions have buttons: everywhere unless `inlineButtons` says otherwise. */
  capabilities: Schema.optional(
    Schema.Union([
      Schema.Array(Schema.String),
      Schema.Struct({ inlineButtons: oneOf("off", "dm", "group", "all", "allowlist") })
    ])
  )
}

const TelegramSection = Schema.Struct({
  ...telegramAccount,
  defaultAccount: text,
  accounts: record(Schema.Struct(telegramAccount))
})

/** `systemPrompt` and `maxSteps` are this Gateway's own keys. */
const agent = {
  name: text,
  /** What people see of the agent. */
  identity: Schema.optional(Schema.Struct({ name: text, theme: text, emoji: text })),
  model: ModelChoice,
  systemPrompt: text,
  default: flag
}

const AgentsSection = Schema.Struct({
  defaults: Schema.optional(
    Schema.Struct({
      model: ModelChoice,
      systemPrompt: text,
      timeoutSeconds: natural,
      maxSteps: positive,
      /** `enabled: false`: only when a model says that it was too much, and when somebody asks. `model` writes the summaries. */
      compaction: Schema.optional(
        Schema.Struct({ enabled: flag, keepRecentTokens: positive, model: Schema.optional(Schema.NonEmptyString) })
      )
    })
  ),
  /** The agents by id. */
  entries: record(Schema.Struct(agent)),
  /** The agents in the older form. */
  list: Schema.optional(Schema.Array(Schema.Struct({ id: Schema.NonEmptyString, ...agent })))
})

const Provider = Schema.Struct({
  baseUrl: text,
  apiKey: secret,
  api: text,
  headers: record(Schema.String),
  timeoutSeconds: positive,
  maxTokens: positive,
  models: Schema.optional(
    Schema.Array(
      Schema.Struct({
        id: Schema.NonEmptyString,
        name: text,
        api: text,
        contextWindow: positive,
        maxTokens: positive,
        headers: record(Schema.String)
      })
    )
  )
})

const ExecSection = Schema.Struct({
  node: text,
  timeoutSeconds: positive,
  /** The older name of `timeoutSeconds`. */
  timeoutSec: positive
})

/** A text such as `1h30m`; a number counts days. */
const duration = Schema.Union([
  Schema.Finite.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0))),
  Schema.String.pipe(
    Schema.check(Schema.isPattern(/^\s*(?:\d+(?:\.\d+)?|(?:\d+(?:\.\d+)?\s*(?:ms|[smhdw])\s*)+)\s*$/i))
  )
])
/** A text such as `500mb`; a number counts bytes. */
const size = Schema.Union([
  Schema.Finite.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0))),
  Schema.String.pipe(Schema.check(Schema.isPattern(/^\s*\d+(?:\.\d+)?\s*(?:[kmgt]?b)?\s*$/i)))
])
const off = Schema.Literal(false)

const SessionSection = Schema.Struct({
  dmScope: oneOf("main", "per-peer", "per-channel-peer", "per-account-channel-peer"),
  mainKey: text,
  /** What keeps the transcripts from growing for ever; `layers/sessions/Maintenance.ts` says how. */
  maintenance: Schema.optional(
    Schema.Struct({
      mode: oneOf("enforce", "warn"),
      pruneAfter: Schema.optional(duration),
      maxEntries: positive,
      preserveRecent: Schema.optional(Schema.Union([off, duration])),
      maxDiskBytes: Schema.optional(Schema.Union([off, size])),
      highWaterBytes: Schema.optional(size)
    })
  )
})

const queueMode = Schema.Literals(["steer", "followup", "collect", "interrupt"])

const MessagesSection = Schema.Struct({
  queue: Schema.optional(
    Schema.Struct({
      mode: Schema.optional(queueMode),
      byChannel: record(queueMode),
      /** Milliseconds. */
      debounceMsByChannel: record(atLeast(0)),
      cap: positive,
      drop: oneOf("old", "new", "summarize")
    })
  )
})

/** How devices speak by themselves; the Gateway only passes it on. */
const TalkSection = Schema.Struct({
  provider: Schema.optional(Schema.NonEmptyString),
  providers: record(
    Schema.StructWithRest(Schema.Struct({ apiKey: secret }), [Schema.Record(Schema.String, Schema.Unknown)])
  ),
  speechLocale: text,
  interruptOnSpeech: flag,
  silenceTimeoutMs: positive
})

/** `prefs.accent` before `seamColor`. */
const UiSection = Schema.Struct({
  seamColor: text,
  prefs: Schema.optional(Schema.Struct({ accent: text }))
})

const LoggingSection = Schema.Struct({
  level: oneOf("silent", "fatal", "error", "warn", "info", "debug", "trace"),
  consoleLevel: oneOf("silent", "fatal", "error", "warn", "info", "debug", "trace"),
  consoleStyle: oneOf("pretty", "compact", "json")
})

/**
 * `enabled: false` traces and counts nothing. `otel` sends what is traced and counted to a collector: an address that ends in
 * `/v1/…` counts for its signal, else the three paths are put behind `endpoint`.
 */
const DiagnosticsSection = Schema.Struct({
  enabled: flag,
  otel: Schema.optional(
    Schema.Struct({
      enabled: flag,
      endpoint: text,
      tracesEndpoint: text,
      metricsEndpoint: text,
      logsEndpoint: text,
      protocol: oneOf("http/protobuf", "http/json"),
      serviceName: text,
      headers: record(Schema.String),
      traces: flag,
      metrics: flag,
      logs: flag,
      sampleRate: Schema.optional(Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1 })))),
      /** Milliseconds between two exports of metrics. */
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
            checkId: Schema.NonEmptyString,
            titleIncludes: Schema.optional(Schema.NonEmptyString),
            detailIncludes: Schema.optional(Schema.NonEmptyString),
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
  commands: Schema.optional(Schema.Struct({ ownerAllowFrom: Ids })),
  session: Schema.optional(SessionSection),
  messages: Schema.optional(MessagesSection),
  talk: Schema.optional(TalkSection),
  ui: Schema.optional(UiSection),
  logging: Schema.optional(LoggingSection),
  diagnostics: Schema.optional(DiagnosticsSection),
  security: Schema.optional(SecuritySection),
  /** Variables for `${NAME}` that the process itself does not have. */
  env: Schema.optional(Schema.Struct({ vars: record(Schema.String) }))
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
