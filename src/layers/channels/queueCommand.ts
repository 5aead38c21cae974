/**
 * `/queue`: what a session does with messages that come while it is busy, as people write and read it.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { QueueDrop, QueueMode, type QueueOverride, type QueueSetting } from "../../services/Queue.ts"

/** What was asked for; `undefined` when it cannot be read. */
export type QueueCommand =
  | { readonly kind: "show" }
  | { readonly kind: "clear" }
  | { readonly kind: "set"; readonly override: QueueOverride }

const decodeMode = Schema.decodeUnknownOption(QueueMode)
const decodeDrop = Schema.decodeUnknownOption(QueueDrop)

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const longestMs = 86_400_000

/** `500`, `0.5s`, `2m`: milliseconds, at most a day. */
const milliseconds = (text: string): number | undefined => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text)
  if (match === null) return undefined
  const value = Math.round(Number(match[1]) * units[match[2] ?? "ms"]!)
  return value <= longestMs ? value : undefined
}

const option = (word: string): QueueOverride | undefined => {
  const [name, value = ""] = word.split(":", 2)
  switch (name) {
    case "debounce": {
      const debounceMs = milliseconds(value)
      return debounceMs === undefined ? undefined : { debounceMs }
    }
    case "cap":
      return /^[1-9]\d{0,5}$/.test(value) ? { cap: Number(value) } : undefined
    case "drop":
      return Option.match(decodeDrop(value), { onNone: () => undefined, onSome: (drop) => ({ drop }) })
    default:
      return Option.match(decodeMode(word), { onNone: () => undefined, onSome: (mode) => ({ mode }) })
  }
}

/** Reads what follows `/queue`: nothing, `default`, or a mode and options in any order. */
export const parseQueue = (rest: string): QueueCommand | undefined => {
  const words = rest
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "")
  if (words.length === 0) return { kind: "show" }
  if (words.length === 1 && (words[0] === "default" || words[0] === "reset")) return { kind: "clear" }
  let override: QueueOverride = {}
  for (const word of words) {
    const read = option(word)
    if (read === undefined) return undefined
    override = { ...override, ...read }
  }
  return { kind: "set", override }
}

/** What the session is told from now on. */
export const overridden = (before: QueueOverride | undefined, asked: QueueCommand): QueueOverride | undefined => {
  switch (asked.kind) {
    case "show":
      return before
    case "clear":
      return undefined
    case "set":
      return { ...before, ...asked.override }
  }
}

export const queueUsage =
  "I did not understand that. Write `/queue steer`, `followup`, `collect` or `interrupt`, with options such as `debounce:2s cap:20 drop:old` (or `new`, `summarize`) if you like; `/queue default` goes back to the Gateway's own setting."

const meanings: Readonly<Record<QueueMode, string>> = {
  followup: "each message waits its turn and gets a reply of its own",
  steer: "a message goes into the reply that is being made, if it still can",
  collect: "messages that wait are answered together",
  interrupt: "a new message ends the reply that is being made"
}

/** The setting in words. `isOwn`: the session was told so, and not the configuration. */
export const queueShown = ({ cap, debounceMs, drop, mode }: QueueSetting, isOwn: boolean): string =>
  [
    `Queue: \`${mode}\` – ${meanings[mode]}.`,
    ...(mode === "collect" ? [`Answered after ${debounceMs} ms without a new one.`] : []),
    cap === undefined ? "Any number may wait." : `At most ${cap} wait; beyond that: \`${drop}\`.`,
    isOwn ? "Set for this session; `/queue default` undoes it." : "The Gateway's own setting."
  ].join("\n")
