/**
 * What the bot says by itself: told once, and tried again as long as that tells nothing twice, also after a restart.
 */
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import { ChannelAccess, Channels } from "../../services/ChannelRouter.ts"
import { stored } from "../turns/Patience.ts"
import { defaultPolicy, deliverPatiently } from "./deliverPatiently.ts"
import type { Inbox, Reply } from "./Inbox.ts"

/** Says things until the scope closes; what is not said by then stays in the inbox. */
export const make = Effect.fnUntraced(function* (inbox: Inbox, accountId: string) {
  const access = yield* ChannelAccess
  const channels = yield* Channels
  const speaking = yield* FiberMap.make<number>()

  const deliver = Effect.fnUntraced(function* ({ code, message }: Reply) {
    // The account may have another name by now.
    const peer = { ...message.peer, accountId }
    const what = `a reply to chat ${peer.chatId} on ${peer.channel}`
    const isDelivered = yield* deliverPatiently(channels, { ...message, peer }, defaultPolicy, what).pipe(
      Effect.as(true),
      Effect.catch((error) => Effect.as(Effect.logWarning(`${what} was not delivered: ${error.message}`), false))
    )
    if (isDelivered && code !== undefined) {
      yield* stored("noting that a code arrived", access.delivered(peer.channel, code))
    }
  })

  /** Says something without holding up the messages behind it. What is being said is not said twice. */
  const say = (seq: number, reply: Reply) =>
    FiberMap.run(
      speaking,
      seq,
      deliver(reply).pipe(
        Effect.catchDefect((defect) => Effect.logError("a reply died on its way", defect)),
        Effect.andThen(stored("noting a reply", inbox.said(seq)))
      ),
      { onlyIfMissing: true }
    )

  const sayAll = Effect.gen(function* () {
    for (const { reply, seq } of yield* inbox.owed) yield* say(seq, reply)
  })

  return { say, sayAll }
})
