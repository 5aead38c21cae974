/**
 * What the bot says by itself, without a model. Markdown.
 */
import type { AccessRequest } from "../../services/ChannelRouter.ts"
import { chatCommands } from "./chatCommands.ts"

export const pairing = (request: AccessRequest): string =>
  [
    "You are not on this bot's list yet.",
    "",
    `Your ${request.channel} user id: ${request.senderId}`,
    `Your code: \`${request.code}\` (good for one hour)`,
    "",
    "Ask the owner of the bot to run:",
    "```",
    `openclaw pairing approve ${request.channel} ${request.code}`,
    "```"
  ].join("\n")

export const approved = "You are on this bot's list now. Write to me and I answer."

export const help = [
  "Write to me and I answer.",
  "",
  ...chatCommands.map(({ command, description }) => `/${command} – ${description}`)
].join("\n")

export const stopped = (count: number): string => (count === 0 ? "Nothing is running." : "Stopped.")

export const sessionAnew = (command: "new" | "reset"): string =>
  command === "new" ? "A new session has begun." : "The session was reset."

export const nothingToSay = "Write what you want to say behind `/steer`."

export const sessionNotReset = "The session could not be reset; the Gateway's log has the cause."

export const status = (options: {
  readonly sessionKey: string
  readonly isRunning: boolean
  readonly active: number
}): string =>
  [
    `Session: \`${options.sessionKey}\``,
    options.isRunning ? "A reply is being made." : "Nothing is running here.",
    `Turns queued or running on this Gateway: ${options.active}`
  ].join("\n")
