/**
 * `openclaw agent`: one turn of the agent.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as flags from "../flags.ts"
import { lazily } from "../lazily.ts"

export const agentFlags = {
  message: flags.text("message", "What to say to the agent").pipe(Flag.withAlias("m")),
  messageFile: flags.text("message-file", "Read it from this file; - is standard input"),
  sessionKey: flags.text("session-key", "Conversation to continue, such as main or agent:main:main"),
  sessionId: flags.text("session-id", "The same by its id, as `openclaw sessions --json` shows it"),
  agent: flags.text("agent", "Agent to ask, when there are several"),
  to: flags.text("to", "Where --deliver sends the reply, such as telegram:123").pipe(Flag.withAlias("t")),
  replyTo: flags.text("reply-to", "Where --deliver sends it instead of --to"),
  channel: flags.text("channel", "Channel that --deliver sends it by"),
  replyChannel: flags.text("reply-channel", "Channel that --deliver sends it by instead of --channel"),
  account: flags.text("reply-account", "Account of that channel"),
  deliver: flags.on("deliver", "Send the reply out too"),
  model: flags.text("model", "Model for this turn, as provider/model"),
  thinking: flags.text("thinking", "Thinking level for this turn"),
  timeout: flags.whole(
    "timeout",
    "Seconds (not milliseconds) that the turn may take, at most a day (default 600; 0 is no limit)",
    0,
    86_400
  )
}

export const agent = Command.make(
  "agent",
  agentFlags,
  lazily(() => import("./agent/run.ts"))
).pipe(
  Command.withDescription("Run one turn of the agent and print its reply"),
  Command.withExamples([
    { command: `openclaw agent -m "Which nodes are connected?"`, description: "Ask in the main conversation" }
  ])
)
