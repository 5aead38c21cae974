/**
 * Where the reply to what a node asked goes: to the chat that its session was last spoken in, as long as whoever wrote there
 * may still write to the bot.
 */
import * as Effect from "effect/Effect"
import type { SessionKey } from "../../domain/SessionKey.ts"
import type { NodeAgentRequest } from "../../protocol/NodeEvents.ts"
import type { Peer } from "../../services/Channel.ts"
import { ChannelAccess, Channels } from "../../services/ChannelRouter.ts"
import { Config } from "../../services/Config.ts"
import { DestinationNotAllowed } from "../../services/NodeTurns.ts"
import { Sessions } from "../../services/Sessions.ts"
import { decide, policyOf } from "../channels/policy.ts"

const isSame = (a: Peer, b: Peer): boolean =>
  a.channel === b.channel && a.accountId === b.accountId && a.chatId === b.chatId && a.threadId === b.threadId

export const make = Effect.gen(function* () {
  const access = yield* ChannelAccess
  const channels = yield* Channels
  const config = yield* Config
  const sessions = yield* Sessions

  /** Whether a message of this person in this chat would be answered now. */
  const isAdmitted = Effect.fnUntraced(function* (peer: Peer, senderId: string) {
    const policy =
      (yield* channels.policy(peer.channel, peer.accountId)) ??
      policyOf(yield* config.get, peer.channel, peer.accountId)
    const paired = peer.chatType === "direct" ? yield* access.allowed(peer.channel, peer.accountId) : []
    return decide(policy, { peer, sender: { id: senderId }, addressed: true }, paired).kind === "admit"
  })

  /** As the channel that is there now reads it. */
  const resolve = ({ accountId, channel, chatId, threadId }: Peer) =>
    channels.resolve({ channel, accountId, to: chatId, ...(threadId === undefined ? undefined : { threadId }) })

  /** The session's own chat; `undefined` when there is none, its channel is gone, or its people may not write any more. */
  const last = Effect.fnUntraced(function* (sessionKey: SessionKey) {
    const route = yield* sessions.route(sessionKey)
    if (route === undefined) return undefined
    const { peer, senderId } = route
    const isThere = yield* Effect.isSuccess(resolve(peer))
    return isThere && (yield* isAdmitted(peer, senderId)) ? peer : undefined
  })

  /** What a request names, if it may; without a destination the session's own chat. */
  const named = Effect.fnUntraced(function* (sessionKey: SessionKey, { channel, to }: NodeAgentRequest) {
    const own = yield* last(sessionKey)
    const wanted = to?.trim() ?? ""
    if (wanted === "") return own
    const via = channel?.trim() ?? ""
    const peer = yield* channels
      .resolve({ to: wanted, ...(via === "" ? undefined : { channel: via }) })
      .pipe(Effect.mapError(({ message }) => new DestinationNotAllowed({ reason: message })))
    if (own !== undefined && isSame(own, peer)) return own
    // In a direct chat its id is that of the person.
    if (peer.chatType === "direct" && (yield* isAdmitted(peer, peer.chatId))) return peer
    return yield* new DestinationNotAllowed({
      reason: "it is neither the chat that the session was last spoken in nor a person who may write to the bot"
    })
  })

  return { last, named }
})
