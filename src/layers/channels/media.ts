/**
 * The files of messages in the outbox: kept before their message is, and gone after it.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { DeliveryFailed, type OutboundMedia, type OutboundMessage, type Peer } from "../../services/Channel.ts"
import type { MediaToSend } from "../../services/ChannelRouter.ts"
import { OutboundFiles } from "../../services/OutboundFiles.ts"
import { messageOf, type Row } from "./OutboxRows.ts"

/** Without `OutboundFiles` nothing is kept, and messages with files are refused. */
export const make = Effect.gen(function* () {
  const files = Option.getOrUndefined(yield* Effect.serviceOption(OutboundFiles))

  const refused = (peer: Peer, message: string) =>
    new DeliveryFailed({ channel: peer.channel, to: peer.chatId, message, outcome: "refused" })

  /** Of one message: the same key with the same bytes has the same file, any other another. */
  const idOf = (key: string, { bytes }: MediaToSend, index: number) =>
    createHash("sha256").update(`${index}:${key.length}:${key}`).update(bytes).digest("hex")

  /** Keeps what a message is to show. `limit`: the biggest file that its channel sends. */
  const keep = Effect.fnUntraced(function* (
    peer: Peer,
    key: string,
    media: ReadonlyArray<MediaToSend>,
    limit: number | undefined
  ) {
    if (media.length === 0) return []
    if (limit === undefined) return yield* refused(peer, `${peer.channel} sends no files; send text`)
    if (files === undefined) return yield* refused(peer, "this Gateway keeps no files, so it sends none; send text")
    for (const { bytes, name } of media) {
      if (bytes.length === 0) return yield* refused(peer, `the file ${name} is empty`)
      if (bytes.length > limit) {
        return yield* refused(peer, `the file ${name} has ${bytes.length} bytes; ${peer.channel} takes ${limit}`)
      }
    }
    return yield* Effect.forEach(media, (each, index) => {
      const { asDocument, bytes, mimeType, name } = each
      const id = idOf(key, each, index)
      return Effect.as(files.keep(id, bytes), {
        id,
        name,
        mimeType,
        size: bytes.length,
        ...(asDocument === undefined ? undefined : { asDocument })
      } satisfies OutboundMedia)
    }).pipe(
      Effect.mapError(
        ({ message }) => new DeliveryFailed({ channel: peer.channel, to: peer.chatId, message, outcome: "never-sent" })
      )
    )
  })

  /** Files of a message that is sent or given up. */
  const forget = (message: Pick<OutboundMessage, "media">) =>
    files === undefined || message.media === undefined
      ? Effect.void
      : Effect.forEach(message.media, ({ id }) => files.forget(id), { discard: true }).pipe(
          Effect.catch(({ message: trouble }) => Effect.logWarning(trouble))
        )

  const read = ({ id }: OutboundMedia) =>
    files === undefined
      ? Effect.undefined
      : files.read(id).pipe(Effect.catch(({ message }) => Effect.as(Effect.logWarning(message), undefined)))

  /**
   * Takes away what no message has any more, as a crash may leave it. `rows`: all that are open. Nothing while one of them
   * cannot be read: another release may read it, and send its files.
   */
  const sweep = Effect.fnUntraced(function* (rows: ReadonlyArray<Pick<Row, "key" | "message">>) {
    if (files === undefined) return
    const used = new Set<string>()
    for (const row of rows) {
      if (row.message === null) continue
      const message = yield* messageOf(row)
      if (message === undefined) return
      for (const { id } of message.media ?? []) used.add(id)
    }
    for (const id of yield* files.ids) if (!used.has(id)) yield* files.forget(id)
  })

  return { keep, forget, read, sweep }
})
