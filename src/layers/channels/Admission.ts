/**
 * What becomes of one message: policy, then a command or a turn.
 *
 * What it changes is changed in one transaction with the inbox's note that the message is dealt with, so a message that comes
 * up again after a crash has done nothing yet. What cannot be in a transaction (a reply, a turn that has to stop) follows the
 * commit.
 */
import * as Effect from "effect/Effect"
import { RunId } from "../../domain/Ids.ts"
import * as SessionKey from "../../domain/SessionKey.ts"
import type { ChannelPolicy, InboundMessage } from "../../services/Channel.ts"
import { ChannelAccess } from "../../services/ChannelRouter.ts"
import { Config } from "../../services/Config.ts"
import { defaultAgentId, type OpenClawConfig } from "../../services/ConfigSchema.ts"
import { ExecApprovals } from "../../services/ExecApprovals.ts"
import { type QueueSetting, queueSettingOf, STEER } from "../../services/Queue.ts"
import { Sessions } from "../../services/Sessions.ts"
import { type TurnRequest, Turns } from "../../services/Turns.ts"
import { approve } from "./approveCommand.ts"
import { focusOn, type ParsedCommand, parseCommand } from "./chatCommands.ts"
import { type Inbox, keyOf } from "./Inbox.ts"
import { type Decision, decide, policyOf } from "./policy.ts"
import { overridden, parseQueue, queueShown, queueUsage } from "./queueCommand.ts"
import * as replies from "./replies.ts"

/** Which conversation a message belongs to. */
export const sessionKeyOf = (config: OpenClawConfig, message: InboundMessage): SessionKey.SessionKey => {
  const { peer, sender } = message
  const agentId = defaultAgentId(config)
  if (peer.chatType !== "direct") return SessionKey.group(agentId, peer.channel, peer.chatId, peer.threadId)
  const scope = config.session?.dmScope ?? "main"
  return scope === "main"
    ? SessionKey.main(agentId, config.session?.mainKey)
    : SessionKey.direct(agentId, scope, { channel: peer.channel, accountId: peer.accountId, peerId: sender.id })
}

/** The turn's id: the same message always makes the same turn. */
export const runIdOf = (message: Pick<InboundMessage, "messageId" | "peer" | "source">): RunId =>
  RunId.make(`${message.peer.channel}:${message.source}:${keyOf(message)}`)

/** What was decided about a message, before anything changes. */
export interface Verdict {
  readonly message: InboundMessage
  readonly decision: Decision
  readonly config: OpenClawConfig
  /** Unix milliseconds. */
  readonly receivedAt: number
}

/** What is left to do once the change is committed. */
export interface Deed {
  readonly reply?: { readonly text: string; readonly code?: string }
  readonly carryOut?: Effect.Effect<void>
}

interface Accepted extends Verdict {
  readonly sessionKey: SessionKey.SessionKey
}

const nothing: Deed = {}

