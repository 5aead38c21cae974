/**
 * What one Gateway answers and the other does not, and why. `- name` is a member that only theirs has, `+ name` one that only
 * ours has; `name` is a member's name, or the end of its path. `=text` is the beginning of any other difference.
 */
import { answers } from "./answers.ts"
import { adds, type Difference, lacks } from "./Difference.ts"

const features: ReadonlyArray<Difference> = [
  {
    reason: "There are no user profiles: sessions belong to everybody who may read, and are not shared out",
    lines: lacks(
      "participants expandedParticipants participantCount visibility sharingRole owner createdActor archivedBy archiveReason hiddenFromInvolvingMe user allowedSessionVisibilities hasMultipleSessionSharingIdentities owners[] creatorOptions creatorKey byCreator senderIsOwner __openclaw.senderId __openclaw.senderIdentity __openclaw.senderProfileAvatarUrl"
    )
  },
  {
    reason:
      "Turns are carried out in the Gateway itself: no other runtime can be chosen for a session, nor another place",
    lines: lacks(
      "placement placementMove defaults.agentRuntime session.agentRuntime sessionInfo.agentRuntime sessions[].agentRuntime resolved.agentRuntime agentRuntime runtimeSelectionLocked agentHarnessId sessionHost recent[].runtime"
    )
  },
  {
    reason: "No session has children: there are no subagents, swarms or sessions that control others",
    lines: lacks("swarm swarmEnabled ancestorSessions controlOwnerSessionKey goal")
  },
  {
    reason: "There is one thinking level, and the answer's `defaults` or the agent says so for all sessions",
    lines: lacks(
      "sessions[].thinkingLevels sessions[].thinkingOptions sessions[].thinkingDefault session.thinkingLevels session.thinkingOptions session.thinkingDefault thinkingLevel"
    )
  },
  {
    reason: "There is no fast mode, no usage line below replies, and no permission mode or choice of tools per session",
    lines: lacks(
      "effectiveFastMode effectiveFastModeSource fastAutoOnSeconds effectiveResponseUsage permissionMode permissionModePending defaultPermissionMode toolOverrides"
    )
  },
  {
    reason: "Sessions have a label and nothing else that decorates them: no icons, boards, notes, summaries, observers",
    lines: lacks(
      "icon color category autoLabel channelAvatarUrl boardPresentation agentStatus observerDigest activitySummary providerReview"
    )
  },
  {
    reason: "There are no automations and no background tasks",
    lines: lacks("hasAutomation tasks taskAudit")
  },
  {
    reason: "There are no automations, and their methods are absent: `cron list` says so",
    steps: /cron list/,
    lines: ["=exit code 1 for 0"]
  },
  {
    reason: "How much of the window is used is known from the last turn, not estimated before the next",
    lines: lacks("contextBudgetStatus contextTokensSource totalTokensVersion")
  },
  {
    reason: "How OpenClaw keeps a session, which no client needs: ours keeps it otherwise",
    lines: lacks(
      "systemSent createdVia lifecycleRevision sessionStartedAt delivery skillsSnapshot systemPromptReport restartRecoveryStatus sessionDiffBaseline skillLibrarySelections"
    )
  },
  { reason: "A transcript is a line, it has no branches to choose from", lines: lacks("activeLeafEntryId") },
  {
    reason: "`status`, `model` and `modelProvider` of a row are of the last turn, whether it runs or not",
    lines: lacks("activeModel activeModelProvider")
  },
  {
    reason: "There are no plugins",
    lines: lacks(
      "plugins.loaded[] pluginId optional controlUiWidgetKinds controlUiLinkReaders pluginSurfaceUrls includeProvenance"
    )
  },
  {
    reason: "There is one account for each provider, which the configuration names; none is chosen or set up by a page",
    lines: lacks("accountSelection providerCapabilities credentialSource")
  },
  {
    reason: "Skills are no chat commands here, and no command's choices are found when it is typed",
    lines: lacks("args[].dynamic skillDisplayName skillModelVisible clientPresentation")
  },
  { reason: "This program looks for no updates", lines: lacks("updateSchedule schedule effectiveChannel") },
  { reason: "Files are not taken with a message", lines: lacks("policy.attachments") },
  { reason: "There is no desktop to look at", lines: lacks("hostDesktop") },
  {
    reason: "Nothing is prepared, indexed or carried out in worker threads, so there is nothing to wait for",
    lines: lacks("modelRuntime workerPools cacheStatus eventLoop.cpuBreakdown")
  }
]

