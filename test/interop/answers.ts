/** Differences of single answers, beyond those of features and of the wire in `differences.ts`. */
import { adds, type Difference, lacks } from "./Difference.ts"

export const answers: ReadonlyArray<Difference> = [
  {
    reason: "More about this Gateway, beside what OpenClaw tells",
    steps: /status|health/,
    lines: adds(
      "storage nodes model uptimeMs rssBytes supervisor connections deadLetters sessions.activeTurns sessions.paths[]"
    )
  },
  {
    reason: "Why it is said to be degraded depends on how busy the machine is when it is asked",
    lines: ["- eventLoop.reasons[]", "+ eventLoop.reasons[]"]
  },
  {
    reason: "What is counted is counted for all kinds of chats alike",
    steps: /sessions\.usage/,
    lines: lacks("chatType")
  },
  {
    reason: "How long a stop takes is the service manager's limit, and is not negotiated",
    lines: lacks("shutdownBudget")
  },
  {
    reason: "There is one process and no model of its own for small tasks",
    steps: /system\.info/,
    lines: [...lacks("defaultAgentUtilityModel"), "+ payload.lanAddress"]
  },
  {
    reason: "Agents have no folder of files that they work in: they act through nodes",
    steps: /agents\.list/,
    lines: lacks("agents[].workspace agents[].workspaceGit")
  },
  { reason: "The description is whole as it is", steps: /tools\.catalog/, lines: lacks("fullDescription") },
  {
    reason: "The file is told as it is, with what is derived from it left out; defaults are in `config.schema`",
    steps: /config\.get/,
    lines: lacks(
      "includedPaths config.commands config.messages runtimeConfig.commands runtimeConfig.messages bindingsIncludeOwned agentRosterIncludeOwned agents.entries agents.defaults.subagents agents.defaults.compaction agents.defaults.maxConcurrent models[].api models[].cost models[].input models[].reasoning models[].maxTokens"
    )
  },
  {
    reason: "Ours was given the page's folder for this run, and says so; and which keys it does not read",
    steps: /config\.get/,
    lines: adds("gateway.controlUi warnings[]")
  },
  {
    reason: "From where and when a node or device came, and what it may, is told to those who decide on it",
    steps: /nodes|node\.|devices|device\./,
    lines: adds("remoteIp lastConnectedAtMs approvedScopes lastUsedAtMs")
  },
  {
    reason: "What a connected node reported of its skills and of what it agrees to is shown",
    steps: /nodes|node\./,
    lines: adds("nodeSkills runnerProtocolFeatures")
  },
  {
    reason: "A node's commands are asked for in a list of their own, `node.pair.list`, and shown there",
    steps: /node\.|devices|device\.|nodes pending/,
    lines: lacks("silent pendingRequestId pendingDeclaredCaps pendingDeclaredCommands nodeSurface pendingNodeSurface")
  },
  {
    reason: "A node that asks for no commands waits for nobody's word",
    steps: /node\.pair\.list/,
    lines: lacks("payload.pending[]")
  },
  { reason: "Approvals are decided in the Gateway, no socket waits beside it", lines: lacks("file.socket") },
  {
    reason: "Lines of the log name no part of the program",
    steps: /logs/,
    lines: lacks("subsystem")
  },
  {
    reason: "How OpenClaw's own runtime came to the reply; text, model, usage and how it ended are told",
    steps: /agent --message hello --agent main --json/,
    lines: lacks(
      "result.meta.completion result.meta.replayInvalid result.meta.livenessState result.meta.executionTrace result.meta.requestShaping result.meta.finalPromptText result.meta.finalAssistantRawText result.meta.systemPromptReport result.sourceReplyDeliveryState agentMeta.sessionFile agentMeta.bridgeCalls agentMeta.promptTokens agentMeta.contextTokens agentMeta.lastCallUsage agentMeta.agentHarnessId agentMeta.assistantTurns agentMeta.codeModeEngaged agentMeta.terminalReceipt agentMeta.contextTokensSource"
    )
  },
  {
    reason: "How many tools were called is told as a number",
    steps: /agent --message hello --agent main --json/,
    lines: adds("result.meta.toolCalls")
  },
  {
    reason: "The file that keeps sessions is nobody's to open",
    steps: /sessions\.(list|patch)/,
    lines: lacks("path")
  },
  {
    reason: "What becomes of a message while a turn runs is told of one session, not of each in a list",
    steps: /sessions\.list|event session/,
    lines: lacks("sessions[].effectiveQueueMode session.effectiveQueueMode effectiveQueueMode")
  },
  {
    reason: "Whether it runs is in every row",
    steps: /sessions\.describe/,
    lines: adds("session.hasActiveRun session.activeRunIds")
  },
  {
    reason: "`entry` is the row that `sessions.list` has, not what is stored",
    steps: /sessions\.(patch|reset)/,
    lines: [
      ...adds(
        "entry.key entry.kind entry.isMain entry.isBackground entry.pinned entry.unread entry.status entry.agentId entry.archived entry.displayName entry.hasActiveRun entry.activeRunIds entry.classification entry.effectiveQueueMode entry.modelOverrideSource entry.snapshotAt entry.startedAt entry.endedAt entry.runtimeMs entry.lastRunId entry.lastActivityAt entry.lastInteractionAt entry.contextTokens"
      ),
      ...lacks("entry.inputTokens entry.outputTokens entry.totalTokens entry.totalTokensFresh")
    ]
  },
  {
    reason:
      "The model says the same to everything, and whether OpenClaw takes that for a summary is another matter each time",
    steps: /sessions\.compact|event session\.operation|event sessions\.changed/,
    lines: [...lacks("reason result compacted"), ...adds("reason result compacted")]
  },
  {
    reason: "How often a session was compacted is told of each, also when it is never",
    lines: adds("compactionCount")
  },
  {
    reason:
      "Where there is too little to compact no operation begins; and what is told after it was named depends on it",
    steps: /event session\.(operation|message)/,
    lines: ["- (all)", ...lacks("session.label session.displayName")]
  },
  {
    reason:
      "A compaction is a message of the transcript here, and announced like any other, with the session as it is then",
    steps: /event session\.message/,
    lines: adds(
      "message.__openclaw.kind message.__openclaw.tokensAfter message.__openclaw.tokensBefore session.label session.displayName"
    )
  },
  {
    reason: "The summary is in the transcript; the answer tells what it spares",
    steps: /sessions\.compact/,
    lines: [...lacks("result.summary result.details result.firstKeptEntryId"), "+ payload.result.tokensAfter"]
  },
  {
    reason: "OpenClaw's health is what it found up to a minute ago; ours is looked at when it is asked for",
    steps: /health/,
    lines: adds("sessions.recent[]")
  },
  {
    reason: "What was used is counted when it is asked for; OpenClaw's was still counting in the background",
    steps: /sessions\.usage/,
    lines: adds("aggregates.daily[] aggregates.byModel[] aggregates.byAgent[] aggregates.byProvider[]")
  },
  {
    reason: "Usage is added up by session, day, model, provider, agent and channel; it has no price and no latency",
    steps: /sessions\.usage/,
    lines: lacks("costDaily dailyLatency modelDaily hasContextWeight")
  },
  {
    reason:
      "Params are checked before what they name is looked for: a message without a session is refused as incomplete",
    steps: /44 chat\.send/,
    lines: lacks("error.details")
  }
]