export const make = Effect.gen(function* () {
  const access = yield* ChannelAccess
  const config = yield* Config
  const sessions = yield* Sessions
  const turns = yield* Turns
  const approvals = yield* ExecApprovals

  const judge = Effect.fn("ChannelRouter.judge")(function* (
    message: InboundMessage,
    receivedAt: number,
    own?: ChannelPolicy
  ) {
    const { peer } = message
    // A file that never was good admits nobody.
    const current = yield* config.get
    const policy = own ?? policyOf(current, peer.channel, peer.accountId)
    const paired = peer.chatType === "direct" ? yield* access.allowed(peer.channel, peer.accountId) : []
    return { message, decision: decide(policy, message, paired), config: current, receivedAt } satisfies Verdict
  })

  /** The code is told until it has arrived once. */
  const pair = Effect.fnUntraced(function* ({ peer, sender }: InboundMessage, inbox: Inbox) {
    const answer = yield* access.request({
      channel: peer.channel,
      accountId: peer.accountId,
      senderId: sender.id,
      ...(sender.displayName === undefined ? undefined : { displayName: sender.displayName }),
      ...(sender.username === undefined ? undefined : { username: sender.username })
    })
    if (answer === undefined) {
      yield* Effect.logInfo(`too many people wait to be let in; ${sender.id} gets no code`)
      return nothing
    }
    const { created, delivered, request } = answer
    if (created) {
      yield* Effect.logInfo(`${sender.id} asks to be let in; \`openclaw pairing list ${peer.channel}\` shows the code`)
    }
    if (delivered || (yield* inbox.owesCode(request.code))) return nothing
    return { reply: { text: replies.pairing(request), code: request.code } } satisfies Deed
  })

  /** What the session was told by `/queue`; without it the configuration's word holds. */
  const overrideOf = (sessionKey: SessionKey.SessionKey) =>
    Effect.catch(sessions.queue(sessionKey), (error) =>
      Effect.as(Effect.logWarning(`how ${sessionKey} queues was not read: ${error.message}`), undefined)
    )

  /** Without `queue` the message has a turn of its own, whatever runs. */
  const submit = Effect.fnUntraced(function* (
    accepted: Accepted,
    text: string,
    queue?: QueueSetting,
    compact?: TurnRequest["compact"]
  ) {
    const { config, message, receivedAt, sessionKey } = accepted
    const { peer, sender } = message
    yield* sessions
      .touch(sessionKey, {
        channel: peer.channel,
        accountId: peer.accountId,
        chatType: peer.chatType,
        route: { peer, senderId: sender.id }
      })
      .pipe(
        Effect.catch((error) => Effect.logWarning(`where ${sessionKey} comes from was not noted: ${error.message}`))
      )
    const isNew = yield* turns
      .submit(
        {
          runId: runIdOf(message),
          sessionKey,
          agentId: defaultAgentId(config),
          text,
          receivedAt,
          sender: {
            id: sender.id,
            ...(sender.displayName === undefined ? undefined : { displayName: sender.displayName })
          },
          replyTo: { peer },
          ...(compact === undefined ? undefined : { compact })
        },
        queue
      )
      // The id is the channel's: the same message again, which the configuration now sends elsewhere.
      .pipe(Effect.catchTag("RunIdConflict", () => Effect.succeed(false)))
    yield* Effect.logDebug(isNew ? "a turn was submitted" : "this turn was submitted before")
    return nothing
  })

  const inLine = Effect.fnUntraced(function* (accepted: Accepted, text: string) {
    const { config, message, sessionKey } = accepted
    return yield* submit(accepted, text, queueSettingOf(config, message.peer.channel, yield* overrideOf(sessionKey)))
  })

  const steer = Effect.fnUntraced(function* (accepted: Accepted, text: string) {
    if (text === "") return { reply: { text: replies.nothingToSay } } satisfies Deed
    return yield* submit(accepted, text, STEER)
  })

  const queue = Effect.fnUntraced(function* ({ config, message, sessionKey }: Accepted, rest: string) {
    const asked = parseQueue(rest)
    if (asked === undefined) return { reply: { text: queueUsage } } satisfies Deed
    const before = yield* overrideOf(sessionKey)
    const override = overridden(before, asked)
    if (asked.kind !== "show") yield* sessions.setQueue(sessionKey, override)
    const setting = queueSettingOf(config, message.peer.channel, override)
    return { reply: { text: queueShown(setting, override !== undefined) } } satisfies Deed
  })

  const anew = Effect.fnUntraced(function* (accepted: Accepted, command: "new" | "reset", rest: string) {
    const { message, sessionKey } = accepted
    if (yield* turns.knows(runIdOf(message))) return nothing
    const { carryOut } = yield* turns.requestAbort(sessionKey, { origin: "stop", seal: true })
    const isReset = yield* sessions.reset(sessionKey).pipe(
      Effect.as(true),
      Effect.catch((error) => Effect.as(Effect.logError(`${sessionKey} was not reset: ${error.message}`), false))
    )
    if (!isReset) return { carryOut, reply: { text: replies.sessionNotReset } } satisfies Deed
    if (rest === "") return { carryOut, reply: { text: replies.sessionAnew(command) } } satisfies Deed
    yield* submit(accepted, rest)
    return { carryOut } satisfies Deed
  })

  const run = Effect.fnUntraced(function* (accepted: Accepted, { command, rest }: ParsedCommand) {
    const { sessionKey } = accepted
    switch (command) {
      case "help":
        return { reply: { text: replies.help } } satisfies Deed
      case "stop": {
        const { carryOut, runIds } = yield* turns.requestAbort(sessionKey, { origin: "stop" })
        return { carryOut, reply: { text: replies.stopped(runIds.length) } } satisfies Deed
      }
      case "new":
      case "reset":
        return yield* anew(accepted, command, rest)
      case "steer":
        return yield* steer(accepted, rest)
      case "queue":
        return yield* queue(accepted, rest)
      case "compact":
        return yield* submit(accepted, accepted.message.text, undefined, focusOn(rest))
      case "approve": {
        const { carryOut, text } = yield* approve(approvals, accepted.config, accepted.message, rest)
        return { reply: { text }, ...(carryOut === undefined ? undefined : { carryOut }) } satisfies Deed
      }
      case "status": {
        const isRunning = (yield* turns.inFlight(sessionKey)) !== undefined
        const text = replies.status({ sessionKey, isRunning, active: yield* turns.active })
        return { reply: { text } } satisfies Deed
      }
    }
  })

  /** Makes the change, as part of the caller's transaction. */
  const act = Effect.fn("ChannelRouter.act")(function* (
    verdict: Verdict,
    inbox: Inbox
  ): Effect.fn.Return<Deed, Effect.Error<ReturnType<typeof pair>> | Effect.Error<ReturnType<typeof run>>> {
    const { config, decision, message } = verdict
    switch (decision.kind) {
      case "drop":
        yield* Effect.logDebug(
          `a message of ${message.sender.id} in ${message.peer.chatId} is dropped: ${decision.reason}`
        )
        return nothing
      case "pair":
        return yield* pair(message, inbox)
      case "admit": {
        const accepted: Accepted = { ...verdict, sessionKey: sessionKeyOf(config, message) }
        const command = parseCommand(message.text)
        return yield* command === undefined ? inLine(accepted, message.text) : run(accepted, command)
      }
    }
  })

  return { judge, act }
})
