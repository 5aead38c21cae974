/**
 * The shape of `openclaw.json`, as far as this Gateway uses it. OpenClaw's own key names; other keys are kept in the file
 * and ignored here. Every key is optional, so `{}` is valid. What OpenClaw reads only after a migration
 * (`agents.list`, `channels.telegram.streaming: "partial"`) is read here as it stands.
 */
import * as Schema from "effect/Schema"

const text = Schema.optional(Schema.String)
const flag = Schema.optional(Schema.Boolean)
const strings = Schema.optional(Schema.Array(Schema.String))
const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))
const atLeast = (minimum: number) => Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(minimum)))
const positive = Schema.optional(atLeast(1))
const natural = Schema.optional(atLeast(0))
const oneOf = <const L extends ReadonlyArray<string>>(...literals: L) => Schema.optional(Schema.Literals(literals))
const record = <S extends Schema.Top>(value: S) => Schema.optional(Schema.Record(Schema.String, value))

/**
 * A credential. In the file it may also be `"${NAME}"` or a reference `{ source: "env", provider, id }`; both are put in
 * before this schema is asked, and what cannot be put in is absent here.
 */
const secret = text

/** A channel's ids: numbers are accepted too; whoever compares them reads both as text. */
const Ids = Schema.optional(Schema.Array(Schema.Union([Schema.String, Schema.Finite])))

/** `"provider/model"`, or `{ primary, fallbacks }`. */
const ModelChoice = Schema.optional(
  Schema.Union([
    Schema.NonEmptyString,
    Schema.Struct({ primary: Schema.optional(Schema.NonEmptyString), fallbacks: strings })
  ])
)

const GatewaySection = Schema.Struct({
  mode: oneOf("local", "remote"),
  port: Schema.optional(between(1, 65_535)),
  bind: oneOf("auto", "lan", "loopback", "custom", "tailnet"),
  customBindHost: text,
  auth: Schema.optional(
    Schema.Struct({
      mode: oneOf("none", "token", "password", "trusted-proxy"),
      token: secret,
      password: secret,
      allowTailscale: flag,
      rateLimit: Schema.optional(
        Schema.Struct({ maxAttempts: positive, windowMs: positive, lockoutMs: positive, exemptLoopback: flag })
      )
    })
  ),
  controlUi: Schema.optional(Schema.Struct({ enabled: flag, allowedOrigins: strings })),
  trustedProxies: strings,
  tailscale: Schema.optional(Schema.Struct({ mode: oneOf("off", "serve", "funnel") })),
  nodes: Schema.optional(
    Schema.Struct({
      pairing: Schema.optional(Schema.Struct({ autoApproveLocal: flag, autoApproveCidrs: strings })),
      commands: Schema.optional(Schema.Struct({ allow: strings, deny: strings })),
      allowCommands: strings,
      denyCommands: strings
    })
  ),
  remote: Schema.optional(
    Schema.Struct({
      url: text,
      transport: oneOf("ssh", "direct"),
      token: secret,
      password: secret,
      tlsFingerprint: text,
      sshTarget: text,
      sshIdentity: text,
      sshHostKeyPolicy: oneOf("strict", "openssh"),
      remotePort: Schema.optional(between(1, 65_535))
    })
  ),
  reload: Schema.optional(Schema.Struct({ mode: oneOf("off", "hybrid") }))
})

const dmPolicy = oneOf("pairing", "allowlist", "open", "disabled")
const groupPolicy = oneOf("open", "allowlist", "disabled")

const topic = {
  enabled: flag,
  requireMention: flag,
  allowFrom: Ids,
  groupPolicy,
  systemPrompt: text
}
const TelegramGroup = Schema.Struct({
  ...topic,
  topics: record(Schema.Struct({ ...topic, agentId: text }))
})
const TelegramDirect = Schema.Struct({ enabled: flag, dmPolicy, allowFrom: Ids, systemPrompt: text })

const streamingMode = Schema.Literals(["off", "partial", "block", "progress"])
const Streaming = Schema.optional(
  Schema.Union([
    Schema.Struct({ mode: Schema.optional(streamingMode), chunkMode: oneOf("length", "newline") }),
    streamingMode,
    Schema.Boolean
  ])
)

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
  direct: record(TelegramDirect),
  streaming: Streaming,
  textChunkLimit: positive,
  replyToMode: oneOf("off", "first", "all", "batched"),
  linkPreview: flag,
  historyLimit: natural,
  mediaMaxMb: Schema.optional(Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0)))),
  timeoutSeconds: positive
}

