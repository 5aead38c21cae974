/**
 * What the world's outside has seen so far, read from the Bot API's journal while it is written.
 */
import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import type { SentMessage } from "../../src/testing/BotApi.ts"
import * as Journal from "../../src/testing/bot-api/Journal.ts"
import { State } from "../../src/testing/bot-api/State.ts"
import { type Asked, type ChatReading, readChat } from "./replies.ts"
import { type Kind, messageIn } from "./script.ts"

export interface ApiCall {
  readonly at: number
  readonly method: string
}

export interface Record {
  /** Reads on. */
  readonly follow: Effect.Effect<void>
  /** What people wrote, in the order of arrival. */
  readonly asked: ReadonlyArray<Asked>
  /** Ids that have no reply yet. */
  readonly open: ReadonlySet<number>
  readonly calls: ReadonlyArray<ApiCall>
  readonly chat: (chatId: number) => ChatReading
  readonly chats: () => ReadonlyArray<number>
}

const chunkBytes = 1 << 20

/** Follows a journal from its beginning, until the scope closes. The file need not be there yet. */
export const make = Effect.fnUntraced(function* (file: string) {
  const state = new State("0:none", { id: 424242, is_bot: true, first_name: "Test Bot", username: "test_claw_bot" })
  const asked: Array<Asked> = []
  const calls: Array<ApiCall> = []
  const open = new Set<number>()
  const byChat = new Map<number, Array<Asked>>()
  const kinds = new Map<number, Kind>()
  const kindOf = (id: number) => kinds.get(id)
  const buffer = Buffer.alloc(chunkBytes)
  const fd = yield* Effect.acquireRelease(
    Effect.sync(() => Fs.openSync(file, "a+", 0o600)),
    (opened) => Effect.sync(() => Fs.closeSync(opened))
  )
  let position = 0
  let rest: Uint8Array = new Uint8Array()

  const chat = (chatId: number) =>
    readChat(
      byChat.get(chatId) ?? [],
      state.sent.filter((message) => message.chatId === chatId),
      kindOf
    )

  /** Reads a chat from its first open message on, and closes what has its reply. */
  const close = (chatId: number) => {
    const waiting = (byChat.get(chatId) ?? []).filter(({ id }) => open.has(id))
    const from = waiting[0]?.messageId ?? Infinity
    const sent: Array<SentMessage> = []
    for (let at = state.sent.length - 1; at >= 0 && state.sent[at]!.messageId > from; at--) {
      const message = state.sent[at]!
      if (message.chatId === chatId) sent.push(message)
    }
    for (const id of readChat(waiting, sent, kindOf).replies.keys()) open.delete(id)
  }

  const see = Effect.fnUntraced(function* (line: string) {
    const entry = yield* Effect.orDie(Journal.parse(line))
    yield* Journal.apply(state, entry)
    if ("text" in entry) {
      const message = messageIn(entry.text.text)
      if (message === undefined) return
      const chatId = entry.text.from.id
      const each = { ...message, chatId, messageId: state.nextMessageId - 1, at: entry.at }
      asked.push(each)
      open.add(each.id)
      kinds.set(each.id, each.kind)
      const known = byChat.get(chatId)
      if (known === undefined) byChat.set(chatId, [each])
      else known.push(each)
    } else if ("call" in entry) {
      calls.push({ at: entry.at, method: entry.call })
      const chatId = Number(entry.params["chat_id"])
      if (!/^(?:send(?!Chat)|edit)/.test(entry.call) || !byChat.has(chatId)) return
      close(chatId)
    }
  })

  const follow = Effect.gen(function* () {
    for (;;) {
      const read = Fs.readSync(fd, buffer, 0, chunkBytes, position)
      if (read === 0) return
      position += read
      const bytes = Buffer.concat([rest, buffer.subarray(0, read)])
      const end = bytes.lastIndexOf(10) + 1
      rest = bytes.subarray(end)
      for (const line of bytes.toString("utf8", 0, end).split("\n")) if (line !== "") yield* see(line)
    }
  })
  const record: Record = { follow, asked, open, calls, chat, chats: () => [...byChat.keys()] }
  return record
})
