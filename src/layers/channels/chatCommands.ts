/**
 * The commands that a person can send to the bot. Names are OpenClaw's.
 */
import type { TurnRequest } from "../../services/Turns.ts"

export interface ChatCommand {
  /** Without the slash. */
  readonly command: "help" | "status" | "stop" | "queue" | "steer" | "new" | "reset" | "compact" | "approve"
  readonly description: string
}

/** In the order of the menu. */
export const chatCommands: ReadonlyArray<ChatCommand> = [
  { command: "help", description: "What this bot understands" },
  { command: "status", description: "What the session is doing" },
  { command: "stop", description: "Stop the reply that is being made and those that wait" },
  { command: "steer", description: "Say something to the reply that is being made" },
  { command: "queue", description: "What happens to messages that come meanwhile" },
  { command: "new", description: "Start a new session" },
  { command: "reset", description: "Forget this session" },
  { command: "compact", description: "Let a summary stand for what was said longer ago" },
  { command: "approve", description: "Decide whether a command may run" }
]

/** Those that are answered in a channel's chat alone; for `chat.send` they are text like any other. */
export const onlyInChannels: ReadonlySet<ChatCommand["command"]> = new Set(["help", "status", "approve"])

/** A command and what was written after it. */
export interface ParsedCommand {
  readonly command: ChatCommand["command"]
  readonly rest: string
}

/** `/start` is what Telegram sends by itself. */
const others: ReadonlyMap<string, ChatCommand["command"]> = new Map([
  ["start", "help"],
  ["tell", "steer"]
])

const commandOf = (name: string): ChatCommand["command"] | undefined =>
  others.get(name) ?? chatCommands.find((candidate) => candidate.command === name)?.command

/** Whether a word without its slash, in lower case, is a command of ours. */
export const isChatCommand = (name: string): boolean => commandOf(name) !== undefined

/** What a turn is to do about `/compact` and what was written after it. */
export const focusOn = (rest: string): NonNullable<TurnRequest["compact"]> =>
  rest === "" ? {} : { instructions: rest }

/** Reads `/new hello`; `undefined` when the text is no command of ours, so that it is a message like any other. */
export const parseCommand = (text: string): ParsedCommand | undefined => {
  const match = /^\/([a-z]{1,16})(?:\s+|$)/i.exec(text)
  if (match === null) return undefined
  const command = commandOf(match[1]!.toLowerCase())
  return command === undefined ? undefined : { command, rest: text.slice(match[0].length).trim() }
}