const wire: ReadonlyArray<Difference> = [
  {
    reason: "Not in the published schema of the protocol, which every answer of ours keeps to",
    steps: /channels\.status|channels status|hello-ok|presence|system\.info/,
    lines: lacks("statusIssues auth.method clientId eventLoop disks processMemory")
  },
  {
    reason:
      "There are no automations, no plugins that come late, and no updates, so there is nothing to announce of them",
    steps: /event (cron|chat\.metadata\.changed|skills\.changed|update\.available)$/,
    lines: ["- (all)"]
  },
  {
    reason: "The page would add a property to `connect` that the published schema refuses",
    steps: /event connect\.challenge/,
    lines: lacks("capabilities")
  },
  {
    reason: "The version is all that tells one build of this program from another",
    lines: lacks("server.buildId")
  },
  {
    reason: "A device whose token is lost is paired again; nothing else can recover it",
    lines: lacks("auth.recoveryScope auth.recoveryMigrationAllowed")
  },
  {
    reason:
      "`config.get` tells hash and revision; a change that waits for a restart is told in the log and in `config.patch`",
    lines: lacks("snapshot.appliedConfigHash")
  },
  {
    reason: "Of everybody it is told since when they are here",
    steps: /presence|hello-ok/,
    lines: adds("[].onlineSince")
  },
  {
    reason: "Of every session it is told, and not only once somebody has asked in a way that OpenClaw notes",
    steps: /sessions\.|chat\.|event session/,
    lines: adds("chatType lastActivityAt")
  },
  {
    reason: "The defaults are the same wherever they are told",
    steps: /chat\.(history|startup)/,
    lines: adds("defaults.thinkingLevels defaults.thinkingOptions defaults.thinkingDefault")
  },
  {
    reason: "Presence tells who is connected, not what they did last",
    lines: lacks("[].lastActivityAt presence[].lastActivityAt payload[].lastActivityAt")
  },
  {
    reason: "A tick comes every thirty seconds and health every minute, in whichever recording is going on then",
    steps: /event (tick|health)$/,
    lines: ["+ (all)", "- (all)"]
  },
  {
    reason: "Times of steps that OpenClaw's page shows to its developers",
    lines: lacks("serverTiming"),
    steps: /chat\.send/
  },
  { reason: "The same", steps: /event chat\.send_timing/, lines: ["- (all)"] },
  {
    reason: "Nothing has to be prepared before a turn, so it is not told",
    steps: /event chat$/,
    lines: lacks("phase")
  },
  {
    reason: "The page shows what the end of a turn used; ours tells it beside the message as well",
    steps: /event chat$/,
    lines: [...lacks("message.usage message.api"), "+ usage"]
  },
  {
    reason: "The event tells what happened; how it came to it is in the transcript and in the answer of `agent`",
    steps: /event agent/,
    lines: lacks(
      "lane sessionId data.itemId data.aborted data.outputTokens data.livenessState data.replayInvalid data.terminalReply data.terminalReceipt data.executionSettled"
    )
  },
  {
    reason: "The whole row is there beside `session`, not chosen fields of it",
    steps: /event session/,
    lines: adds(
      "key isMain classification lastInteractionAt activeRunIds[] derivedTitle lastMessagePreview snapshotAt isBackground session.activeRunIds"
    )
  },
  {
    reason: "The kind of API, the name that the provider gave its answer and what it cost are not kept",
    lines: lacks(
      "messages[].api message.api messages[].responseId message.responseId messages[].responseModel message.responseModel usage.cost usage.cacheRead usage.cacheWrite message.usage cacheRead cacheWrite"
    )
  },
  {
    reason: "A message has its id and its run beside its text and in `__openclaw`",
    lines: adds("messages[].id message.id messages[].runId message.runId")
  },
  {
    reason: "The position is `seq`, the time `timestamp`; by which client it came is not kept",
    lines: lacks(
      "__openclaw.recordTimestampMs __openclaw.transcriptPosition __openclaw.turnBoundary __openclaw.transport runId"
    ),
    steps: /chat\.history|chat\.startup|event session\.message/
  }
]

export const differences: ReadonlyArray<Difference> = [...features, ...wire, ...answers]
