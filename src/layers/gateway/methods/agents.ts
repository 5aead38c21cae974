/**
 * `agents.list`, `agent.identity.get`, `agent.wait`, `commands.list`, `tools.*`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import { RunId } from "../../../domain/Ids.ts"
import { invalidRequest } from "../../../protocol/GatewayError.ts"
import {
  type AgentIdentity,
  AgentsMethods,
  type AgentSummary,
  type AgentWaitResult,
  type CommandEntry
} from "../../../protocol/methods/agents.ts"
import { AppTools } from "../../../services/AppTools.ts"
import { Config } from "../../../services/Config.ts"
import { type AgentConfig, agentsOf, type OpenClawConfig } from "../../../services/ConfigSchema.ts"
import { QueueMode } from "../../../services/Queue.ts"
import { type KnownTurn, Turns } from "../../../services/Turns.ts"
import { AgentTools } from "../../agent/tools.ts"
import { type ChatCommand, chatCommands, onlyInChannels } from "../../channels/chatCommands.ts"
import { configured } from "../../models/reference.ts"
import { Access } from "../Access.ts"
import * as Agents from "../Agents.ts"
import * as SessionRows from "../SessionRows.ts"
import { turnNotAccepted } from "./errors.ts"

/** How long `agent.wait` waits when it is not told. */
const WAIT_MS = 30_000
/** How often it looks whether a run has begun that nobody knew of. */
const LOOK_EVERY = "200 millis"

const given = (text: string | undefined): string | undefined =>
  text === undefined || text.trim() === "" ? undefined : text.trim()

const entry = <K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } =>
  value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: string })

const nameOf = (agent: Omit<AgentConfig, "id"> | undefined): string | undefined =>
  given(agent?.identity?.name) ?? given(agent?.name)

/** Turns are carried out in the Gateway and nowhere else, and nobody has to say so. */
const agentRuntime = {
  id: "openclaw",
  cloudPlacementSupported: false,
  devicePlacementSupported: false,
  source: "implicit"
}

const summaryOf = (config: OpenClawConfig, id: string): AgentSummary => {
  const agent = agentsOf(config).find((candidate) => candidate.id === id)
  const { emoji, name, theme } = agent?.identity ?? {}
  const identity = {
    ...entry("name", given(name)),
    ...entry("theme", given(theme)),
    ...entry("emoji", given(emoji))
  }
  const [primary, ...fallbacks] = configured(config, id).filter((ref) => ref !== "")
  return {
    id,
    ...entry("name", nameOf(agent)),
    ...(Object.keys(identity).length === 0 ? undefined : { identity }),
    ...(primary === undefined
      ? undefined
      : { model: { primary, ...(fallbacks.length === 0 ? undefined : { fallbacks }) } }),
    agentRuntime,
    ...SessionRows.thinking
  }
}

const identityOf = (config: OpenClawConfig, agentId: string): AgentIdentity => {
  const agent = agentsOf(config).find(({ id }) => id === agentId)
  const own = nameOf(agent)
  const name = own ?? "Assistant"
  const emoji = given(agent?.identity?.emoji)
  return {
    agentId,
    name,
    nameSource: own === undefined ? "default" : "config",
    avatar: emoji ?? [...name][0]!.toUpperCase(),
    ...entry("emoji", emoji)
  }
}

const modes = QueueMode.literals.map((value) => ({ value, label: value }))

/** A command that is not here takes no arguments and belongs to no category. */
const facets: Readonly<Record<string, Pick<CommandEntry, "args" | "category">>> = {
  approve: {
    category: "management",
    args: [
      { name: "id", description: "The request, or the start of its id", type: "string", required: true },
      { name: "decision", description: "What is decided", type: "string", required: true }
    ]
  },
  help: { category: "status" },
  status: { category: "status" },
  stop: { category: "session" },
  new: { category: "session" },
  reset: { category: "session" },
  steer: {
    category: "session",
    args: [
      { name: "message", description: "What to say to the reply that is being made", type: "string", required: true }
    ]
  },
  compact: {
    category: "session",
    args: [{ name: "instructions", description: "What the summary should look at above all", type: "string" }]
  },
  queue: {
    category: "options",
    args: [
      { name: "mode", description: "What becomes of a message that comes meanwhile", type: "string", choices: modes }
    ]
  }
}

const commandEntry = ({ command, description }: ChatCommand, withArgs: boolean): CommandEntry => {
  const { args, category } = facets[command] ?? {}
  return {
    name: command,
    nativeName: command,
    textAliases: [`/${command}`],
    description,
    ...(category === undefined ? undefined : { category }),
    source: "native",
    scope: "both",
    acceptsArgs: args !== undefined,
    ...(args !== undefined && withArgs ? { args } : undefined)
  }
}

/** The commands of a chat, or of a page when no channel is named. */
export const commandsFor = (provider: string | undefined, withArgs: boolean): ReadonlyArray<CommandEntry> =>
  chatCommands
    .filter(({ command }) => provider === "telegram" || !onlyInChannels.has(command))
    .map((command) => commandEntry(command, withArgs))

