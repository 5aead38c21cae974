/**
 * `agents.list`, `agent.identity.get`, `agent.wait`, `commands.list`, `tools.*`: who answers here, and what they can do.
 *
 * Times are Unix milliseconds, timeouts milliseconds.
 */
import * as Schema from "effect/Schema"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { Name, SessionKeyOrNone, SessionKeyText } from "../text.ts"
import { method, NoParams } from "./method.ts"

const optionalText = Schema.optional(Schema.String)
const optionalName = Schema.optional(Schema.NonEmptyString)
const optionalId = Schema.optional(Name)
const texts = Schema.Array(Schema.NonEmptyString)

export const AgentSummary = Schema.Struct({
  id: Schema.NonEmptyString,
  name: optionalName,
  identity: Schema.optional(Schema.Struct({ name: optionalName, theme: optionalName, emoji: optionalName })),
  workspace: optionalName,
  /** What carries out its turns. */
  agentRuntime: Schema.optional(
    Schema.Struct({
      id: Schema.NonEmptyString,
      cloudPlacementSupported: Schema.optional(Schema.Boolean),
      devicePlacementSupported: Schema.optional(Schema.Boolean),
      source: Schema.String
    })
  ),
  model: Schema.optional(Schema.Struct({ primary: optionalName, fallbacks: Schema.optional(texts) })),
  thinkingLevels: Schema.optional(
    Schema.Array(Schema.Struct({ id: Schema.NonEmptyString, label: Schema.NonEmptyString }))
  ),
  thinkingOptions: Schema.optional(texts),
  thinkingDefault: optionalName
})
export type AgentSummary = typeof AgentSummary.Type

export const AgentsListResult = Schema.Struct({
  defaultId: Schema.NonEmptyString,
  ownership: Schema.optional(Schema.Literals(["sole", "legacy", "explicit"])),
  /** A request has to name its agent; without it `defaultId` is meant. */
  selectionRequired: Schema.optional(Schema.Boolean),
  mainKey: Schema.NonEmptyString,
  scope: Schema.Literals(["per-sender", "global"]),
  agents: Schema.Array(AgentSummary)
})
export type AgentsListResult = typeof AgentsListResult.Type

export const AgentIdentity = Schema.Struct({
  agentId: Schema.NonEmptyString,
  name: optionalName,
  nameSource: Schema.optional(Schema.Literals(["config", "agent", "workspace", "default"])),
  avatar: optionalName,
  emoji: optionalName
})
export type AgentIdentity = typeof AgentIdentity.Type

/** How a run ended. `timeout`: it had not within the time that was given. */
export const AgentWaitResult = Schema.Struct({
  runId: Schema.NonEmptyString,
  status: Schema.Literals(["ok", "error", "timeout"]),
  startedAt: Schema.optional(Schema.Natural),
  endedAt: Schema.optional(Schema.Natural),
  error: optionalText,
  stopReason: optionalText,
  terminalReply: Schema.optional(Schema.Struct({ disposition: Schema.String, text: optionalText }))
})
export type AgentWaitResult = typeof AgentWaitResult.Type

const CommandArg = Schema.Struct({
  name: Schema.NonEmptyString,
  description: Schema.String,
  type: Schema.Literals(["string", "number", "boolean"]),
  required: Schema.optional(Schema.Boolean),
  choices: Schema.optional(Schema.Array(Schema.Struct({ value: Schema.String, label: Schema.String })))
})

export const CommandEntry = Schema.Struct({
  name: Schema.NonEmptyString,
  nativeName: optionalName,
  textAliases: Schema.optional(texts),
  description: Schema.String,
  category: Schema.optional(Schema.Literals(["session", "options", "status", "management", "media", "tools"])),
  source: Schema.Literals(["native", "skill", "plugin"]),
  scope: Schema.Literals(["text", "native", "both"]),
  acceptsArgs: Schema.Boolean,
  args: Schema.optional(Schema.Array(CommandArg))
})
export type CommandEntry = typeof CommandEntry.Type

const Profile = Schema.Literals(["minimal", "coding", "messaging", "full"])

const CatalogTool = Schema.Struct({
  id: Schema.NonEmptyString,
  label: Schema.NonEmptyString,
  description: Schema.String,
  source: Schema.Literals(["core", "plugin"]),
  defaultProfiles: Schema.Array(Profile)
})

const EffectiveSource = Schema.Literals(["core", "plugin", "channel", "mcp"])
const EffectiveTool = Schema.Struct({
  id: Schema.NonEmptyString,
  label: Schema.NonEmptyString,
  description: Schema.String,
  rawDescription: Schema.String,
  source: EffectiveSource
})

export const AgentsMethods = RpcGroup.make(
  /** The configured agents, and which of them is the default. */
  method("agents.list", { access: "operator.read", params: NoParams, result: AgentsListResult }),
  /** What people see of an agent: name, picture, emoji. */
  method("agent.identity.get", {
    access: "operator.read",
    params: Schema.Struct({ agentId: optionalId, sessionKey: Schema.optional(SessionKeyOrNone) }),
    result: AgentIdentity
  }),
  /** Waits until a run is over, for at most `timeoutMs` (30 seconds), and tells how it ended. A run that nobody has begun is waited for too. */
  method("agent.wait", {
    access: "operator.write",
    params: Schema.Struct({ runId: Name, timeoutMs: Schema.optional(Schema.Natural) }),
    result: AgentWaitResult
  }),
  /** The commands that a chat understands, such as `/stop`. */
  method("commands.list", {
    access: "operator.read",
    params: Schema.Struct({
      sessionKey: Schema.optional(SessionKeyText),
      agentId: optionalId,
      /** The channel that asks. */
      provider: optionalId,
      scope: Schema.optional(Schema.Literals(["text", "native", "both"])),
      includeArgs: Schema.optional(Schema.Boolean)
    }),
    result: Schema.Struct({ commands: Schema.Array(CommandEntry) })
  }),
  /** The tools that an agent may have, by group. */
  method("tools.catalog", {
    access: "operator.read",
    params: Schema.Struct({ agentId: optionalId, includePlugins: Schema.optional(Schema.Boolean) }),
    result: Schema.Struct({
      agentId: Schema.NonEmptyString,
      profiles: Schema.Array(Schema.Struct({ id: Profile, label: Schema.NonEmptyString })),
      groups: Schema.Array(
        Schema.Struct({
          id: Schema.NonEmptyString,
          label: Schema.NonEmptyString,
          source: Schema.Literals(["core", "plugin"]),
          tools: Schema.Array(CatalogTool)
        })
      )
    })
  }),
  /** The tools that an agent has in one session. */
  method("tools.effective", {
    access: "operator.read",
    params: Schema.Struct({ sessionKey: SessionKeyText, agentId: optionalId }),
    result: Schema.Struct({
      agentId: Schema.NonEmptyString,
      profile: Schema.NonEmptyString,
      groups: Schema.Array(
        Schema.Struct({
          id: EffectiveSource,
          label: Schema.NonEmptyString,
          source: EffectiveSource,
          tools: Schema.Array(EffectiveTool)
        })
      )
    })
  })
)
