/**
 * Which messages of a session a compaction replaces and which it keeps. Pure.
 */
import type { TranscriptMessage } from "../../../protocol/methods/chat.ts"
import type { SessionContext } from "../../../services/Sessions.ts"

export type Entry = SessionContext["entries"][number]

/** Tokens of the newest messages that are kept when `agents.defaults.compaction.keepRecentTokens` says nothing. */
export const KEEP_RECENT_TOKENS = 20_000

/** OpenClaw's words for it. */
export const ALREADY_COMPACTED = "Already compacted"
export const TOO_SMALL = "Nothing to compact (session too small)"

/** About how many tokens a text has: four Latin letters make one, each sign of Chinese, Japanese or Korean one. */
export const tokensOf = (text: string): number => {
  const wide = text.match(/[\u2E80-\u9FFF\uAC00-\uD7AF\uF900-\uFAFF\uFF00-\uFFEF]/g)?.length ?? 0
  return Math.ceil((text.length - wide) / 4) + wide
}

export const tokensOfMessage = ({ content }: TranscriptMessage): number =>
  tokensOf(typeof content === "string" ? content : JSON.stringify(content))

const sum = (entries: ReadonlyArray<Entry>): number =>
  entries.reduce((total, { message }) => total + tokensOfMessage(message), 0)

/** About how many tokens a model is told of a session. */
export const tokensOfContext = (summary: string | undefined, entries: ReadonlyArray<Entry>): number =>
  (summary === undefined ? 0 : tokensOf(summary)) + sum(entries)

export const isMarker = ({ message }: Entry): boolean => message.__openclaw?.kind === "compaction"

const isSaid = (entry: Entry): boolean => !isMarker(entry)

/** A result stays with its call: what is kept begins with what somebody said, or else with what the model did. */
const canBegin = ({ message }: Entry): boolean => message.role === "user" || message.role === "assistant"

export interface Plan {
  readonly older: ReadonlyArray<Entry>
  readonly kept: ReadonlyArray<Entry>
  /** The place of the last message that is replaced. */
  readonly through: number
}

/**
 * Keeps the newest messages of about `keepTokens`. Where that is all, it keeps the last message of somebody and what
 * follows; `reason` says why nothing older is there.
 */
export const planOf = (
  { entries, summary }: Pick<SessionContext, "entries" | "summary">,
  keepTokens: number
): Plan | { readonly reason: string } => {
  const said = entries.filter(isSaid)
  let room = keepTokens
  const beyond = said.findLastIndex(({ message }) => {
    room -= tokensOfMessage(message)
    return room < 0
  })
  const user = said.findIndex(({ message }, index) => index > beyond && message.role === "user")
  const fits = user < 0 ? said.findIndex((entry, index) => index > beyond && canBegin(entry)) : user
  const last = said.findLastIndex(({ message }) => message.role === "user")
  // One that alone is too much to be kept: nothing behind it can begin.
  const cut = beyond < 0 ? last : fits < 0 ? said.length : fits
  const through = said[cut - 1]?.seq
  if (cut <= 0 || through === undefined) {
    const newest = entries.at(-1)
    const isDone = summary !== undefined && (newest === undefined || said.length === 0 || isMarker(newest))
    return { reason: isDone ? ALREADY_COMPACTED : TOO_SMALL }
  }
  return { older: said.slice(0, cut), kept: said.slice(cut), through }
}