const TelegramSection = Schema.Struct({
  ...telegramAccount,
  defaultAccount: text,
  accounts: record(Schema.Struct(telegramAccount))
})

/** `systemPrompt` and `maxSteps` are this Gateway's own keys. */
const agent = {
  name: text,
  description: text,
  model: ModelChoice,
  systemPrompt: text,
  workspace: text,
  default: flag
}

const AgentsSection = Schema.Struct({
  defaults: Schema.optional(
    Schema.Struct({
      model: ModelChoice,
      systemPrompt: text,
      workspace: text,
      timeoutSeconds: natural,
      maxSteps: positive,
      maxConcurrent: positive
    })
  ),
  /** The agents by id. */
  entries: record(Schema.Struct(agent)),
  /** The agents in the older form. */
  list: Schema.optional(Schema.Array(Schema.Struct({ id: Schema.NonEmptyString, ...agent })))
})

const PeerMatch = Schema.Struct({ kind: Schema.Literals(["direct", "group", "channel"]), id: Schema.NonEmptyString })

/** Which agent answers where. The first binding that matches decides, the more exact kind before the less exact. */
const Binding = Schema.Struct({
  type: oneOf("route", "acp"),
  agentId: Schema.NonEmptyString,
  comment: text,
  match: Schema.Struct({ channel: Schema.NonEmptyString, accountId: text, peer: Schema.optional(PeerMatch) })
})

const Provider = Schema.Struct({
  baseUrl: text,
  apiKey: secret,
  auth: oneOf("api-key", "aws-sdk", "oauth", "token"),
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
        reasoning: flag,
        contextWindow: positive,
        maxTokens: positive,
        headers: record(Schema.String)
      })
    )
  )
})

const ExecSection = Schema.Struct({
  host: oneOf("auto", "sandbox", "gateway", "node"),
  mode: oneOf("deny", "allowlist", "ask", "auto", "full"),
  security: oneOf("deny", "allowlist", "full"),
  ask: oneOf("off", "on-miss", "always"),
  node: text,
  timeoutSeconds: positive,
  /** The older name of `timeoutSeconds`. */
  timeoutSec: positive,
  safeBins: strings,
  pathPrepend: strings
}).pipe(
  Schema.check(
    Schema.makeFilter((exec) => exec.mode === undefined || (exec.security === undefined && exec.ask === undefined), {
      expected: "either mode, or security and ask, not both"
    })
  )
)

const SessionSection = Schema.Struct({
  scope: oneOf("per-sender", "global"),
  dmScope: oneOf("main", "per-peer", "per-channel-peer", "per-account-channel-peer"),
  groupScope: oneOf("main", "per-group"),
  /** Read for old files: the main conversation is always called `main`. */
  mainKey: text,
  resetTriggers: strings
})

const LoggingSection = Schema.Struct({
  level: oneOf("silent", "fatal", "error", "warn", "info", "debug", "trace"),
  consoleLevel: oneOf("silent", "fatal", "error", "warn", "info", "debug", "trace"),
  consoleStyle: oneOf("pretty", "compact", "json")
})

export const OpenClawConfig = Schema.Struct({
  gateway: Schema.optional(GatewaySection),
  channels: Schema.optional(Schema.Struct({ telegram: Schema.optional(TelegramSection) })),
  agents: Schema.optional(AgentsSection),
  bindings: Schema.optional(Schema.Array(Binding)),
  models: Schema.optional(Schema.Struct({ mode: oneOf("merge", "replace"), providers: record(Provider) })),
  tools: Schema.optional(Schema.Struct({ exec: Schema.optional(ExecSection) })),
  session: Schema.optional(SessionSection),
  logging: Schema.optional(LoggingSection),
  /** Variables for `${NAME}` that the process itself does not have. */
  env: Schema.optional(Schema.Struct({ vars: record(Schema.String) }))
})
export type OpenClawConfig = typeof OpenClawConfig.Type
export type TelegramAccountConfig = Omit<(typeof TelegramSection)["Type"], "accounts" | "defaultAccount">
export type BindingConfig = typeof Binding.Type
export type AgentConfig = NonNullable<NonNullable<OpenClawConfig["agents"]>["list"]>[number]

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
