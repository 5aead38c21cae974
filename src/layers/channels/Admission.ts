/**
 * What becomes of one message: policy, then a command or a turn. It may run twice for the same message, when the process
 * died before the inbox noted that it was done; the turn's id makes the second time harmless.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import { RunId } from "../../domain/Ids.ts"
import * as SessionKey from "../../domain/SessionKey.ts"
import type { InboundMessage, Peer } from "../../services/Channel.ts"
import { ChannelAccess, Channels } from "../../services/ChannelRouter.ts"
import { Config } from "../../services/Config.ts"
import { defaultAgentId, type OpenClawConfig } from "../../services/ConfigSchema.ts"
import { Sessions } from "../../services/Sessions.ts"
import { Turns } from "../../services/Turns.ts"
import { type ParsedCommand, parseCommand } from "./chatCommands.ts"
import { decide, policyOf } from "./policy.ts"
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
export const runIdOf = (message: InboundMessage): RunId =>
  RunId.make(`${message.peer.channel}:${message.source}:${message.updateId}`)

interface Accepted {
  readonly message: InboundMessage
  readonly config: OpenClawConfig
  readonly sessionKey: SessionKey.SessionKey
  /** Unix milliseconds. */
  readonly receivedAt: number
}

export const make = Effect.fnUntraced(function* (sending: FiberSet.FiberSet) {
  const access = yield* ChannelAccess
  const channels = yield* Channels
  const config = yield* Config
  const sessions = yield* Sessions
  const turns = yield* Turns

  /** Says something without holding up the messages behind it. */
  const say = (peer: Peer, text: string) =>
    FiberSet.run(
      sending,
      channels
        .deliver({ peer, text })
        .pipe(
          Effect.catchCause((cause) =>
            Effect.logWarning(`a reply to chat ${peer.chatId} on ${peer.channel} was not delivered`, cause)
          )
        )
    )

  const pair = Effect.fnUntraced(function* ({ peer, sender }: InboundMessage) {
    const answer = yield* access.request({
      channel: peer.channel,
      accountId: peer.accountId,
      senderId: sender.id,
      ...(sender.displayName === undefined ? undefined : { displayName: sender.displayName }),
      ...(sender.username === undefined ? undefined : { username: sender.username })
    })
    if (answer === undefined)
      return yield* Effect.logInfo(`too many people wait to be let in; ${sender.id} gets no code`)
    if (!answer.created) return
    yield* Effect.logInfo(`${sender.id} asks to be let in; \`openclaw pairing list ${peer.channel}\` shows the code`)
    yield* say(peer, replies.pairing(answer.request))
  })

  const submit = Effect.fnUntraced(function* (accepted: Accepted, text: string) {
    const { config, message, receivedAt, sessionKey } = accepted
    const { peer, sender } = message
    yield* sessions
      .touch(sessionKey, { channel: peer.channel, accountId: peer.accountId, chatType: peer.chatType })
      .pipe(
        Effect.catch((error) => Effect.logWarning(`where ${sessionKey} comes from was not noted: ${error.message}`))
      )
    const isNew = yield* turns.submit({
      runId: runIdOf(message),
      sessionKey,
      agentId: defaultAgentId(config),
      text,
      receivedAt,
      sender: {
        id: sender.id,
        ...(sender.displayName === undefined ? undefined : { displayName: sender.displayName })
      },
      replyTo: { peer }
    })
    yield* Effect.logDebug(isNew ? "a turn was submitted" : "this turn was submitted before")
  })

  const anew = Effect.fnUntraced(function* (accepted: Accepted, command: "new" | "reset", rest: string) {
    const { message, sessionKey } = accepted
    yield* turns.abort(sessionKey, { origin: "stop" })
    const isReset = yield* sessions.reset(sessionKey).pipe(
      Effect.as(true),
      Effect.catch((error) => Effect.as(Effect.logError(`${sessionKey} was not reset: ${error.message}`), false))
    )
    if (!isReset) return yield* say(message.peer, replies.sessionNotReset)
    return yield* rest === "" ? say(message.peer, replies.sessionAnew(command)) : submit(accepted, rest)
  })

  const run = Effect.fnUntraced(function* (accepted: Accepted, { command, rest }: ParsedCommand) {
    const { message, sessionKey } = accepted
    switch (command) {
      case "help":
        return yield* say(message.peer, replies.help)
      case "stop":
        return yield* say(message.peer, replies.stopped((yield* turns.abort(sessionKey, { origin: "stop" })).length))
      case "new":
      case "reset":
        return yield* anew(accepted, command, rest)
      case "status": {
        const isRunning = (yield* turns.inFlight(sessionKey)) !== undefined
        return yield* say(message.peer, replies.status({ sessionKey, isRunning, active: yield* turns.active }))
      }
    }
  })

  /** Deals with one message. Fails when it must be tried again. */
  return Effect.fn("ChannelRouter.admit")(function* (message: InboundMessage, receivedAt: number) {
    const { peer } = message
    // A file that never was good admits nobody.
    const current = yield* config.get
    const policy = policyOf(current, peer.channel, peer.accountId)
    const paired = peer.chatType === "direct" ? yield* access.allowed(peer.channel, peer.accountId) : []
    const decision = decide(policy, message, paired)
    switch (decision.kind) {
      case "drop":
        return yield* Effect.logDebug(
          `a message of ${message.sender.id} in ${peer.chatId} is dropped: ${decision.reason}`
        )
      case "pair":
        return yield* pair(message)
      case "admit": {
        const accepted: Accepted = { message, config: current, sessionKey: sessionKeyOf(current, message), receivedAt }
        const command = parseCommand(message.text)
        yield* command === undefined ? submit(accepted, message.text) : run(accepted, command)
      }
    }
  })
})
