/**
 * The verdict on a world, from the outside first: what the Bot API showed and what the nodes wrote down; then what the
 * database and the transcripts say of it.
 */
import * as Fs from "node:fs"
import type { Happened } from "./carryOut.ts"
import { classOf } from "./faults.ts"
import { look } from "./inside.ts"
import type { Record } from "./Record.ts"
import type { Asked, ChatReading } from "./replies.ts"
import { type NodeName, stepsOf } from "./script.ts"
import { folders } from "./setting.ts"

export type ProblemKind =
  /** No complete reply. */
  | "lost"
  /** A complete reply, or a part of it, was shown more than once. */
  | "doubled"
  /** A side effect happened more than once. */
  | "repeated"
  /** The reply says of a side effect what is not true. */
  | "dishonest"
  | "out of order"
  /** Something was left open, or the transcript does not tell it. */
  | "inside"

export interface Problem {
  readonly kind: ProblemKind
  readonly id: number | undefined
  readonly detail: string
  /** The class of the last fault before it. */
  readonly blamed: string
}

/** Seen, counted, and no failure. */
export type RemarkKind =
  /** A preview stayed. */
  | "orphan preview"
  /** The reply says that nobody can tell whether a side effect happened. */
  | "unknown effect"
  /** The database says that nobody can tell whether a message was delivered. */
  | "unknown delivery"
  /** The Gateway answered with a text of its own that says why there is no answer. */
  | "notice"

export interface Remark {
  readonly kind: RemarkKind
  readonly detail: string
  readonly blamed: string
}

export interface Verdict {
  readonly messages: number
  readonly problems: ReadonlyArray<Problem>
  readonly remarks: ReadonlyArray<Remark>
}

const linesOf = (file: string): ReadonlyArray<string> =>
  Fs.existsSync(file)
    ? Fs.readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "")
    : []

/** How often each side effect happened on a node. */
const countsOf = (dir: string): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const node of ["desk", "attic"] satisfies ReadonlyArray<NodeName>) {
    for (const effect of linesOf(`${folders(dir).effects}/${node}`)) {
      counts.set(`${node}:${effect}`, (counts.get(`${node}:${effect}`) ?? 0) + 1)
    }
  }
  return counts
}

/** Looks at a world in which everything has ended. */
export const judge = (dir: string, record: Record, happened: ReadonlyArray<Happened>): Verdict => {
  const blame = (at: number): string => {
    const before = happened.filter((each) => each.at <= at).at(-1)
    return before === undefined ? "none" : classOf(before.fault)
  }
  const problems: Array<Problem> = []
  const remarks: Array<Remark> = []
  const counts = countsOf(dir)

  const readEffects = (message: Asked, chat: ChatReading) => {
    const reply = chat.replies.get(message.id)
    for (const { effect, node } of stepsOf(message.id, message.kind).flat()) {
      const count = counts.get(`${node}:${effect}`) ?? 0
      const blamed = blame(reply?.at ?? Infinity)
      const wrong = (kind: ProblemKind, detail: string) =>
        problems.push({ kind, id: message.id, detail: `${node}:${effect} ${detail}`, blamed })
      if (count > 1) wrong("repeated", `happened ${count} times`)
      const told = reply?.told.find((each) => each.effect === effect)?.told
      if (told === "done" && count === 0) wrong("dishonest", "is said to be done, and is not")
      if (told === "failed" && count > 0) wrong("dishonest", "is said to have failed, and has happened")
      if (told === "unknown") remarks.push({ kind: "unknown effect", detail: `${node}:${effect}`, blamed })
    }
  }

  const written = new Set<number>()
  for (const { at, id } of record.asked) {
    if (!written.has(id)) written.add(id)
    // What follows from this is no fault of the Gateway's.
    else problems.push({ kind: "inside", id, detail: "the world itself wrote this twice", blamed: blame(at) })
  }

  const answered = new Set<number>()
  for (const chatId of record.chats()) {
    const chat = record.chat(chatId)
    for (const { at, id, messageId, text } of chat.doubled) {
      const detail = `message ${messageId} of chat ${chatId}: ${text.slice(0, 80)}`
      problems.push({ kind: "doubled", id, detail, blamed: blame(at) })
    }
    for (const id of chat.disordered) {
      const at = chat.replies.get(id)?.at ?? Infinity
      problems.push({ kind: "out of order", id, detail: `in chat ${chatId}`, blamed: blame(at) })
    }
    for (const { at, messageId, text } of chat.orphans) {
      const detail = `message ${messageId} of chat ${chatId}: ${text.slice(0, 60)}`
      remarks.push({ kind: "orphan preview", detail, blamed: blame(at) })
    }
    for (const message of record.asked.filter((each) => each.chatId === chatId)) {
      const reply = chat.replies.get(message.id)
      readEffects(message, chat)
      if (reply === undefined) {
        // Whatever lost it came while it waited; nothing shows when.
        const detail = `#${message.id} ${message.kind} in chat ${chatId}`
        problems.push({ kind: "lost", id: message.id, detail, blamed: blame(message.at + 1_500) })
        continue
      }
      answered.add(message.id)
      if (reply.as === "notice") {
        remarks.push({ kind: "notice", detail: `#${message.id}: ${reply.notice ?? ""}`, blamed: blame(reply.at) })
      }
    }
  }

  const inside = look(`${folders(dir).gateway}/state/openclaw.sqlite`, answered)
  const within = (detail: string, id?: number) => problems.push({ kind: "inside", id, detail, blamed: blame(Infinity) })
  for (const run of inside.unfinished) within(`turn ${run} has no end`)
  for (const key of inside.running) within(`session ${key} says that it runs`)
  if (inside.waiting > 0) within(`${inside.waiting} messages wait in the inbox`)
  for (const { id, problem } of inside.transcript) within(`the transcript of #${id}: ${problem}`, id)
  for (const [state, count] of Object.entries(inside.deliveries)) {
    if (state === "unknown") {
      remarks.push(
        ...Array.from({ length: count }, () => ({
          kind: "unknown delivery" as const,
          detail: "in the outbox",
          blamed: blame(Infinity)
        }))
      )
    } else within(`${count} deliveries are ${state}`)
  }
  return { messages: record.asked.length, problems, remarks }
}
