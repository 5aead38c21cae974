/**
 * Where a message goes, as the Bot API wants to be told.
 */
import type { OutboundMessage, Peer } from "../../services/Channel.ts"
import { generalTopic } from "./Updates.ts"

export const threadOf = (peer: Peer): { readonly message_thread_id?: number } => {
  const id = Number(peer.threadId)
  return peer.threadId === undefined || !Number.isSafeInteger(id) ? {} : { message_thread_id: id }
}

/** Telegram refuses messages that name the general topic, and shows no typing there unless it is named. */
const messageThreadOf = (peer: Peer) =>
  peer.chatType === "group" && peer.threadId === generalTopic ? {} : threadOf(peer)

/** Where a message goes; the first of its parts names what it answers. */
export const destinationOf = ({ peer, replyToMessageId, silent }: OutboundMessage, first: boolean) => {
  const replyTo = Number(replyToMessageId)
  return {
    chat_id: peer.chatId,
    ...messageThreadOf(peer),
    ...(silent === true ? { disable_notification: true } : undefined),
    ...(first && replyToMessageId !== undefined && Number.isSafeInteger(replyTo)
      ? { reply_parameters: { message_id: replyTo, allow_sending_without_reply: true } }
      : undefined)
  }
}