/** Tools by what they are for. One that is not named here stands in a group of its own name. */
const groups: Readonly<Record<string, string>> = { nodes: "Nodes", message: "Messaging" }

/** Whose tools there are, and what their group is called. */
const sources = [
  ["core", "Built-in tools"],
  ["plugin", "Tools of the app"]
] as const

const entryOf = (tool: Tool.Any) => {
  const description = Tool.getDescription(tool) ?? ""
  const source = Object.hasOwn(AgentTools.tools, tool.name) ? ("core" as const) : ("plugin" as const)
  return { id: tool.name, label: tool.name, description, rawDescription: description, source }
}

const waited = (runId: string, { abort, endedAt, outcome, startedAt }: KnownTurn): AgentWaitResult => {
  const times = {
    ...(startedAt === undefined ? undefined : { startedAt }),
    ...(endedAt === undefined ? undefined : { endedAt })
  }
  if (outcome === undefined) return { runId, status: "timeout" }
  switch (outcome.status) {
    case "ok":
      return {
        runId,
        status: "ok",
        ...times,
        stopReason: "stop",
        terminalReply: outcome.text === "" ? { disposition: "silent" } : { disposition: "visible", text: outcome.text }
      }
    case "aborted":
      return { runId, status: "error", ...times, stopReason: abort ?? "rpc" }
    case "error":
      return { runId, status: "error", ...times, error: outcome.text }
  }
}

export const layer = AgentsMethods.middleware(Access).toLayer(
  Effect.gen(function* () {
    const config = yield* Config
    const turns = yield* Turns
    const tools: ReadonlyArray<Tool.Any> = Object.values(Toolkit.merge(AgentTools, (yield* AppTools).toolkit).tools)
    const settings = Effect.orDie(config.get)

    const known = Effect.fnUntraced(function* (agentId: string | undefined) {
      const { defaultAgentId, ids } = yield* Agents.current
      const id = agentId ?? defaultAgentId
      return ids.includes(id) ? id : yield* invalidRequest(`unknown agent id "${id}"`)
    })

    const wait = Effect.fn("Gateway.agent.wait")(function* (params: {
      readonly runId: string
      readonly timeoutMs?: number | undefined
    }) {
      const runId = RunId.make(params.runId)
      const find = Effect.mapError(turns.find(runId), turnNotAccepted)
      const begun = find.pipe(
        Effect.tap((turn) => (turn === undefined ? Effect.sleep(LOOK_EVERY) : Effect.void)),
        Effect.repeat({ until: (turn) => turn !== undefined })
      )
      const ended = Effect.gen(function* () {
        const turn = (yield* begun)!
        if (turn.outcome !== undefined) return turn
        const outcome = yield* Effect.mapError(turns.await(runId, turn.sessionKey), turnNotAccepted)
        // The book has the times as well.
        return { ...(yield* find), sessionKey: turn.sessionKey, outcome }
      })
      const found = yield* Effect.timeoutOption(ended, params.timeoutMs ?? WAIT_MS)
      return Option.match(found, {
        onNone: (): AgentWaitResult => ({ runId, status: "timeout" }),
        onSome: (turn) => waited(runId, turn)
      })
    })

    return {
      "agents.list": () =>
        Effect.gen(function* () {
          const { defaultAgentId, ids, mainKey } = yield* Agents.current
          const current = yield* settings
          return {
            defaultId: defaultAgentId,
            ownership: ids.length > 1 ? "legacy" : "sole",
            selectionRequired: false,
            mainKey,
            scope: "per-sender",
            agents: ids.map((id) => summaryOf(current, id))
          } as const
        }),
      "agent.identity.get": ({ agentId, sessionKey }) =>
        Effect.gen(function* () {
          const current = yield* settings
          if (sessionKey === undefined || sessionKey === "") {
            return identityOf(current, agentId ?? (yield* Agents.current).defaultAgentId)
          }
          return identityOf(current, (yield* Agents.sessionKey(sessionKey, agentId)).agentId)
        }),
      "agent.wait": wait,
      "commands.list": ({ agentId, includeArgs, provider, sessionKey }) =>
        Effect.gen(function* () {
          if (sessionKey === undefined) yield* known(agentId)
          else yield* Agents.liveSessionKey(sessionKey, agentId)
          return { commands: commandsFor(provider, includeArgs !== false) }
        }),
      "tools.catalog": ({ agentId }) =>
        Effect.map(known(agentId), (id) => ({
          agentId: id,
          profiles: [{ id: "full" as const, label: "Full" }],
          groups: tools.map((tool) => {
            const { id: name, description, label, source } = entryOf(tool)
            return {
              id: name,
              label: groups[name] ?? name,
              source,
              tools: [{ id: name, label, description, source, defaultProfiles: ["full" as const] }]
            }
          })
        })),
      "tools.effective": ({ agentId, sessionKey }) =>
        Effect.map(Agents.liveSessionKey(sessionKey, agentId), ({ agentId: id }) => ({
          agentId: id,
          profile: "full",
          groups: sources.flatMap(([source, label]) => {
            const those = tools.map(entryOf).filter((entry) => entry.source === source)
            return those.length === 0 ? [] : [{ id: source, label, source, tools: those }]
          })
        }))
    }
  })
)
