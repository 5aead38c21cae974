/**
 * The shape of `openclaw.json`, as far as this Gateway uses it. OpenClaw's own key names; other keys are kept in the file
 * and ignored here. Every key is optional, so an empty file is valid.
 */
import * as Schema from "effect/Schema"

const text = Schema.optional(Schema.String)
const flag = Schema.optional(Schema.Boolean)
const strings = Schema.optional(Schema.Array(Schema.String))
const Port = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 65_535 })))
const positive = Schema.optional(Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1))))

/** A channel's ids: numbers are accepted and read as text. */
const Ids = Schema.optional(Schema.Array(Schema.Union([Schema.String, Schema.Finite])))

/** `"provider/model"`, or `{ primary, fallbacks }`. */
const ModelChoice = Schema.optional(
  Schema.Union([
    Schema.NonEmptyString,
    Schema.Struct({ primary: Schema.optional(Schema.NonEmptyString), fallbacks: strings })
  ])
)

const GatewaySection = Schema.Struct({
  mode: Schema.optional(Schema.Literals(["local", "remote"])),
  port: Schema.optional(Port),
  bind: Schema.optional(Schema.Literals(["auto", "lan", "loopback", "custom", "tailnet"])),
  customBindHost: text,
  auth: Schema.optional(
    Schema.Struct({
      mode: Schema.optional(Schema.Literals(["none", "token", "password", "trusted-proxy"])),
      token: text,
      password: text
    })
  ),
  controlUi: Schema.optional(Schema.Struct({ enabled: flag, allowedOrigins: strings })),
  nodes: Schema.optional(
    Schema.Struct({
      commands: Schema.optional(Schema.Struct({ allow: strings, deny: strings })),
      allowCommands: strings,
      denyCommands: strings
    })
  ),
  remote: Schema.optional(Schema.Struct({ url: text, token: text, password: text }))
})

const TelegramGroup = Schema.Struct({
  enabled: flag,
  requireMention: flag,
  allowFrom: Ids,
  groupPolicy: Schema.optional(Schema.Literals(["open", "allowlist", "disabled"]))
})

const telegramAccount = {
  enabled: flag,
  name: text,
  botToken: text,
  tokenFile: text,
  apiRoot: text,
  dmPolicy: Schema.optional(Schema.Literals(["pairing", "allowlist", "open", "disabled"])),
  allowFrom: Ids,
  groupPolicy: Schema.optional(Schema.Literals(["open", "allowlist", "disabled"])),
  groupAllowFrom: Ids,
  groups: Schema.optional(Schema.Record(Schema.String, TelegramGroup)),
  timeoutSeconds: positive
}

const TelegramSection = Schema.Struct({
  ...telegramAccount,
  defaultAccount: text,
  accounts: Schema.optional(Schema.Record(Schema.String, Schema.Struct(telegramAccount)))
})

const Agent = Schema.Struct({
  id: Schema.NonEmptyString,
  default: flag,
  name: text,
  model: ModelChoice,
  systemPrompt: text
})

const AgentsSection = Schema.Struct({
  defaults: Schema.optional(
    Schema.Struct({ model: ModelChoice, systemPrompt: text, timeoutSeconds: positive, maxSteps: positive })
  ),
  list: Schema.optional(Schema.Array(Agent))
})

const Provider = Schema.Struct({
  baseUrl: text,
  apiKey: text,
  api: text,
  headers: Schema.optional(Schema.Record(Schema.String, Schema.String)),
  models: Schema.optional(
    Schema.Array(Schema.Struct({ id: Schema.NonEmptyString, name: text, contextWindow: positive, maxTokens: positive }))
  )
})

export const OpenClawConfig = Schema.Struct({
  gateway: Schema.optional(GatewaySection),
  channels: Schema.optional(Schema.Struct({ telegram: Schema.optional(TelegramSection) })),
  agents: Schema.optional(AgentsSection),
  models: Schema.optional(Schema.Struct({ providers: Schema.optional(Schema.Record(Schema.String, Provider)) })),
  tools: Schema.optional(
    Schema.Struct({
      exec: Schema.optional(
        Schema.Struct({
          host: Schema.optional(Schema.Literals(["auto", "sandbox", "gateway", "node"])),
          security: Schema.optional(Schema.Literals(["deny", "allowlist", "full"])),
          ask: Schema.optional(Schema.Literals(["off", "on-miss", "always"])),
          node: text,
          timeoutSec: positive
        })
      )
    })
  ),
  session: Schema.optional(
    Schema.Struct({
      dmScope: Schema.optional(Schema.Literals(["main", "per-peer", "per-channel-peer", "per-account-channel-peer"])),
      mainKey: text
    })
  ),
  logging: Schema.optional(
    Schema.Struct({
      level: Schema.optional(Schema.Literals(["silent", "fatal", "error", "warn", "info", "debug", "trace"]))
    })
  )
})
export type OpenClawConfig = typeof OpenClawConfig.Type
export type TelegramAccountConfig = Omit<(typeof TelegramSection)["Type"], "accounts" | "defaultAccount">
